"""The regularised system on some pixels of a kernel's grid, as a linear operator."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np

from ntkmc.kernels.operator import KernelOperator


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class _Layout:
    """Between vectors over pixels and images, by gathers (scatters are slow on a CPU)."""

    pixels: tuple[jax.Array, ...]
    places: jax.Array  # of the shape of the grid: which pixel stands there, n for none

    @classmethod
    def of(cls, pixels, shape):
        places = np.full(shape, len(pixels[0]), np.int32)
        places[pixels] = np.arange(len(pixels[0]))
        return cls(*jax.device_put((tuple(pixels), places)))

    def image(self, vectors):
        padded = jnp.concatenate([vectors, jnp.zeros_like(vectors[:1])])
        return jnp.moveaxis(jnp.take(padded, self.places, axis=0, mode="clip"), -1, 0)

    def vector(self, images):
        return images[(slice(None), *self.pixels)].T


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class System:
    """K + shift I on n pixels, applied to vectors (n, k)."""

    kernel: KernelOperator
    layout: _Layout
    shift: jax.Array

    @classmethod
    def of(cls, kernel: KernelOperator, pixels, shift: float) -> "System":
        """The system on `pixels`, an array an axis."""
        return cls(kernel, _Layout.of(pixels, kernel.shape), jnp.asarray(shift))

    def apply(self, vectors):
        """In the kernel's precision where that is how the kernel multiplies."""
        return (
            self.layout.vector(self.kernel.matvec(self.layout.image(vectors)))
            + self.shift * vectors
        )

    def apply_exactly(self, vectors):
        """The same entries, multiplied in float64."""
        wide = jax.tree.map(
            lambda leaf: leaf.astype(jnp.float64) if leaf.dtype == jnp.float32 else leaf,
            self.kernel,
        )
        return dataclasses.replace(self, kernel=wide).apply(vectors)


def relative_size(residual, right):
    """|residual| / |right|, the largest over the columns; a column of zeros counts for nothing."""
    norms = jnp.linalg.norm(right, axis=0)
    return jnp.max(jnp.where(norms > 0, jnp.linalg.norm(residual, axis=0) / norms, 0))
