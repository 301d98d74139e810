"""Both solvers against a dense float64 solution, and their reports and refusals."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from solvers.problems import Indefinite, kernel, pixels, singular_kernel, values

from ntkmc import memory
from ntkmc.architecture import autoencoder
from ntkmc.kernels import PeriodicKernel
from ntkmc.solvers import (
    Cholesky,
    ConjugateGradient,
    Prepared,
    SingularKernelError,
    Solver,
    posterior,
)

SOLVERS = [Cholesky, ConjugateGradient]


def dense(kernel, where, ridge=0.0):
    matrix = np.asarray(kernel.dense(where, where), np.float64)
    matrix = (matrix + matrix.T) / 2  # symmetric to float32 rounding only
    return matrix + ridge * np.mean(np.diag(matrix)) * np.eye(len(matrix))


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("ridge", [0.0, 1e-2])
# A float32 kernel's entries and products differ by the rounding of its entries times |weights|.
@pytest.mark.parametrize(("dtype", "known_to"), [("float64", 1e-12), ("float32", 1e-6)])
def test_solves_the_regularised_system(solver, ridge, dtype, known_to, x64):
    where = pixels()
    right = values(len(where[0]))
    system = solver(ridge=ridge, rtol=1e-7)
    prepared = system.prepare(kernel(dtype=dtype), where)
    assert isinstance(system, Solver)
    assert isinstance(prepared, Prepared)
    result = prepared.solve(right)
    matrix = dense(kernel(dtype=dtype), where, ridge)
    np.testing.assert_allclose(
        result.weights,
        np.linalg.solve(matrix, right),
        rtol=0,
        atol=1e-4 * abs(result.weights).max(),
    )
    residual = np.linalg.norm(matrix @ result.weights - right, axis=0) / np.linalg.norm(
        right, axis=0
    )
    assert result.converged
    assert result.relative_residual <= 1e-7
    np.testing.assert_allclose(residual.max(), result.relative_residual, rtol=1e-3, atol=known_to)
    assert result.weights.dtype == np.float64
    assert result.seconds > 0


@pytest.mark.parametrize("shape", [(256,), (8, 12, 16)])
def test_signals_and_volumes(shape):
    """Both solvers, and some other pixels from all that are observed, against a dense solution."""
    built = PeriodicKernel.build(autoencoder(2), shape)
    mask = np.random.default_rng(0).random(shape) < 0.3
    where, there = np.nonzero(mask), tuple(side[::50] for side in np.nonzero(~mask))
    right = values(mask.sum())
    weights = np.linalg.solve(dense(built, where), right)
    for solver in SOLVERS:
        result = solver(rtol=1e-7).prepare(built, where).solve(right)
        assert result.iterations <= 30
        scale = abs(weights).max()
        np.testing.assert_allclose(result.weights, weights, rtol=0, atol=1e-4 * scale)
    expected = np.asarray(built.dense(there, where), np.float64) @ weights
    found = posterior.nearest(built, where, right, there, neighbours=int(mask.sum()))
    np.testing.assert_allclose(found.mean, expected, atol=1e-3)
    outside = (np.array([shape[0]]), *(np.array([0]) for _ in shape[1:]))
    with pytest.raises(ValueError, match=f"coordinates 0 go from {shape[0]} to {shape[0]}"):
        Cholesky().prepare(built, outside)
    with pytest.raises(ValueError, match=f"pass one for each axis, {len(shape)} integer arrays"):
        Cholesky().prepare(built, (*where, where[0]))


@pytest.mark.slow
@pytest.mark.parametrize("solver", SOLVERS)
def test_one_preparation_serves_many_right_hand_sides(solver):
    where = pixels()
    prepared = solver(rtol=1e-6).prepare(kernel(), where)
    right = values(len(where[0]), k=3)
    together = prepared.solve(right)
    alone = prepared.solve(right[:, 1])
    assert alone.weights.shape == (len(right),)
    np.testing.assert_allclose(
        alone.weights, together.weights[:, 1], rtol=0, atol=1e-4 * abs(together.weights).max()
    )


@pytest.mark.parametrize("solver", SOLVERS)
def test_zero_values_have_zero_weights(solver):
    where = pixels()
    right = values(len(where[0]))
    right[:, 0] = 0
    result = solver().prepare(kernel(), where).solve(right)
    assert result.converged
    np.testing.assert_array_equal(result.weights[:, 0], 0)


def test_condition_estimates():
    where = pixels()
    spectrum = np.linalg.eigvalsh(dense(kernel(), where))
    direct = Cholesky().prepare(kernel(), where).solve(values(len(where[0])))
    assert 0.4 < direct.condition / (spectrum[-1] / spectrum[0]) < 1.1
    iterative = ConjugateGradient().prepare(kernel(), where).solve(values(len(where[0])))
    assert 1 < iterative.condition < direct.condition / 10


def test_conjugate_gradient_report():
    where = pixels()
    seen = []
    solver = ConjugateGradient(rtol=1e-5)
    result = solver.prepare(kernel(), where, lambda *a: seen.append(a)).solve(
        values(len(where[0])), lambda *a: seen.append(a)
    )
    assert result.method == "conjugate_gradient"
    assert len(result.residuals) == result.iterations < 30
    assert result.residuals[-1] == pytest.approx(result.relative_residual)
    assert {stage for stage, _, _ in seen} == {"preconditioner", "conjugate gradients"}
    assert seen[-1][1] == seen[-1][2]


def test_float32_products_reach_a_float64_residual(x64):
    """Residual renewal: rounding in the products neither accumulates nor hides."""
    where = pixels()
    right = values(len(where[0]))
    prepared = ConjugateGradient(rtol=1e-9).prepare(kernel(), where)
    result = prepared.solve(right)
    assert result.converged
    wide = jax.tree.map(lambda leaf: leaf.astype(jnp.float64), kernel())
    image = np.zeros((2, 32, 32))
    image[:, *where] = result.weights.T
    left = np.asarray(wide.matvec(jnp.asarray(image)))[:, *where].T - right
    assert np.linalg.norm(left) <= 1.01e-9 * np.linalg.norm(right)


@pytest.mark.slow
def test_more_neighbours_need_fewer_iterations():
    where = pixels(side=64)
    right = values(len(where[0]))
    steps = [
        ConjugateGradient(neighbours=m).prepare(kernel(64, 3), where).solve(right).iterations
        for m in (4, 16, 48)
    ]
    assert steps[0] > steps[1] > steps[2]


def test_too_few_iterations_are_reported_not_hidden():
    where = pixels()
    solver = ConjugateGradient(max_iterations=3)
    with pytest.warns(UserWarning, match="stopped at a relative residual of .* after 3 iterations"):
        result = solver.prepare(kernel(), where).solve(values(len(where[0])))
    assert not result.converged
    assert result.relative_residual > 1e-5
    assert np.isfinite(result.weights).all()


@pytest.mark.slow
@pytest.mark.parametrize("solver", SOLVERS)
def test_singular_kernel_is_explained_and_a_ridge_mends_it(solver):
    where = pixels(side=16, share=0.9)
    right = values(len(where[0]))
    with pytest.raises(SingularKernelError, match="larger ridge"):
        solver().prepare(singular_kernel(), where).solve(right)
    result = solver(ridge=1e-2).prepare(singular_kernel(), where).solve(right)
    assert result.converged


def test_indefinite_operator_is_noticed_during_the_iteration():
    where = pixels(side=16)
    prepared = ConjugateGradient().prepare(Indefinite(), where)
    with pytest.raises(SingularKernelError, match="broke down at iteration"):
        prepared.solve(np.ones(len(where[0])))


@pytest.mark.parametrize("solver", SOLVERS)
def test_memory_is_predicted_before_anything_is_allocated(solver, monkeypatch):
    monkeypatch.setattr(memory, "available_bytes", lambda: 10_000)
    with pytest.raises(memory.NotEnoughMemoryError, match=r"needs about .* is free"):
        solver().prepare(kernel(), pixels())


@pytest.mark.parametrize("solver", SOLVERS)
def test_arguments_are_checked(solver, unchecked):
    for wrong in (2, "small", float("nan")):
        with pytest.raises(ValueError, match=f"rtol was {wrong!r}; pass a number between"):
            solver(rtol=wrong)
    with pytest.raises(ValueError, match="ridge was 'loo'; pass a number >= 0"):
        solver(ridge="loo")
    with pytest.raises(ValueError, match="ridge was -1"):
        solver(ridge=-1.0)
    with pytest.raises(ValueError, match="rows go from 0 to 40"):
        solver().prepare(kernel(), (np.array([0, 40]), np.array([0, 1])))
    with pytest.raises(ValueError, match=r"pixels was of shape \(3, 2\); pass \(rows, columns\)"):
        solver().prepare(kernel(), np.array([(0, 1), (5, 3), (2, 2)]))
    with pytest.raises(ValueError, match="as many of each"):
        solver().prepare(kernel(), (np.array([0, 1]), np.array([0])))
    prepared = solver().prepare(kernel(), (np.array([0, 5]), np.array([3, 4])))
    with pytest.raises(ValueError, match=r"expected \(2,\)"):
        prepared.solve(np.zeros(3))
    with pytest.raises(ValueError, match=r"values\[1\] is not finite"):
        prepared.solve(np.array([0.0, np.nan]))


def test_conjugate_gradient_settings_are_checked():
    with pytest.raises(ValueError, match="rtol was 2"):
        ConjugateGradient(rtol=2.0)
    with pytest.raises(ValueError, match="neighbours was 0"):
        ConjugateGradient(neighbours=0)


@pytest.mark.parametrize("n", [1, 2, 3])
def test_fewer_pixels_than_neighbours(n):
    where = tuple(side[:n] for side in pixels())
    result = ConjugateGradient().prepare(kernel(), where).solve(values(n))
    np.testing.assert_allclose(
        result.weights, np.linalg.solve(dense(kernel(), where), values(n)), rtol=1e-4
    )
