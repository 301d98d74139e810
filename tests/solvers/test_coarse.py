"""The coarse correction of the preconditioner."""

import dataclasses

import jax.numpy as jnp
import numpy as np

from ntkmc import autoencoder, inpaint
from ntkmc.kernels import PeriodicKernel
from ntkmc.solvers import ConjugateGradient, _coarse

SHAPE = (32, 32)


def prepared():
    kernel = PeriodicKernel.build(autoencoder(2), SHAPE, dtype="float64")
    pixels = np.nonzero(np.random.default_rng(2).random(SHAPE) < 0.5)
    return kernel, pixels, ConjugateGradient().prepare(kernel, pixels)


def test_inverts_the_kernel_on_blocks_and_is_symmetric(x64):
    kernel, pixels, ready = prepared()
    matrix = np.asarray(kernel.dense(pixels, pixels))
    n = len(matrix)
    balanced = ready.factor
    assert isinstance(balanced, _coarse.Balanced)
    blocks = np.eye(4)[pixels[0] // 16 * 2 + pixels[1] // 16]
    np.testing.assert_allclose(balanced(jnp.asarray(matrix @ blocks)), blocks, atol=1e-9)
    inverse = np.asarray(balanced(jnp.eye(n)))
    # The factor itself is kept in float32.
    np.testing.assert_allclose(inverse, inverse.T, atol=1e-6 * abs(inverse).max())
    # Written out: Z E^-1 Z' + Q F Q'.
    coarse = blocks @ np.linalg.solve(blocks.T @ matrix @ blocks, blocks.T)
    rest = np.eye(n) - coarse @ matrix
    written = coarse + rest @ np.asarray(balanced.factor(jnp.asarray(rest.T)))
    np.testing.assert_allclose(inverse, written, atol=1e-9 * abs(written).max())


def test_fewer_iterations(monkeypatch):
    image = np.random.default_rng(1).random((192, 192))
    mask = np.random.default_rng(2).random(image.shape) < 0.5
    settings = {"network": autoencoder(2), "solver": "conjugate_gradient"}
    corrected = inpaint(image, mask, **settings).solve
    monkeypatch.setattr(_coarse, "correct", lambda system, factor, pixels, shape: factor)
    without = inpaint(image, mask, **settings).solve
    assert corrected.converged
    assert without.converged
    assert corrected.iterations < 0.6 * without.iterations
    assert corrected.condition < 0.1 * without.condition


def test_is_left_out_where_the_kernel_is_not_positive_definite_on_the_blocks(x64):
    kernel, pixels, ready = prepared()
    negative = dataclasses.replace(ready.system, shift=jnp.asarray(-1e6))
    factor = ready.factor.factor
    assert _coarse.correct(negative, factor, pixels, kernel.shape) is factor
