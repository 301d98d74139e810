"""The kernel of a network on features of patches, and sums of kernels on priors of their own."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from compiled import by_operation
from stax.sampling import exact_kernels

import ntkmc.stax
from ntkmc import NotEnoughMemoryError, PeriodicKernel, autoencoder, memory
from ntkmc.architecture import pointwise
from ntkmc.finite import sample_kernels
from ntkmc.kernels import GridKernel, PatchKernel, WeightedKernel, dense_ntk
from ntkmc.kernels.operator import KernelOperator
from ntkmc.priors import PatchPrior
from ntkmc.solvers import Cholesky, ConjugateGradient

SHAPE = (5, 6)
PIXELS = tuple(side.ravel() for side in np.indices(SHAPE))
PRIOR = PatchPrior(np.random.default_rng(0).normal(size=(*SHAPE, 2)), 0.8, 5, scale=4.0)


def features():
    """As many channels as pixels, with the second moments of the prior exactly: (H, W, n)."""
    moments = np.asarray(PatchKernel.build(PRIOR, 0, "nngp").dense(PIXELS, PIXELS), np.float64)
    n = len(moments)
    return np.sqrt(n) * np.linalg.cholesky(moments + 1e-9 * np.eye(n)).reshape(*SHAPE, n)


@pytest.mark.parametrize("kind", ["ntk", "nngp"])
@pytest.mark.parametrize("depth", [0, 1, 3])
def test_against_neural_tangents_and_the_closed_form(depth, kind):
    found = np.asarray(PatchKernel.build(PRIOR, depth, kind).dense(PIXELS, PIXELS))
    z = features()
    n = z.shape[-1]
    closed = dense_ntk(z.reshape(n, n).T / np.sqrt(n), depth=depth, kind=kind)
    np.testing.assert_allclose(found, closed, atol=3e-5 * (depth + 1))
    kernel_fn = ntkmc.stax.from_architecture(pointwise(depth))[2]
    theirs = exact_kernels(by_operation(kernel_fn), z[None].astype(np.float32))[kind]
    theirs = theirs[0, 0].transpose(0, 2, 1, 3).reshape(n, n)
    np.testing.assert_allclose(found, theirs, atol=2e-3)  # float32 near equal inputs, theirs


def test_finite_networks_converge_to_it():
    limit = np.asarray(PatchKernel.build(PRIOR, 1).dense(PIXELS, PIXELS))
    kernels = sample_kernels(pointwise(1), 256, features().astype(np.float32), "ntk", 40, seed=1)
    mean, error = kernels.mean(axis=0), kernels.std(axis=0, ddof=1) / np.sqrt(len(kernels))
    assert abs((mean - limit) / error).max() < 4


def test_drawn_features_converge_to_it():
    limit = np.asarray(PatchKernel.build(PRIOR, 1).dense(PIXELS, PIXELS))
    drawn = PRIOR.sample(jax.random.key(0), 20_000)
    found = np.asarray(GridKernel.build(pointwise(1), drawn).dense(PIXELS, PIXELS))
    assert abs(found - limit).max() < 0.06  # 4 standard errors of a moment, times the slope


@pytest.mark.slow
def test_is_one_kernel_however_it_is_asked_for():
    patches = PatchKernel.build(PRIOR, 1)
    positions = PeriodicKernel.build(autoencoder(1), (8, 8))
    total = WeightedKernel((positions, patches), jnp.array([0.5, 2.0]))
    points = np.random.default_rng(0).integers(0, SHAPE, (3, 7, 2))
    points[1, 2] = points[1, 4]  # one pixel twice
    images = np.random.default_rng(1).normal(size=(2, *SHAPE)).astype(np.float32)
    for kernel in (patches, total):
        assert isinstance(kernel, KernelOperator)
        assert kernel.shape == SHAPE
        assert kernel.dtype == np.float32
        assert kernel.memory_bytes >= patches.patches.nbytes
        matrix = np.asarray(kernel.dense(PIXELS, PIXELS))
        np.testing.assert_array_equal(matrix, matrix.T)
        assert np.linalg.eigvalsh(matrix.astype(np.float64)).min() > 0
        np.testing.assert_allclose(kernel.diagonal, np.diag(matrix).reshape(SHAPE), rtol=1e-6)
        flat = points[..., 0] * SHAPE[1] + points[..., 1]
        expected = matrix[flat[:, :, None], flat[:, None, :]]
        np.testing.assert_allclose(kernel.within(jnp.asarray(points)), expected, atol=3e-3)
        expected = (images.reshape(2, -1) @ matrix).reshape(images.shape)
        np.testing.assert_allclose(kernel.matvec(jnp.asarray(images)), expected, atol=0.02)
    parts = [np.asarray(kernel.dense(PIXELS, PIXELS)) for kernel in (positions, patches)]
    expected = 0.5 * parts[0] + 2 * parts[1]
    np.testing.assert_allclose(total.dense(PIXELS, PIXELS), expected, rtol=1e-6)
    assert total.common == pytest.approx(0.5 * positions.common)
    with pytest.raises(ValueError, match="the last two sides must be"):
        patches.matvec(jnp.ones((3, 3)))


@pytest.mark.slow
def test_solvers_take_the_sum():
    patches = PatchKernel.build(PRIOR, 1)
    positions = PeriodicKernel.build(autoencoder(1), (8, 8))
    total = WeightedKernel((positions, patches), jnp.array([1.0, 1.0]))
    some = tuple(side[::2] for side in PIXELS)
    values = np.random.default_rng(1).normal(size=len(some[0]))
    direct, iterated = (
        solver.prepare(total, some).solve(values).weights
        for solver in (Cholesky(ridge=1e-2), ConjugateGradient(ridge=1e-2))
    )
    np.testing.assert_allclose(iterated, direct, atol=1e-3 * abs(direct).max())


def test_refusals(monkeypatch):
    with pytest.raises(ValueError, match="depth was -1; pass a whole number"):
        PatchKernel.build(PRIOR, -1)
    with pytest.raises(ValueError, match="kind was 'cntk'; pass 'ntk' or 'nngp'"):
        PatchKernel.build(PRIOR, 1, "cntk")
    with pytest.raises(ValueError, match="depth was True; pass a whole number"):
        pointwise(True)
    monkeypatch.setattr(memory, "available_bytes", lambda: 100)
    with pytest.raises(NotEnoughMemoryError, match="patches of 5 x 5 pixels of an image of 5 x 6"):
        PatchKernel.build(PRIOR, 1)
