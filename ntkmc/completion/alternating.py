r"""Sparse tables of few factors: kernels between columns and between rows, in turn.

The tangent kernel of a linear network on the prior "table" is :math:`Z^T Z` between columns and
:math:`Z Z^T` between rows, of a completed table Z. Where most of a table is missing, Z is mostly
guessed, and completing along rows alone, however often, never finds out about the columns. Here
each column is completed with the kernel between rows (and a constant of its own), then each row
with the kernel between columns that this has made, and so on, while the ridge falls. A step is a
ridge regression whose penalty is the inverse of the last Gram matrix: reweighted least squares for
the rank of a matrix (Mohan and Fazel, "Iterative reweighted algorithms for matrix rank
minimization", JMLR 2012). Entries that are held out say when to stop: a table of few factors
without noise is recovered exactly, and one with noise before the noise is fitted.
"""

import dataclasses
from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int

from ntkmc import memory
from ntkmc.completion.calibration import Calibration
from ntkmc.completion.table_prior import Table, prior_variance
from ntkmc.solvers import complete_rows
from ntkmc.solvers.blas import one_thread

ROUNDS = 85
"""At most; the ridge falls to a millionth of the first."""

FOLDS = 5

_FALL = 0.85  # of the ridge, each round
_PATIENCE = 12  # rounds without
_GAIN = 0.99  # such an error, of the best before
_ENOUGH = 1e-3  # error, in standard deviations, that is as good as none
_TOGETHER = 64  # rows
_LEAST_SHARE = 1e-12


@dataclasses.dataclass(frozen=True)
class Alternating:
    """Each row from its observed entries, with the linear kernel of what rows and columns found.

    Attributes
    ----------
    kernel : (n, n), between columns.
    constant : (n,), of each column, before and after.
    ridge : relative to the mean of the kernel's diagonal.
    calibration : of standard deviations.
    rounds : how many there were.
    table : that it was fitted to.
    left_out, left_out_std : as every `Model` has them; a fifth of the entries at once is left out.
    """

    kernel: Float[np.ndarray, "n n"]
    constant: Float[np.ndarray, " n"]
    ridge: float
    calibration: Calibration
    rounds: int
    table: Table
    left_out: Table
    left_out_std: Table

    def complete(self, table: Table) -> tuple[Table, Table]:
        """Every missing entry, and standard deviations."""
        completed, shares = _complete(self.kernel, self.constant, self.ridge, table)
        missing = np.isnan(table)
        completed = np.where(missing, completed, table)
        # A row of which nothing is known has the columns' means.
        completed[missing.all(axis=1)] = 0
        return completed, self.calibration.std(shares)

    def resampled(self, rng: np.random.Generator) -> "Alternating":
        """With the kernel that rows drawn with replacement make, in as many rounds."""
        drawn = self.table[rng.integers(len(self.table), size=len(self.table))]
        with one_thread():
            *_, last = _rounds(drawn, self.rounds)
        return dataclasses.replace(self, kernel=last.kernel, constant=last.constant)


def predicted_bytes(rows: int, columns: int) -> int:
    """Most that `fit_alternating` allocates."""
    kernels = 8 * (2 * rows**2 + 2 * columns**2)
    return kernels * (FOLDS + 1) + 8 * rows * columns * (6 * FOLDS + 6)


def fit_alternating(
    table: Table, owner: Int[np.ndarray, " n"], step: Callable[[], None]
) -> Alternating:
    """Choose the number of rounds by entries that are held out, and complete with all of them.

    Parameters
    ----------
    table : (m, n), standardised, NaN where missing.
    owner : (n,), columns with the same owner are held out together.
    step : called for each round.

    Raises
    ------
    NotEnoughMemoryError : before allocating.
    """
    memory.require(
        predicted_bytes(*table.shape),
        f"completing {table.shape[0]} rows and {table.shape[1]} columns in turn",
        "lower prior_rows, or pass alternating=False",
    )
    with one_thread():
        left_out, rounds = _held_out(table, _folds(table, owner), step)
        *_, last = _rounds(table, rounds, step)
    _, shares = _complete(last.kernel, last.constant, last.ridge, table)
    calibration = Calibration.of(table, left_out, shares)
    std = calibration.std(shares)
    its = last.kernel, last.constant, last.ridge
    return Alternating(*its, calibration, rounds, table, left_out, std)


def _held_out(table, fold, step) -> tuple[Table, int]:
    """Predictions of entries that were held out, after the best number of rounds."""
    parts = [_rounds(np.where(fold == one, np.nan, table), ROUNDS) for one in range(FOLDS)]
    best, left_out, rounds = np.inf, np.full(table.shape, np.nan), 1
    for number, states in enumerate(zip(*parts, strict=True), start=1):
        step()
        predicted = np.full(table.shape, np.nan)
        for one, state in enumerate(states):
            predicted[fold == one] = state.completed[fold == one]
        error = np.sqrt(np.nanmean(np.square(table - predicted)))
        if error < _GAIN * best:
            best, left_out, rounds = error, predicted, number
        if best < _ENOUGH or number - rounds >= _PATIENCE:
            break
    return left_out, rounds


def _folds(table, owner) -> Int[np.ndarray, "m n"]:
    """Of each observed entry, by its rank among all; -1 where missing.

    The order of rows and columns does not matter, nor do the columns' signs.
    """
    observed = ~np.isnan(table)
    fold = np.full(table.shape, -1)
    fold[observed] = np.argsort(np.argsort(np.abs(table[observed]), kind="stable")) % FOLDS
    _, first, which = np.unique(owner, return_index=True, return_inverse=True)
    return fold[:, first[which]]


class _Round(NamedTuple):
    kernel: np.ndarray
    constant: np.ndarray
    ridge: float
    completed: np.ndarray


def _rounds(table, count, step: Callable[[], None] | None = None) -> Iterator[_Round]:
    """What each round makes of a table, NaN where missing."""
    observed = ~np.isnan(table)
    known = np.where(observed, table, 0)
    rows, columns = _stacked(observed), _stacked(observed.T)
    ridge, factors = 1.0, known
    for _ in range(count):
        across = factors @ factors.T
        # A column's constant is as free as all factors together.
        size = np.trace(across) / len(across)
        its, constant = _regress(across, size, ridge, known.T, columns)
        kernel = its @ its.T
        factors, _ = _regress(kernel, 0.0, ridge, known - constant * observed, rows)
        if step:
            step()
        yield _Round(kernel, constant, ridge, factors + constant)
        ridge *= _FALL


def _regress(kernel, constant, ridge, known, stacks):
    """Predictions of all rows without their constants, and these."""
    predicted, own = np.empty(known.shape), np.empty(len(known))
    shift = ridge * np.trace(kernel) / len(kernel)
    shift = shift if shift > 0 else 1.0  # nothing is known: what is predicted is zero
    for rows, columns, real in stacks:
        matrices = kernel[columns[:, :, None], columns[:, None]] + constant
        matrices *= real[:, :, None] & real[:, None]
        np.einsum("pii->pi", matrices)[...] += np.where(real, shift, 1)
        right = np.take_along_axis(known[rows], columns, axis=1) * real
        alpha = np.linalg.solve(matrices, right[:, :, None])[:, :, 0]
        weights = np.zeros((len(rows), len(kernel)))
        np.put_along_axis(weights, columns, alpha, axis=1)
        predicted[rows], own[rows] = weights @ kernel, constant * alpha.sum(axis=1)
    return predicted, own


def _stacked(observed: Bool[np.ndarray, "m n"]):
    """Some rows at a time, with their observed columns and which of these are real, as padded."""
    counts = observed.sum(axis=1)
    order, stacks = np.argsort(counts, kind="stable"), []
    for start in range(0, len(order), _TOGETHER):
        rows = order[start : start + _TOGETHER]
        columns = np.argsort(~observed[rows], axis=1, kind="stable")[:, : counts[rows].max()]
        stacks.append((rows, columns, np.take_along_axis(observed[rows], columns, axis=1)))
    return stacks


def _complete(kernel, constant, ridge, table) -> tuple[Table, Table]:
    """Predictions where nothing was observed, and the share of the variance that is left."""
    result = complete_rows(kernel, table - constant, ridge=ridge, uncertainty=True)
    assert result.variance is not None
    shares = result.variance / prior_variance(kernel, ridge)
    return result.completed + constant, np.clip(shares, _LEAST_SHARE, 1)
