"""Rows of a table, solved pattern by pattern, against dense solutions of every row."""

import numpy as np
import pytest

from ntkmc import memory
from ntkmc.kernels import dense_ntk
from ntkmc.solvers import (
    KernelFactor,
    SingularKernelError,
    best_ridge,
    complete_rows,
    group_rows,
    leave_one_out,
    leave_one_out_error,
    minimise_over_ridges,
)
from ntkmc.solvers.pattern_weights import PatternSystem


@pytest.fixture(params=["in stacks", "one by one"])
def way(request, monkeypatch):
    """Both ways in which patterns of few columns can be solved."""
    if request.param == "one by one":
        monkeypatch.setattr("ntkmc.solvers.pattern_solve.NARROW", 0)


def table(m=12, n=9, share=0.7, seed=0):
    """Values with three patterns more than once, a row with nothing and one with everything."""
    rng = np.random.default_rng(seed)
    Z = rng.standard_normal((4, n)) * np.linspace(0.5, 2, n)
    values = rng.standard_normal((m, 4)) @ Z + 0.3 * rng.standard_normal((m, n))
    missing = rng.random((m, n)) > share
    missing[1:4] = missing[0]
    missing[5] = missing[6]
    missing[10], missing[11] = True, False
    return dense_ntk(Z), np.where(missing, np.nan, values)


def shifted(kernel, ridge):
    return kernel + ridge * np.diagonal(kernel).mean() * np.eye(len(kernel))


def by_hand(kernel, values, ridge, row, column):
    """Mean and variance of one entry from the other observed ones of its row."""
    others = np.flatnonzero(~np.isnan(values[row]))
    others = others[others != column]
    full = shifted(kernel, ridge)
    weights = np.linalg.solve(full[np.ix_(others, others)], kernel[others, column])
    variance = full[column, column] - kernel[column, others] @ weights
    return weights @ values[row, others], variance


@pytest.mark.parametrize("ridge", [0.0, 0.1])
def test_every_entry_from_the_others_of_its_row(way, ridge):
    kernel, values = table()
    result = complete_rows(kernel, values, ridge=ridge, uncertainty=True)
    observed = ~np.isnan(values)
    assert result.patterns == len({tuple(row) for row in observed})
    np.testing.assert_array_equal(result.completed[observed], values[observed])
    np.testing.assert_array_equal(result.completed[~observed], result.left_out[~observed])
    assert (result.completed[10] == 0).all()
    expected = np.array(
        [[by_hand(kernel, values, ridge, i, j) for j in range(9)] for i in range(12)]
    )
    np.testing.assert_allclose(result.left_out, expected[..., 0], rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(result.variance, expected[..., 1], rtol=1e-9)
    np.testing.assert_allclose(result.std**2, result.scale[:, None] * result.variance)
    error = np.sqrt(np.mean((values - expected[..., 0])[observed] ** 2))
    np.testing.assert_allclose(leave_one_out_error(kernel, values, ridge), error, rtol=1e-9)
    alone = complete_rows(kernel, values, ridge=ridge)
    np.testing.assert_array_equal(alone.completed, result.completed)
    assert alone.std is None


def test_columns_of_one_owner_are_left_out_together(way):
    kernel, values = table()
    owner = np.array([0, 1, 1, 2, 3, 3, 3, 4, 5])
    for others in ([1, 2], [4, 5, 6]):  # as the indicators of a category, they are missing together
        values[np.isnan(values[:, others]).any(axis=1)[:, None] & np.isin(range(9), others)] = (
            np.nan
        )
    result = complete_rows(kernel, values, ridge=0.1, uncertainty=True, owner=owner)
    for i, j in np.argwhere(~np.isnan(values)):
        without = np.where(owner == owner[j], np.nan, values[i])[None]
        alone = complete_rows(kernel, without, ridge=0.1, uncertainty=True)
        its = result.left_out[i, j], alone.completed[0, j]
        np.testing.assert_allclose(*its, rtol=1e-9, atol=1e-13)
        np.testing.assert_allclose(result.variance[i, j], alone.variance[0, j], rtol=1e-9)
    missing = np.isnan(values)
    plain = complete_rows(kernel, values, ridge=0.1, uncertainty=True)
    np.testing.assert_array_equal(result.completed, plain.completed)
    np.testing.assert_array_equal(result.variance[missing], plain.variance[missing])
    left_out = leave_one_out(kernel, values, 0.1, owner)
    np.testing.assert_allclose(left_out[~missing], result.left_out[~missing], rtol=1e-12)


def test_scale_is_the_rows_own_with_a_little_of_the_tables():
    kernel, values = table(m=60, share=0.9)
    values[:25] *= 10
    result = complete_rows(kernel, values, ridge=0.1, uncertainty=True)
    observed = ~np.isnan(values)
    ratios = (values - result.left_out) ** 2 / result.variance
    means = np.array(
        [row[seen].mean() if seen.any() else 0 for row, seen in zip(ratios, observed, strict=True)]
    )
    typical, counts = np.median(means[observed.any(axis=1)]), observed.sum(axis=1)
    expected = (counts * means + 5 * typical) / (counts + 5)
    np.testing.assert_allclose(result.scale, expected, rtol=1e-9)
    np.testing.assert_allclose(result.scale[10], typical)  # nothing is known of this row
    assert np.median(result.scale[:10]) > 20 * np.median(result.scale[25:])


def test_loo_finds_the_ridge_that_leaving_out_by_hand_finds():
    kernel, values = table(m=30, n=12)
    found = best_ridge(kernel, values)
    powers = np.linspace(-3, 1.5, 46)
    errors = [leave_one_out_error(kernel, values, 10.0**power) for power in powers]
    assert abs(np.log10(found) - powers[np.argmin(errors)]) < 0.15
    assert leave_one_out_error(kernel, values, found) < 1.0001 * min(errors)
    assert complete_rows(kernel, values, ridge="loo").ridge == found


def test_loo_steps_over_ridges_that_are_too_small():
    kernel, values = table()
    kernel = np.block([[kernel, kernel], [kernel, kernel]])
    values = np.hstack([values, values + 0.1])
    assert leave_one_out_error(kernel, values, 0.0) == np.inf
    assert np.isfinite(complete_rows(kernel, values, ridge="loo").completed).all()


@pytest.mark.filterwarnings("error")
def test_infinite_errors_are_stepped_over_without_a_word():
    """From both sides of where the kernel becomes singular."""
    for edge in (-1.9, -1.6, -4.45, -2.5):

        def error(ridge, edge=edge):
            power = np.log10(ridge)
            return (power - edge) ** 2 if power > edge else np.inf

        found = np.log10(minimise_over_ridges(error))
        assert edge < found < edge + 0.15


def test_noise_is_recovered_from_a_draw_of_the_model():
    """Intervals of a table drawn from its own kernel: 90 % of them hold what was left out."""
    rng = np.random.default_rng(1)
    kernel = dense_ntk(rng.standard_normal((3, 40)))
    truth = rng.multivariate_normal(np.zeros(40), shifted(kernel, 0.05), 150)
    values = np.where(rng.random(truth.shape) < 0.3, np.nan, truth)
    result = complete_rows(kernel, values, ridge="loo", uncertainty=True)
    assert 0.04 < result.ridge < 0.06
    inside = abs(truth - result.completed) < 1.645 * result.std
    assert 0.86 < inside[np.isnan(values)].mean() < 0.94
    np.testing.assert_allclose(np.median(result.scale), 1, atol=0.2)


def test_patterns_are_sorted_and_complete():
    observed = np.array([[1, 0, 1], [0, 0, 0], [1, 0, 1], [1, 1, 1], [1, 1, 0]], bool)
    patterns = group_rows(observed)
    assert [len(p.observed) for p in patterns] == [0, 2, 2, 3]
    assert sorted(np.concatenate([p.rows for p in patterns])) == [0, 1, 2, 3, 4]
    for rows, seen, missing in patterns:
        assert (observed[rows] == np.isin(np.arange(3), seen)).all()
        assert sorted([*seen, *missing]) == [0, 1, 2]


def test_threads_do_not_change_the_solution(monkeypatch):
    kernel, values = table()
    monkeypatch.setattr("ntkmc.solvers.pattern_solve.NARROW", 0)
    small = complete_rows(kernel, values, ridge=0.1, uncertainty=True)
    monkeypatch.setattr("ntkmc.solvers.pattern_solve._THREADS_FROM", 0)
    large = complete_rows(kernel, values, ridge=0.1, uncertainty=True)
    np.testing.assert_allclose(small.std, large.std, rtol=1e-12)


@pytest.mark.parametrize("size", [2, 50])
def test_a_singular_kernel_is_refused(way, size):
    Z = np.random.default_rng(0).standard_normal((3, size))
    Z[:, 1] = Z[:, 0]
    values = np.ones((2, size))
    with pytest.raises(SingularKernelError, match=r"larger ridge \(it was 0; try 0.0001\)"):
        complete_rows(dense_ntk(Z), values)
    with pytest.raises(SingularKernelError, match="not positive semidefinite"):
        complete_rows(-100 * np.eye(size) + 1, values, ridge="loo")
    np.testing.assert_allclose(complete_rows(dense_ntk(Z), values, ridge=0.1).completed, 1)


def test_arguments_are_checked(unchecked):
    kernel, values = table()
    cases = [
        ((kernel[:3, :3], values), {}, r"kernel has shape \(3, 3\) and the table 9 columns"),
        ((kernel * np.nan, values), {}, "kernel has entries that are not finite"),
        ((kernel, values * np.nan), {"ridge": "loo"}, "nothing is observed"),
        (
            (kernel, np.where(np.isnan(values), np.inf, values)),
            {},
            "infinite; mark what is missing",
        ),
        ((kernel, values), {"ridge": -1.0}, "ridge was -1"),
        ((kernel, values), {"rtol": 1.0}, "rtol was 1.0; pass a number >= 0 and below 1"),
        ((kernel, values), {"ridge": "lou"}, "ridge was 'lou'; pass a number >= 0, or 'loo'"),
    ]
    for arguments, settings, words in cases:
        with pytest.raises(ValueError, match=words):
            complete_rows(*arguments, **settings)


def test_memory_is_predicted(monkeypatch):
    kernel, values = table(n=60)
    monkeypatch.setattr(memory, "available_bytes", lambda: 500)
    with pytest.raises(memory.NotEnoughMemoryError, match="observed columns needs about"):
        complete_rows(kernel, values, ridge=0.1)


def test_solution_of_one_system():
    matrix = table()[0]
    right = np.random.default_rng(2).standard_normal((9, 2))
    shift = 0.3 * np.eye(9)
    upper = np.where(np.tri(9, k=-1), np.nan, matrix)  # below the diagonal nothing is read
    factor = KernelFactor.of(upper, 0.3)
    np.testing.assert_allclose(factor.solve(right), np.linalg.solve(matrix + shift, right))
    np.testing.assert_allclose(
        factor.inverse_diagonal, np.diagonal(np.linalg.inv(matrix + shift)), rtol=1e-10
    )


def test_quality_of_the_weights_is_reported(way):
    kernel, values = table()
    result = complete_rows(kernel, values, ridge=0.1)
    matrices = [
        shifted(kernel, 0.1)[np.ix_(p.observed, p.observed)] for p in group_rows(~np.isnan(values))
    ]
    exact = max(np.linalg.cond(matrix, 1) for matrix in matrices if matrix.size)
    assert exact / 3 < result.condition < 1.001 * exact
    assert result.refinements == 0
    assert 0 < result.relative_residual < 1e-14


@pytest.fixture
def wide(monkeypatch):
    """A kernel with a condition number in the hundreds, a table of two patterns, float32 for it."""
    monkeypatch.setattr("ntkmc.solvers.pattern_solve.SINGLE_FROM", 100)
    rng = np.random.default_rng(3)
    kernel = dense_ntk(rng.standard_normal((200, 300)) + 0.5)
    values = rng.standard_normal((30, 300)) * np.logspace(-3, 3, 30)[:, None]
    values[:20, ::10] = values[20:, :7] = np.nan
    return kernel, values


def sizes(table):
    return np.linalg.norm(table, axis=1, keepdims=True)


@pytest.mark.parametrize(("rtol", "refinements"), [(1e-4, 0), (1e-9, 1), (1e-12, 2)])
def test_single_precision_is_refined_as_far_as_asked_for(wide, rtol, refinements):
    kernel, values = wide
    exact = complete_rows(kernel, values, ridge=1e-2, rtol=0)
    assert exact.relative_residual < 1e-14
    result = complete_rows(kernel, values, ridge=1e-2, rtol=rtol)
    assert result.refinements == refinements
    error = result.completed - exact.completed
    assert 0 < np.max(sizes(error) / sizes(exact.completed)) < 2 * rtol
    # What the random sums say of the residual is true.
    residuals = []
    for rows, observed, _ in group_rows(~np.isnan(values)):
        right = values[np.ix_(rows, observed)].T
        matrix = shifted(kernel, 1e-2)[np.ix_(observed, observed)]
        solved = PatternSystem(kernel, observed, 1e-2 * np.diagonal(kernel).mean(), 1e-2).solve(
            right, rtol, np.float32
        )
        assert solved.factor.lower.dtype == np.float32
        left = sizes((right - matrix @ solved.weights).T) / sizes(right.T)
        residuals.append(np.sqrt(np.mean(left**2)))
        np.testing.assert_allclose(solved.relative_residual, residuals[-1], rtol=0.5)
    np.testing.assert_allclose(result.relative_residual, max(residuals), rtol=0.5)


@pytest.mark.parametrize(("ridge", "rtol"), [(1e-8, 1e-7), (1e-2, 1e-17)])
def test_where_single_precision_does_not_do_double_is_used(wide, ridge, rtol):
    """Columns in pairs: too near singular for a float32 factor, or a residual that none reaches."""
    kernel, values = wide
    kernel, values = np.kron(kernel, np.ones((2, 2))), np.repeat(values, 2, axis=1)
    result = complete_rows(kernel, values, ridge=ridge, rtol=rtol)
    double = complete_rows(kernel, values, ridge=ridge, rtol=0)
    assert result.refinements == 0
    np.testing.assert_array_equal(result.completed, double.completed)
    assert result.relative_residual < 1e-7
