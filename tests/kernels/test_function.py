"""A function of points as a kernel: its parts against the whole matrix in NumPy."""

import jax.numpy as jnp
import numpy as np
import pytest

from ntkmc.kernels import FunctionKernel, function
from ntkmc.kernels.operator import KernelOperator
from ntkmc.solvers import Cholesky, ConjugateGradient

POINTS = np.random.default_rng(0).standard_normal((40, 3)).astype(np.float32)


def laplace(x, y):
    return jnp.exp(-jnp.sqrt(((x[:, None] - y[None]) ** 2).sum(axis=-1)))


def matrix():
    return np.exp(-np.linalg.norm(POINTS[:, None].astype(float) - POINTS[None], axis=-1))


def test_parts_are_those_of_the_matrix(monkeypatch):
    kernel = FunctionKernel.build(laplace, POINTS)
    assert isinstance(kernel, KernelOperator)
    assert kernel.shape == (40, 1)
    assert kernel.dtype == np.float32
    assert kernel.memory_bytes == POINTS.nbytes
    all_of = kernel.pixels
    some = tuple(side[[3, 30, 7]] for side in all_of)
    close = {"rtol": 2e-6, "atol": 0}
    np.testing.assert_allclose(kernel.dense(some, all_of), matrix()[[3, 30, 7]], **close)
    column = tuple(side[:, None] for side in some)
    np.testing.assert_allclose(kernel.entries(column, all_of), matrix()[[3, 30, 7]], **close)
    np.testing.assert_array_equal(kernel.diagonal, np.ones((40, 1)))
    monkeypatch.setattr(function, "BLOCK_BYTES", 7 * 40 * 4)  # the last block is not full
    images = jnp.asarray(np.random.default_rng(1).random((2, 40, 1)), jnp.float32)
    np.testing.assert_allclose(kernel.matvec(images), matrix() @ np.asarray(images), **close)


def test_products_in_float64_are_with_the_entries_it_was_built_for(x64):
    kernel = FunctionKernel.build(laplace, jnp.asarray(POINTS))
    vector = np.random.default_rng(1).standard_normal((40, 1))
    entries = np.asarray(kernel.dense(kernel.pixels, kernel.pixels))
    assert entries.dtype == np.float32
    product = np.asarray(kernel.matvec(jnp.asarray(vector)))
    np.testing.assert_allclose(product, entries.astype(float) @ vector, rtol=0, atol=1e-13)


def test_points_may_be_arrays_of_any_shape():
    images = POINTS[:36].reshape(12, 3, 3)
    kernel = FunctionKernel.build(lambda x, y: jnp.einsum("aij,bij->ab", x, y), images)
    flat = images.reshape(12, 9).astype(float)
    np.testing.assert_allclose(kernel.diagonal[:, 0], (flat**2).sum(axis=1), rtol=1e-5)


@pytest.mark.parametrize("solver", [Cholesky, ConjugateGradient])
def test_every_solver_takes_it(solver):
    kernel = FunctionKernel.build(laplace, POINTS)
    right = np.random.default_rng(1).standard_normal(40)
    result = solver(rtol=1e-6).prepare(kernel, kernel.pixels).solve(right)
    np.testing.assert_allclose(result.weights, np.linalg.solve(matrix(), right), atol=1e-4)


@pytest.mark.usefixtures("unchecked")
def test_bad_input_is_named():
    with pytest.raises(ValueError, match=r"points have shape .* and type int32"):
        FunctionKernel.build(laplace, np.arange(6).reshape(3, 2))
    with pytest.raises(ValueError, match=r"points\[1\] is not finite"):
        FunctionKernel.build(laplace, np.array([[0.0], [np.inf]]))
    with pytest.raises(ValueError, match=r"returned .* for 2 and 3 points; expected a matrix"):
        FunctionKernel.build(lambda x, y: x @ y[0], POINTS)
    with pytest.raises(TypeError, match="which JAX cannot trace"):
        FunctionKernel.build(lambda x, y: np.asarray(x) @ np.asarray(y).T, POINTS)
    kernel = FunctionKernel.build(laplace, POINTS)
    with pytest.raises(ValueError, match="last two sides must be"):
        kernel.matvec(jnp.zeros((1, 40)))
