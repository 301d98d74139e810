"""The preconditioner that is exact on the constant vector."""

import jax.numpy as jnp
import numpy as np
import pytest

from ntkmc import autoencoder, inpaint
from ntkmc.kernels import PeriodicKernel
from ntkmc.solvers import ConjugateGradient

SHAPE = (32, 32)


@pytest.mark.slow
def test_inverts_the_kernel_on_the_constant_and_is_symmetric(x64):
    kernel = PeriodicKernel.build(autoencoder(2), SHAPE, dtype="float64")
    pixels = np.nonzero(np.random.default_rng(2).random(SHAPE) < 0.5)
    matrix = np.asarray(kernel.dense(pixels, pixels))
    n = len(matrix)
    balanced = ConjugateGradient().prepare(kernel, pixels).factor
    ones = np.ones((n, 1))
    np.testing.assert_allclose(balanced(jnp.asarray(matrix @ ones)), ones, atol=1e-9)
    inverse = np.asarray(balanced(jnp.eye(n)))
    # The factor itself is kept in float32.
    np.testing.assert_allclose(inverse, inverse.T, atol=1e-6 * abs(inverse).max())
    # Written out: (I - 1 u' / e) P (I - u 1' / e) + 1 1' / e.
    image, energy = matrix @ ones, matrix.sum()
    right = np.eye(n) - image @ ones.T / energy
    written = right.T @ np.asarray(balanced.factor(jnp.asarray(right))) + ones @ ones.T / energy
    np.testing.assert_allclose(inverse, written, atol=1e-9 * abs(written).max())


@pytest.mark.slow
def test_fewer_iterations(monkeypatch):
    image = np.random.default_rng(1).random((192, 192))
    mask = np.random.default_rng(2).random(image.shape) < 0.5
    settings = {"network": autoencoder(2), "solver": "conjugate_gradient"}
    corrected = inpaint(image, mask, **settings).solve
    monkeypatch.setattr(PeriodicKernel, "common", 0.0)
    without = inpaint(image, mask, **settings).solve
    assert corrected.converged
    assert without.converged
    assert corrected.iterations < 0.4 * without.iterations
    assert corrected.condition < 0.1 * without.condition
