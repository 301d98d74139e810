"""Small completion problems that the solver tests share."""

import functools

import jax
import jax.numpy as jnp
import numpy as np

from ntkmc.architecture import Conv, Identity, Sequential, Upsample, autoencoder
from ntkmc.kernels import PeriodicKernel


@functools.cache
def kernel(side=32, levels=2, dtype="float32"):
    return PeriodicKernel.build(autoencoder(levels), (side, side), dtype=dtype)


def pixels(side=32, share=0.5, seed=0):
    return np.nonzero(np.random.default_rng(seed).random((side, side)) < share)


def values(n, k=2, seed=1):
    return np.random.default_rng(seed).standard_normal((n, k))


@functools.cache
def singular_kernel():
    """Each 2 x 2 block of pixels is one pixel, four times: rank n / 4."""
    return PeriodicKernel.build(
        Sequential([Conv(3, stride=2), Identity(), Upsample(2)]), (16, 16), dtype="float32"
    )


@jax.tree_util.register_static
class Indefinite:
    """A kernel operator that is not positive definite: one minus a delta."""

    shape = (16, 16)
    dtype = np.dtype("float32")
    memory_bytes = 0
    diagonal = jnp.full((16, 16), 1.0)

    def entries(self, pixels_a, pixels_b):
        same = (pixels_a[0] == pixels_b[0]) & (pixels_a[1] == pixels_b[1])
        return jnp.where(same, 1.0, 0.0)

    def matvec(self, images):
        return images - images.sum(axis=(-2, -1), keepdims=True)

    def dense(self, pixels_a, pixels_b):
        return self.entries(
            tuple(side[:, None] for side in pixels_a), tuple(side[None, :] for side in pixels_b)
        )
