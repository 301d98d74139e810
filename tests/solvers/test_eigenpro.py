"""EigenPro against the algorithm in NumPy, dense solutions, and its reports and refusals."""

import dataclasses
import math

import jax.numpy as jnp
import numpy as np
import pytest
import scipy.linalg
from solvers.problems import kernel, pixels, values

from ntkmc import inpaint, memory
from ntkmc.architecture import autoencoder
from ntkmc.kernels import FunctionKernel, GridKernel, kappa_0, kappa_1
from ntkmc.priors import meshgrid
from ntkmc.solvers import (
    DivergenceError,
    EigenPro,
    Prepared,
    SingularKernelError,
    Solver,
    _nystrom,
)

SMALL = EigenPro(ridge=1e-2, rtol=1e-4, epochs=200, subsample=200, eigenvectors=50)


def dense(kernel, where, ridge=0.0):
    matrix = np.asarray(kernel.dense(where, where), np.float64)
    matrix = (matrix + matrix.T) / 2
    return matrix + ridge * np.mean(np.diag(matrix)) * np.eye(len(matrix))


def flattened_matrix(matrix, s, q):
    """K_P by its definition, from the eigenvectors of the first s points."""
    spectrum, vectors = np.linalg.eigh(matrix[:s, :s])
    spectrum, vectors = spectrum[::-1], vectors[:, ::-1]
    functions = matrix[:, :s] @ vectors[:, :q] / np.sqrt(spectrum[:q])
    return matrix - (functions * (1 - spectrum[q] / spectrum[:q])) @ functions.T, spectrum


def shallow_ntk(x, y):
    """NTK of one hidden layer of ReLUs, inputs not normalised: K(x, x) = |x|^2."""
    sizes = jnp.linalg.norm(x, axis=1)[:, None] * jnp.linalg.norm(y, axis=1)
    cosines = jnp.clip(x @ y.T / sizes, -1, 1)
    return sizes * (kappa_1(cosines) + cosines * kappa_0(cosines)) / 2


def far_from_one(scale=1, n=240):
    """Points of sizes 3 to 12, so that K(x, x) goes from 9 to 144."""
    points = np.random.default_rng(0).standard_normal((n, 4))
    points *= (scale * np.geomspace(3, 12, n) / np.linalg.norm(points, axis=1))[:, None]
    return FunctionKernel.build(shallow_ntk, points.astype(np.float32))


def test_what_the_step_rests_on(x64):
    n, s, q, ridge = 400, 150, 30, 1e-2
    where = pixels()
    where = tuple(side[np.random.default_rng(3).permutation(len(side))[:n]] for side in where)
    wide = kernel(dtype="float64")
    matrix = dense(wide, where, ridge)
    shift = ridge * float(wide.diagonal[0, 0])
    flat, spectrum = flattened_matrix(matrix, s, q)
    found = _nystrom.flatten(wide, where, shift, s, q)
    np.testing.assert_allclose(found.diagonal, np.diag(flat).max(), rtol=1e-10)
    removed = matrix[:, :s] @ np.asarray(found.factor)
    np.testing.assert_allclose(matrix - removed @ removed.T, flat, atol=1e-10 * matrix.max())
    largest = np.linalg.eigvalsh(flat)[-1] / n
    assert largest < found.largest < 4 * largest
    # What Nyström's method alone would say is too little.
    assert spectrum[q] / s < largest
    # With all points in the subsample there is nothing to estimate.
    everything = _nystrom.flatten(wide, where, shift, n, q)
    np.testing.assert_allclose(everything.largest, np.linalg.eigvalsh(matrix)[-1 - q] / n)


def test_an_epoch_is_the_algorithm(x64):
    """Two batches and a half of descent, against NumPy with the matrix K_P."""
    where, ridge, s, q, m = pixels(), 1e-2, 200, 50, 200
    right = values(len(where[0]))
    solver = EigenPro(ridge, 1e-9, epochs=2, subsample=s, eigenvectors=q, batch=m, seed=5)
    prepared = solver.prepare(kernel(dtype="float64"), where)
    matrix = dense(kernel(dtype="float64"), where, ridge)
    ordered = matrix[np.ix_(prepared.order, prepared.order)]
    n = len(ordered)
    spectrum, vectors = np.linalg.eigh(ordered[:s, :s])
    spectrum, vectors = spectrum[::-1], vectors[:, ::-1]
    weight = (1 - spectrum[q] / spectrum[:q]) / spectrum[:q]
    rate = 1 / (prepared.flattened.diagonal + (m - 1) * prepared.flattened.largest)
    assert prepared.step == pytest.approx(m * rate)
    expected = np.zeros_like(right)
    for epoch in range(2):
        order = np.random.default_rng([5, epoch]).permutation(n)
        for start in range(0, n, m):
            batch = order[start : start + m]
            gradient = ordered[batch] @ expected - right[prepared.order][batch]
            expected[batch] -= rate * gradient
            seen = vectors[:, :q].T @ ordered[:s, batch] @ gradient
            expected[:s] += rate * vectors[:, :q] @ (weight[:, None] * seen)
    with pytest.warns(UserWarning, match="stopped at a relative residual of .* after 2 epochs"):
        result = prepared.solve(right)
    np.testing.assert_allclose(
        result.weights[prepared.order], expected, rtol=0, atol=1e-9 * abs(expected).max()
    )
    assert not result.converged


@pytest.mark.slow
def test_converges_to_the_cholesky_solution_on_4096_unknowns():
    chosen = np.random.default_rng(0).permutation(128 * 128)[:4096]
    where = np.unravel_index(chosen, (128, 128))
    right = values(4096)
    built = kernel().on((128, 128))
    matrix = np.asarray(built.dense(where, where), np.float64)
    matrix[np.diag_indices(4096)] *= 1.2
    factor = scipy.linalg.cho_factor(matrix, overwrite_a=True, check_finite=False)
    direct = scipy.linalg.cho_solve(factor, right)
    solver = EigenPro(ridge=0.2, rtol=5e-4, subsample=500, eigenvectors=100)
    result = solver.prepare(built, where).solve(right)
    assert result.converged
    assert np.linalg.norm(result.weights - direct) < 1e-3 * np.linalg.norm(direct)
    assert result.iterations < 40


@pytest.mark.parametrize(
    "make",
    [
        kernel,
        lambda: GridKernel.build(autoencoder(1, padding="reflect"), meshgrid((16, 16))),
        far_from_one,
    ],
)
def test_every_kernel_whatever_its_diagonal(make):
    built = make()
    where = built.pixels if isinstance(built, FunctionKernel) else pixels(side=built.shape[0])
    diagonal = np.asarray(built.entries(where, where))
    assert diagonal.max() < 0.2 or diagonal.max() > 1.3 * diagonal.min()
    right = values(len(where[0]))
    system = dataclasses.replace(SMALL, ridge=0.1)
    prepared = system.prepare(built, where)
    assert isinstance(system, Solver)
    assert isinstance(prepared, Prepared)
    result = prepared.solve(right)
    matrix = dense(built, where, 0.1)
    residual = np.linalg.norm(matrix @ result.weights - right, axis=0)
    assert result.converged
    # The true residual, of float32 entries that are symmetric to their rounding; what is left of it
    # is a difference of float32 products, of the size of the values.
    residual = max(residual / np.linalg.norm(right, axis=0))
    np.testing.assert_allclose(residual, result.relative_residual, rtol=0.02, atol=3e-6)
    expected = np.linalg.solve(matrix, right)
    np.testing.assert_allclose(result.weights, expected, rtol=0, atol=5e-3 * abs(expected).max())
    assert result.weights.dtype == np.float64
    assert result.method == "eigenpro"
    assert math.isnan(result.condition)
    assert result.residuals[-1] == result.relative_residual
    assert len(result.residuals) == result.iterations


def test_scaling_the_kernel_scales_the_weights_and_nothing_else():
    brief, right = dataclasses.replace(SMALL, ridge=0.1, epochs=3), values(240)
    with pytest.warns(UserWarning, match="after 3 epochs"):
        one, other = (brief.prepare(k, k.pixels).solve(right) for k in map(far_from_one, (1, 32)))
    np.testing.assert_allclose(32**2 * other.weights, one.weights, rtol=1e-3)
    np.testing.assert_allclose(other.residuals, one.residuals, rtol=1e-4)


def test_several_right_hand_sides_are_each_on_their_own():
    where = pixels()
    right = values(len(where[0]))
    prepared = SMALL.prepare(kernel(), where)
    both = prepared.solve(right)
    right[:, 0] = 0
    one = prepared.solve(right)
    np.testing.assert_array_equal(one.weights[:, 0], 0)
    atol = 2e-3 * abs(one.weights).max()
    np.testing.assert_allclose(one.weights[:, 1], both.weights[:, 1], rtol=0, atol=atol)
    vector = prepared.solve(right[:, 1])
    assert vector.weights.shape == (len(right),)
    np.testing.assert_allclose(vector.weights, one.weights[:, 1], rtol=0, atol=atol)
    nothing = prepared.solve(np.zeros_like(right))
    assert nothing.converged
    assert nothing.iterations == 0


def test_resumed_is_as_if_it_had_not_stopped():
    where = pixels()
    right = values(len(where[0]))
    seen = []
    prepared = SMALL.prepare(kernel(), where)
    whole = prepared.solve(right, lambda *a: seen.append(a))
    assert seen[-1] == ("EigenPro", SMALL.epochs, SMALL.epochs)
    stopped = dataclasses.replace(prepared, solver=dataclasses.replace(SMALL, epochs=3))
    with pytest.warns(UserWarning, match="after 3 epochs"):
        part = stopped.solve(right)
    resumed = prepared.solve(right, start=part)
    np.testing.assert_array_equal(resumed.weights, whole.weights)
    np.testing.assert_array_equal(resumed.residuals, whole.residuals)
    assert resumed.iterations == whole.iterations > 3
    # From weights alone it begins to count, and a solution is recognised.
    again = prepared.solve(right, start=whole.weights)
    assert (again.iterations, again.converged) == (0, True)
    assert again.relative_residual == whole.relative_residual


def test_rounding_of_the_kernel_does_not_limit_the_residual():
    where = pixels()
    solver = dataclasses.replace(SMALL, ridge=0.5, rtol=1e-9)
    assert solver.prepare(kernel(), where).solve(values(len(where[0]))).converged


def test_divergence_of_a_kernel_the_subsample_did_not_show():
    """A few alike points that are a hundred times larger than all others."""
    rng = np.random.default_rng(0)
    points = rng.standard_normal((400, 30)).astype(np.float32)
    order = np.random.default_rng(1).permutation(400)
    points[order[100:112]] = 100 * points[0]
    linear = FunctionKernel.build(lambda x, y: x @ y.T, points)
    solver = EigenPro(ridge=1e-6, subsample=8, eigenvectors=2, seed=1)
    prepared = solver.prepare(linear, linear.pixels)
    np.testing.assert_array_equal(prepared.order, order)
    with pytest.raises(DivergenceError, match=r"seen on 8 \+ 8 of 400 points: pass a larger"):
        prepared.solve(rng.standard_normal(400))
    solver = EigenPro(ridge=1e-6, subsample=200, eigenvectors=2, epochs=5, seed=1)
    with pytest.warns(UserWarning, match="stopped"):
        result = solver.prepare(linear, linear.pixels).solve(rng.standard_normal(400))
    assert result.relative_residual < 2


def test_a_kernel_that_is_not_positive_semidefinite_is_named():
    points = np.random.default_rng(0).standard_normal((200, 2)).astype(np.float32)

    def wrong(x, y):
        return jnp.tanh(3 * x @ y.T - 1)

    built = FunctionKernel.build(wrong, points)
    prepared = EigenPro(subsample=100, eigenvectors=10, epochs=500).prepare(built, built.pixels)
    with pytest.raises(SingularKernelError, match="not positive semidefinite: on 100 of 200"):
        prepared.solve(values(200))
    built = FunctionKernel.build(lambda x, y: -jnp.exp(x @ y.T), points)
    with pytest.raises(SingularKernelError, match=r"on 100 of 200 points is .* rounding"):
        EigenPro(subsample=100, eigenvectors=10).prepare(built, built.pixels)


@pytest.mark.parametrize("n", [1, 3])
def test_fewer_pixels_than_the_subsample(n):
    where = tuple(side[:n] for side in pixels())
    result = EigenPro(rtol=1e-5).prepare(kernel(), where).solve(values(n))
    np.testing.assert_allclose(
        result.weights, np.linalg.solve(dense(kernel(), where), values(n)), rtol=1e-3
    )


def test_inpaint_takes_it_by_name():
    image = np.full((32, 32), np.nan)
    image[pixels()] = np.random.default_rng(0).random(len(pixels()[0]))
    result = inpaint(image, network=autoencoder(2), solver="eigenpro", ridge=0.1, rtol=1e-3)
    assert result.solve.method == "eigenpro"
    assert result.solve.relative_residual <= 1e-3


def test_memory_is_predicted_before_anything_is_allocated(monkeypatch):
    monkeypatch.setattr(memory, "available_bytes", lambda: 10_000)
    with pytest.raises(memory.NotEnoughMemoryError, match="smaller subsample or batch"):
        EigenPro().prepare(kernel(), pixels())


def test_arguments_are_checked():
    for wrong, message in [
        ({"ridge": -1.0}, "ridge was -1"),
        ({"rtol": 0.0}, "rtol was 0"),
        ({"epochs": 0}, "epochs was 0"),
        ({"subsample": 0}, "subsample was 0"),
        ({"batch": 0}, "batch was 0"),
        (
            {"subsample": 10, "eigenvectors": 10},
            "eigenvectors was 10; pass a number from 0 to subsample",
        ),
    ]:
        with pytest.raises(ValueError, match=message):
            EigenPro(**wrong)
    with pytest.raises(ValueError, match="rows go from 0 to 40"):
        EigenPro().prepare(kernel(), (np.array([0, 40]), np.array([0, 1])))
    where = tuple(side[:5] for side in pixels())
    prepared = EigenPro().prepare(kernel(), where)
    with pytest.raises(ValueError, match=r"expected \(5,\)"):
        prepared.solve(np.zeros(3))
    with pytest.raises(ValueError, match=r"values\[1\] is not finite"):
        prepared.solve(np.array([0.0, np.nan, 0, 0, 0]))
    with pytest.raises(ValueError, match=r"start has weights of shape \(4,\); .* \(5,\)"):
        prepared.solve(np.ones(5), start=np.zeros(4))
