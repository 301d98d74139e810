"""Kernel regression of the rows of a table on their observed columns."""

import contextlib
import dataclasses
from collections.abc import Callable, Iterator

import numpy as np
import scipy.optimize
from jaxtyping import Float, Int

from ntkmc.solvers.blas import one_thread
from ntkmc.solvers.cholesky import THREADED_ROWS
from ntkmc.solvers.pattern_factor import require_memory
from ntkmc.solvers.pattern_groups import Pattern, group_rows, several
from ntkmc.solvers.pattern_stack import NARROW, stacks
from ntkmc.solvers.pattern_weights import SINGLE_FROM, PatternSystem
from ntkmc.solvers.result import Progress, SingularKernelError, check_ridge

# A loop over patterns with one BLAS thread takes 0.22 ms for each of 704 patterns of 111 columns,
# numpy.linalg's batches padded to 139 columns 1.2 ms, jax.vmap on the same 1.4 ms, and the loop
# with two threads 1.4 ms; of 456 columns, 6.7, 36, 31 and 38 ms (two busy cores).
_THREADS_FROM = 1024
_RIDGES = (-6.0, -4.5, -3.0, -1.5, 0.0, 1.5)  # powers of ten that leave-one-out begins with
_RIDGE_DIGITS = 0.1  # to which it finds the power of ten
# A row's variance is that of its own errors and of so many more of the median row's size.
_SHARED_ERRORS = 5.0


@dataclasses.dataclass(frozen=True)
class RowCompletion:
    r"""A completed table and how far to trust it.

    Attributes
    ----------
    completed : (m, n), observed values as they were, predictions elsewhere.
    left_out : (m, n), the prediction of every entry from the *other* observed entries of its row:
        equal to `completed` where that was missing, exact leave-one-out where it was observed.
    variance : (m, n), of entry minus `left_out` up to a factor for each row, noise of the size of
        the ridge included: :math:`v_{ij} = k_{**} - k_*^T A^{-1} k_* + \mathrm{shift}`.
    scale : (m,), :math:`s_i^2`, the mean over the row of squared leave-one-out errors, each over
        its variance, and over a few more of the median row's size.
    ridge : relative to the mean of the kernel's diagonal.
    patterns : how many different ones the rows have.
    relative_residual : :math:`|A w - y| / |y|` of the weights w, root mean square over the rows of
        a pattern, of the pattern where it is largest.
    refinements : the most that a pattern's weights from a float32 factor were corrected.
    condition : the largest of the patterns' matrices A, estimated.

    `left_out`, `variance` and `scale` are None where they were not asked for.
    """

    completed: Float[np.ndarray, "m n"]
    left_out: Float[np.ndarray, "m n"] | None
    variance: Float[np.ndarray, "m n"] | None
    scale: Float[np.ndarray, " m"] | None
    ridge: float
    patterns: int
    relative_residual: float
    refinements: int
    condition: float

    @property
    def std(self) -> Float[np.ndarray, "m n"] | None:
        r"""(m, n), the standard deviation :math:`s_i \sqrt{v_{ij}}`, or None."""
        if self.variance is None or self.scale is None:
            return None
        return np.sqrt(self.scale[:, None] * self.variance)


def complete_rows(
    kernel: Float[np.ndarray, "n n"],
    values: Float[np.ndarray, "m n"],
    *,
    ridge: float | str = 0.0,
    uncertainty: bool = False,
    owner: Int[np.ndarray, " n"] | None = None,
    rtol: float = 1e-4,
    progress: Progress | None = None,
) -> RowCompletion:
    r"""Fill in each row from its observed entries, with a kernel between columns.

    With o the columns that are observed in row i, the missing entries are

    .. math:: \hat y_{ij} = K_{jo} A^{-1} y_{io}, \qquad
              A = K_{oo} + \mathrm{ridge}\, \overline{K_{jj}}\, I,

    the solution of an infinitely wide network where K is `dense_ntk` (SI appendix B). Rows with the
    same observed columns share one factorisation, and predictions of different rows do not depend
    on each other. The mean of what is not observed is zero: subtract means before.

    Parameters
    ----------
    kernel : (n, n), symmetric and positive semidefinite, between columns.
    values : (m, n), NaN where missing.
    ridge : at least 0; or "loo", the one whose leave-one-out errors over all observed entries have
        the least sum of squares, between 1e-6 and 30.
    uncertainty : also compute leave-one-out predictions and standard deviations, which takes about
        twice as long.
    owner : (n,), columns with the same owner are left out together, such as those of one category.
        None: each alone.
    rtol : relative residual that weights may have where single precision can save time: in patterns
        of 2048 columns or more, without `uncertainty`. They are as good as exact for observations
        that differ by as much; on the L1000 tables predictions change by as much too, by at most
        2e-4 of the noise's standard deviation. With 0 everything is computed in float64.
    progress : called with the stage, the patterns done and their number.

    Raises
    ------
    ValueError : shapes do not fit, the kernel is not finite, the ridge is no number >= 0, or it is
        "loo" and nothing is observed; rtol is no number >= 0 and below 1.
    SingularKernelError : a larger ridge is needed.
    NotEnoughMemoryError : before anything is allocated.
    """
    kernel, values, mean = _checked(kernel, values)
    if ridge == "loo":
        ridge = best_ridge(kernel, values, progress=progress)
    elif isinstance(ridge, str):
        raise ValueError(f"ridge was {ridge!r}; pass a number >= 0, or 'loo'")
    check_ridge(ridge)
    if not 0 <= rtol < 1:
        raise ValueError(f"rtol was {rtol}; pass a number >= 0 and below 1")
    if values.shape[1] <= NARROW:
        solution = _in_stacks(kernel, values, ridge, mean, uncertainty, owner, progress)
    else:
        args = kernel, values, ridge, mean, uncertainty, owner, rtol, progress
        solution = _by_patterns(*args)
    scale = None
    if solution.left_out is not None and solution.variance is not None:
        scale = row_scales(values - solution.left_out, solution.variance)
    residual, refinements, condition = np.max(solution.quality, axis=0)
    return RowCompletion(
        solution.completed,
        solution.left_out,
        solution.variance,
        scale,
        ridge,
        solution.patterns,
        float(residual),
        int(refinements),
        float(condition),
    )


@dataclasses.dataclass
class _Solution:
    """What is filled in of a `RowCompletion`; residual, refinements and condition are `quality`."""

    completed: np.ndarray
    left_out: np.ndarray | None
    variance: np.ndarray | None
    patterns: int = 0
    quality: list[tuple[float, int, float]] = dataclasses.field(default_factory=list)

    @classmethod
    def begun(cls, values, uncertainty) -> "_Solution":
        left_out, variance = (np.zeros(values.shape) if uncertainty else None for _ in range(2))
        return cls(values.copy(), left_out, variance)


def _in_stacks(kernel, values, ridge, mean, uncertainty, owner, progress):
    solution, shift = _Solution.begun(values, uncertainty), ridge * mean
    groups = several(owner)
    with one_thread():
        for its in stacks(kernel, values, shift, ridge):
            rows, missing = its.rows, np.isnan(values[its.rows])
            solution.completed[rows] = np.where(missing, its.predicted, its.values)
            if solution.left_out is not None and solution.variance is not None:
                left_out, own = its.left_out(groups)
                solution.left_out[rows] = np.where(missing, its.predicted, left_out)
                variance = its.variance(kernel)[its.of] + shift
                solution.variance[rows] = np.where(missing, variance, own[its.of])
            solution.patterns = its.patterns
            solution.quality.append((its.residual.max(), 0, its.condition.max()))
            if progress:
                progress("solve", its.done, its.patterns)
    return solution


def _by_patterns(kernel, values, ridge, mean, uncertainty, owner, rtol, progress):
    solution = _Solution.begun(values, uncertainty)
    completed, left_out, variance = solution.completed, solution.left_out, solution.variance
    patterns = group_rows(~np.isnan(values))
    solution.patterns = len(patterns)
    for number, (rows, observed, missing) in enumerate(_in_turn(patterns, uncertainty)):
        right = values[np.ix_(rows, observed)].T
        single = rtol > 0 and len(observed) >= SINGLE_FROM and not uncertainty
        system = PatternSystem(kernel, observed, ridge * mean, ridge)
        solved = system.solve(right, rtol, np.float32 if single else np.float64)
        solution.quality.append((solved.relative_residual, solved.refinements, solved.condition))
        cross = kernel[np.ix_(observed, missing)]
        completed[np.ix_(rows, missing)] = solved.weights.T @ cross
        if left_out is not None and variance is not None:
            left_out[np.ix_(rows, missing)] = completed[np.ix_(rows, missing)]
            groups = several(None if owner is None else owner[observed])
            its, own = solved.factor.leave_one_out(right, solved.weights, groups)
            left_out[np.ix_(rows, observed)] = its.T
            diagonal = np.diagonal(kernel)[missing]
            spread = solved.factor.variance(cross, diagonal)
            variance[np.ix_(rows, missing)] = spread + ridge * mean
            variance[np.ix_(rows, observed)] = own
        if progress:
            progress("solve", number + 1, len(patterns))
    return solution


def best_ridge(
    kernel: Float[np.ndarray, "n n"],
    values: Float[np.ndarray, "m n"],
    *,
    progress: Progress | None = None,
) -> float:
    """The relative ridge with the least leave-one-out error; the end of the range if it is there.

    See `complete_rows` for the parameters. Six powers of ten are tried, then the best one's
    neighbourhood is searched: about a dozen factorisations of every pattern.
    """
    return minimise_over_ridges(
        lambda ridge: leave_one_out_error(kernel, values, ridge), progress=progress
    )


def leave_one_out(
    kernel: Float[np.ndarray, "n n"],
    values: Float[np.ndarray, "m n"],
    ridge: float,
    owner: Int[np.ndarray, " n"] | None = None,
) -> Float[np.ndarray, "m n"]:
    """Prediction of each observed entry from the others of its row; NaN where nothing is observed.

    See `complete_rows` for the parameters and errors.
    """
    kernel, values, mean = _checked(kernel, values)
    check_ridge(ridge)
    predictions = np.full(values.shape, np.nan)
    if values.shape[1] <= NARROW:
        groups = several(owner)
        with one_thread():
            for its in stacks(kernel, values, ridge * mean, ridge):
                predictions[its.rows], _ = its.left_out(groups)
        return np.where(np.isnan(values), np.nan, predictions)
    patterns = group_rows(~np.isnan(values))
    for rows, observed, _ in _in_turn(patterns, True):
        factor = PatternSystem(kernel, observed, ridge * mean, ridge).factor()
        right = values[np.ix_(rows, observed)].T
        groups = several(None if owner is None else owner[observed])
        left_out, _ = factor.leave_one_out(right, factor.solve(right), groups)
        predictions[np.ix_(rows, observed)] = left_out.T
    return predictions


def leave_one_out_error(
    kernel: Float[np.ndarray, "n n"], values: Float[np.ndarray, "m n"], ridge: float
) -> float:
    """Root mean square, over all observed entries, of the error of leaving them out in turn.

    Infinite where the kernel is singular with this ridge. What ridges, depths and priors are chosen
    by; see `complete_rows` for the parameters.
    """
    try:
        errors = np.asarray(values) - leave_one_out(kernel, values, ridge)
    except SingularKernelError:
        return np.inf
    if np.isnan(errors).all():
        raise ValueError("nothing is observed, and so nothing can be left out: every value is NaN")
    return float(np.sqrt(np.nanmean(np.square(errors))))


def minimise_over_ridges(
    error: Callable[[float], float], progress: Progress | None = None
) -> float:
    """The ridge where `error` is least: a coarse grid first, as there may be several minima."""
    tried: list[float] = []

    def at(power):
        if progress:
            progress("leave-one-out", len(tried), None)
        tried.append(power)
        return error(10.0**power)

    errors = [at(power) for power in _RIDGES]
    best = int(np.argmin(errors))
    if not np.isfinite(errors[best]):
        raise SingularKernelError(
            "the kernel is singular with every ridge that was tried, up to "
            f"{10.0 ** _RIDGES[-1]:.3g}: it is not positive semidefinite"
        )
    low, high = _RIDGES[max(best - 1, 0)], _RIDGES[min(best + 1, len(_RIDGES) - 1)]
    # Errors are infinite where the kernel is singular; SciPy takes differences of them, and then a
    # golden section instead of a parabola.
    with np.errstate(invalid="ignore"):
        found = scipy.optimize.minimize_scalar(
            at, bounds=(low, high), method="bounded", options={"xatol": _RIDGE_DIGITS}
        )
    return float(10.0 ** (found.x if found.fun <= errors[best] else _RIDGES[best]))


def row_scales(
    errors: Float[np.ndarray, "m n"], variances: Float[np.ndarray, "m n"]
) -> Float[np.ndarray, " m"]:
    """What variances must be multiplied with to be those of the errors, row by row.

    Parameters
    ----------
    errors : (m, n), NaN where there is none.
    variances : (m, n), up to one factor a row.
    """
    known = np.isfinite(errors)
    ratios = np.where(known, np.square(errors), 0) / np.where(known, variances, 1)
    sums, counts = ratios.sum(axis=1), known.sum(axis=1)
    some = counts > 0
    shared = np.median(sums[some] / counts[some]) if some.any() else 1.0
    return (sums + _SHARED_ERRORS * shared) / (counts + _SHARED_ERRORS)


def _in_turn(patterns: list[Pattern], uncertainty: bool) -> Iterator[Pattern]:
    """The patterns, while the number of threads is right for each."""
    largest = patterns[-1]
    require_memory(len(largest.observed), len(largest.missing), len(largest.rows), uncertainty)
    small = [pattern for pattern in patterns if len(pattern.observed) < _THREADS_FROM]
    with one_thread():
        yield from small
    for pattern in patterns[len(small) :]:
        alone = len(pattern.observed) > THREADED_ROWS
        with one_thread() if alone else contextlib.nullcontext():
            yield pattern


def _checked(kernel, values):
    kernel, values = np.asarray(kernel, np.float64), np.asarray(values, np.float64)
    if values.ndim != 2:
        raise ValueError(f"values have shape {values.shape}; pass a table (rows, columns)")
    if kernel.shape != (values.shape[1],) * 2:
        raise ValueError(
            f"kernel has shape {kernel.shape} and the table {values.shape[1]} columns; pass the "
            "kernel between the table's columns"
        )
    if not all(np.isfinite(row).all() for row in kernel):  # row by row, in a processor's cache
        raise ValueError("kernel has entries that are not finite; pass one without")
    if np.isinf(values).any():
        row, column = np.argwhere(np.isinf(values))[0]
        raise ValueError(f"values[{row}, {column}] is infinite; mark what is missing as NaN")
    return kernel, values, float(np.diagonal(kernel).mean())
