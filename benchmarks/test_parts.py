"""The parts of an inpainting one by one: `uv run pytest benchmarks --benchmark-enable -n 0`."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ntkmc import PeriodicKernel, autoencoder
from ntkmc.datasets import random_mask
from ntkmc.kernels import padded_shape
from ntkmc.solvers import sparse_inverse
from ntkmc.solvers._neighbours import nearest_earlier

SHAPE = (256, 256)
PIXELS = np.nonzero(random_mask(SHAPE, 0.5, seed=0))


@pytest.fixture(scope="module")
def kernel():
    return PeriodicKernel.build(autoencoder(4), SHAPE)


def warm(benchmark, run, *arguments):
    """Time calls after the first, which compiles, until their arrays are there."""

    def finished():
        return jax.block_until_ready(run(*arguments))

    finished()
    return benchmark(finished)


@pytest.mark.parametrize("levels", [2, 4, 6])
def test_build(benchmark, levels):
    network = autoencoder(levels)
    kernel = warm(benchmark, PeriodicKernel.build, network, padded_shape(network, SHAPE))
    assert kernel.shape == SHAPE


def test_matvec(benchmark, kernel):
    images = jnp.ones((3, *SHAPE), jnp.float32)
    assert warm(benchmark, jax.jit(lambda k, x: k.matvec(x)), kernel, images).shape == images.shape


def test_entries(benchmark, kernel):
    few = tuple(side[:2000] for side in PIXELS)
    assert warm(benchmark, kernel.dense, few, few).shape == (2000, 2000)


def test_neighbours(benchmark):
    ordered = np.stack(PIXELS, axis=1)[np.random.default_rng(0).permutation(len(PIXELS[0]))]
    assert benchmark(nearest_earlier, ordered, SHAPE, 32).shape == (len(ordered), 32)


def test_build_preconditioner(benchmark, kernel):
    factor = warm(benchmark, sparse_inverse.build, kernel, PIXELS)
    assert factor.columns.shape == (len(PIXELS[0]), 33)


def test_apply_preconditioner(benchmark, kernel):
    factor = sparse_inverse.build(kernel, PIXELS)
    vectors = jnp.ones((len(PIXELS[0]), 3), jnp.float32)
    assert warm(benchmark, jax.jit(lambda f, v: f(v)), factor, vectors).shape == vectors.shape
