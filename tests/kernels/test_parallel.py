"""Networks side by side: every reading gives the weighted sum of the branches' kernels."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.special
from compiled import by_operation
from flax import nnx
from stax.sampling import exact_kernels

from ntkmc import finite, stax
from ntkmc._random import normal
from ntkmc.architecture import Parallel, autoencoder
from ntkmc.kernels import GridKernel, PeriodicKernel, padded_shape
from ntkmc.kernels._table import stored
from ntkmc.priors import IIDUniform

PRIOR = IIDUniform(0.0, 0.1)
BRANCHES = (autoencoder(2), autoencoder(1, 1, upsampling="bilinear"))
NETWORK = Parallel(BRANCHES, (1.0, 0.3))
SMALL = Parallel((autoencoder(1, 1), autoencoder(1, 1, upsampling="bilinear")), (1.0, 0.3))
PIXELS = tuple(side.ravel() for side in np.mgrid[:16, :16])


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["ntk", "nngp"])
def test_periodic_and_grid_kernels(kind, x64):
    shape = padded_shape(NETWORK, (16, 16))
    kernel = PeriodicKernel.build(NETWORK, shape, PRIOR, kind, "float64")
    parts = [PeriodicKernel.build(branch, shape, PRIOR, kind, "float64") for branch in BRANCHES]
    expected = sum(
        w * np.asarray(part.dense(PIXELS, PIXELS))
        for w, part in zip(NETWORK.weights, parts, strict=True)
    )
    np.testing.assert_allclose(kernel.dense(PIXELS, PIXELS), expected, rtol=1e-14)
    image = jnp.asarray(np.random.default_rng(0).normal(size=shape))
    applied = sum(
        w * np.asarray(part.matvec(image)) for w, part in zip(NETWORK.weights, parts, strict=True)
    )
    np.testing.assert_allclose(kernel.matvec(image), applied, rtol=1e-12)
    grid = GridKernel.build(NETWORK, PRIOR, kind, "float64", shape=shape)
    np.testing.assert_allclose(grid.dense(PIXELS, PIXELS), expected, rtol=1e-13)


@pytest.mark.slow
def test_neural_tangents(x64):
    features = np.random.default_rng(1).normal(size=(3, 6, 6))
    kernel = GridKernel.build(SMALL, features, "ntk", "float64")
    _, _, kernel_fn = stax.from_architecture(SMALL)
    theirs = exact_kernels(by_operation(kernel_fn), features.transpose(1, 2, 0)[None])["ntk"]
    ordered = theirs[0, 0].transpose(0, 2, 1, 3).reshape(36, 36)
    np.testing.assert_allclose(kernel.matrix, ordered, rtol=1e-10)


@pytest.mark.slow
def test_finite_network_is_the_weighted_sum_of_its_branches():
    module = finite.from_architecture(SMALL, 8, 3, rngs=nnx.Rngs(0))
    features = normal(jax.random.key(0), (1, 8, 8, 3))
    output = by_operation(lambda module: module(features))
    parts = [np.asarray(output(branch)) for branch in module.branches]
    np.testing.assert_allclose(output(module), parts[0] + np.sqrt(0.3) * parts[1], rtol=1e-5)
    squashed = finite.from_architecture(SMALL, 8, 3, sigmoid=True, rngs=nnx.Rngs(0))
    expected = scipy.special.expit(output(module))
    np.testing.assert_allclose(output(squashed), expected, rtol=1e-5)
    corner = features[0, :4, :4]
    kernel = finite.empirical_kernel(module, corner)
    each = [finite.empirical_kernel(branch, corner) for branch in module.branches]
    np.testing.assert_allclose(kernel, each[0] + 0.3 * each[1], rtol=1e-3, atol=1e-5)


def test_stored_tables_are_read_back_and_made_again_where_broken(tmp_path):
    made = stored(tmp_path, BRANCHES[1], PRIOR, "ntk", "float32")
    (path,) = tmp_path.iterdir()
    read = stored(tmp_path, BRANCHES[1], PRIOR, "ntk", "float32")
    assert read.pairs == made.pairs
    np.testing.assert_array_equal(read.values, made.values)
    path.write_bytes(path.read_bytes()[:100])
    again = stored(tmp_path, BRANCHES[1], PRIOR, "ntk", "float32")
    np.testing.assert_array_equal(again.values, made.values)
    assert stored(tmp_path, BRANCHES[1], PRIOR, "ntk", "float32").pairs == made.pairs
    stored(tmp_path, BRANCHES[1], PRIOR, "nngp", "float32")
    assert len(list(tmp_path.iterdir())) == 2
