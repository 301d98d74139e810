r"""Chained regression: each column from all others, by kernels between rows, in rounds.

Where the others are missing they are filled in by the last round. A row in which column k was
filled in with the help of column j must not be asked how well j is predicted from k: leave-one-out
errors would be far too small. So for column j every row has the features that it would have if
its own value of j were its leave-one-out prediction: each filled-in k of it is predicted once more,
exactly, with that value replaced, and to first order for the other filled-in ones that j has
a part in. Then leave-one-out errors are honest, and choose ridges, kernels and their weights.

Which features matter is learned, too: each is scaled by the root of the mean squared derivative of
the column's regression along it, the diagonal of the average gradient outer product (Radhakrishnan,
Beaglehole, Pandit and Belkin, "Mechanism for feature learning in neural networks and
backpropagation-free machine learning models", Science 2024).
"""

import dataclasses
from collections.abc import Callable

import numpy as np
import scipy.optimize
from jaxtyping import Float, Int

from ntkmc import memory
from ntkmc._compat import enable_x64
from ntkmc.completion import column_regression as regression
from ntkmc.completion.calibration import Calibration
from ntkmc.completion.chained import Chained, Column, Member, predictable
from ntkmc.completion.padding import blocks, pad, padded_size, widen
from ntkmc.completion.row_kernels import FAMILIES, TOGETHER, Rows
from ntkmc.completion.table_prior import Table
from ntkmc.completion.warp import Warp
from ntkmc.solvers.blas import one_thread

ROUNDS = 3

# Rows that a column is regressed on in all rounds but the last: with many features, for time,
# since what is filled in early need not be as good as what is filled in last, which all rows have
# a part in. On three tables of 1,000 to 1,600 rows and 6 to 12 features the error with so many is
# 1.5 to 5 % less than with 512, and no larger than with all.
_LEAST_EARLY_ROWS = 512
_EARLY_ENTRIES = 12_000
# That kernels are chosen by.
_CHOOSING_ROWS = 512
_LEAST_TOGETHER = 10  # rows
_LEAST_SCALE = 0.05  # of a feature that the regression does not depend on
_LEAST_WEIGHT = 0.05  # of a member, relative to their sum


def predicted_bytes(rows: int, features: int) -> int:
    """Most that `fit_chained` allocates."""
    changes, training = 4 * rows * features**2, ROUNDS * rows * features * (features + TOGETHER)
    return 8 * (changes + 2 * training + 8 * rows**2)


def fit_chained(table: Table, owner: Int[np.ndarray, " f"], step: Callable[[], None]) -> Chained:
    """Fit all columns, in rounds.

    Parameters
    ----------
    table : (m, f), standardised, NaN where missing.
    owner : (f,), features with the same owner tell all about one another and are not used for that.
    step : called for each round of each column.

    Raises
    ------
    NotEnoughMemoryError : before allocating.
    """
    memory.require(
        predicted_bytes(*table.shape),
        f"a chained regression of {table.shape[0]} rows and {table.shape[1]} features",
        "lower prior_rows, or pass chained=False",
    )
    with enable_x64(), one_thread():
        return _Fit(table, owner).run(step)


@dataclasses.dataclass
class _Fitted:
    """A column's regression in one round and, but the last time, what the next round needs of it.

    Attributes
    ----------
    predicted : (m,), of rows that it was not fitted to.
    slopes : (m, f), derivatives of predictions, of rows without the column and of `sampled`.
    """

    column: Column
    predicted: Float[np.ndarray, " m"]
    slopes: Float[np.ndarray, "m f"]
    sampled: Int[np.ndarray, " s"]


class _Fit:
    """What changes from round to round."""

    def __init__(self, table, owner):
        self.table, self.missing = table, np.isnan(table)
        count = table.shape[1]
        self.warp = Warp.of(table)
        self.span = widen(self.warp.span)
        self.filled = np.where(self.missing, 0.0, table)
        self.error = np.ones(count)
        self.left_out = np.full(table.shape, np.nan)
        self.shares = np.ones(table.shape)
        # Of columns that are hardly ever observed together there is nothing to learn from.
        together = (~self.missing).T.astype(int) @ ~self.missing
        self.others = (owner[:, None] != owner) & (together >= _LEAST_TOGETHER)
        self.scales = [self.others.astype(float)]
        # [i, j, k]: what is added to the filled-in k of row i if its j is replaced.
        self.change = np.zeros((*table.shape, count))

    def run(self, step) -> Chained:
        rounds, errors = [], []
        for number in range(ROUNDS):
            fits, last = [], number == ROUNDS - 1
            for j in range(self.table.shape[1]):
                fits.append(self._fit_column(j, last))
                step()
            rounds.append([its.column for its in fits])
            errors.append(self.error)
            if not last:
                self._fill(fits)
        calibration = Calibration.of(self.table, self.left_out, self.shares)
        std = calibration.std(self.shares)
        return Chained(self.warp, rounds, errors, self.others, calibration, self.left_out, std)

    def _fit_column(self, j, last):
        count, observed = len(self.table), ~self.missing
        early = max(_LEAST_EARLY_ROWS, _EARLY_ENTRIES // self.table.shape[1])
        most = count if last else min(early, count)
        size = padded_size(min(int(observed.sum(axis=0).max()), most))
        # In the order of their values, so that some of them have few of the same.
        everyone = np.argsort(self.table[:, j], kind="stable")[: observed[:, j].sum()]
        known = _spaced(everyone, most)
        # Those that choose come first.
        first = _spaced(known, _CHOOSING_ROWS)
        known = np.concatenate([first, np.setdiff1d(known, first)])
        mean, low, high = (of(self.table[everyone, j]) for of in (np.mean, np.min, np.max))
        values = self.table[known, j] - mean
        features = widen(self.warp(self.filled + self.change[:, j]))
        unknown, error = widen(self.missing), widen(self.error)
        real, padded = np.arange(size) < len(known), pad(known, size)
        its_rows, its_values = (features[padded], unknown[padded], real), pad(values, size) * real
        column = Column(*its_rows, its_values, mean, low, high, [])
        tried = self._choose(column, j, len(first))
        solved = []
        for one in tried:
            training = column.training(one, error, self.span)
            its = regression.solve(*regression.gram(one.family, training), its_values, one.ridge)
            solved.append(regression.Solution(*(np.asarray(part) for part in its)))
        left = np.stack([values - one.errors[: len(known)] for one in solved], axis=1)
        weights = scipy.optimize.nnls(left, values)[0]
        for member, its, weight in zip(tried, solved, weights, strict=True):
            column.members.append(dataclasses.replace(member, alpha=its.alpha, weight=weight))
        column.members.sort(key=lambda one: -one.weight)
        # Rows that it was not fitted to have no part in what they are predicted with.
        self.left_out[known, j] = mean + left @ weights
        self.shares[known, j] = solved[int(np.argmax(weights))].shares[: len(known)]
        fitted = _Fitted(column, np.full(count, mean), np.zeros_like(self.table), first)
        if last:
            return fitted
        outside = np.delete(np.arange(count), known)
        for some, at in blocks(outside, size):
            rows = Rows(features[at], unknown[at] * error)
            for one in column.members:
                args = column.training(one, error, self.span), one.alpha
                its = np.asarray(regression.predict(one.family, rows, *args))
                fitted.predicted[some] += one.weight * its[: len(some)]
        others = np.setdiff1d(everyone, known)
        self.left_out[others, j] = fitted.predicted[others]
        lacking = np.flatnonzero(self.missing[:, j])
        for some, at in blocks(np.concatenate([fitted.sampled, lacking]), size):
            rows, same = Rows(features[at], unknown[at] * error), at[:, None] == padded
            for one in column.members:
                training = column.training(one, error, self.span)
                four = map(regression.single, (rows, same, training, one.alpha))
                its = np.asarray(regression.slopes(one.family, *four))
                fitted.slopes[some] += one.weight * its[: len(some), : len(self.error)]
        return fitted

    def _choose(self, column, j, count):
        """Up to three members: families with a ridge, and all scales that there are by now."""
        size = min(_CHOOSING_ROWS, len(column.real))
        column = dataclasses.replace(
            column,
            features=column.features[:size],
            unknown=column.unknown[:size],
            real=column.real[:size],
            values=column.values[:size],
        )
        values, tried, errors = column.values, [], []
        for all_scales in self.scales:
            for family in FAMILIES:
                member = Member(family, widen(all_scales[j]), 0.0, np.zeros(size), 0.0)
                training = column.training(member, widen(self.error), self.span)
                K = regression.single(regression.gram(family, training)[0])
                best, apart = regression.choose(K, regression.single(values))
                ridge = float(regression.RIDGES[int(best)])
                tried.append(dataclasses.replace(member, ridge=ridge))
                errors.append(np.asarray(apart, float)[:count])
        values = values[:count]
        weights = scipy.optimize.nnls(values[:, None] - np.stack(errors, axis=1), values)[0]
        kept = np.argsort(-weights)[: len(FAMILIES)]
        kept = kept[weights[kept] > _LEAST_WEIGHT * weights.sum()]
        if kept.size:
            return [tried[one] for one in kept]
        return [tried[int(np.argmin([its @ its for its in errors]))]]

    def _fill(self, fits):
        """Fill in what is missing, and find what each value has to do with that."""
        table, missing = self.table, self.missing
        asked, count = predictable(missing, self.others), table.shape[1]
        features = self.warp(self.filled)
        replaced = np.where(missing, features, self.warp(np.where(missing, 0, self.left_out)))
        moved = np.stack([self.warp(self.filled + self.change[:, j]) for j in range(count)], axis=1)
        moved -= features[:, None]
        filled, change = self.filled.copy(), np.zeros_like(self.change)
        error, unknown = widen(self.error), widen(missing)
        wide, new = widen(features), widen(replaced)
        for k, its in enumerate(fits):
            which, column = np.flatnonzero(asked[:, k]), its.column
            if not which.size:
                continue
            effect = np.zeros((len(table), count))
            for some, at in blocks(which, len(column.real)):
                there = Rows(wide[at], unknown[at] * error)
                for one in column.members:
                    args = there, new[at], column.training(one, error, self.span), one.alpha
                    found = regression.predict_replaced(one.family, *map(regression.single, args))
                    effect[some] += one.weight * np.asarray(found)[: len(some), :count]
            effect = effect[which]
            effect += column.mean - its.predicted[which, None]
            # By way of the others that are filled in.
            slopes = its.slopes[which] * missing[which]
            effect += np.einsum("il,ijl->ij", slopes, moved[which])
            change[which, :, k] = np.where(missing[which], 0, effect)
            filled[which, k] = np.clip(its.predicted[which], column.low, column.high)
        self.filled, self.change = filled, change
        residual = table - self.left_out
        self.error = np.sqrt(np.minimum(np.nanmean(np.square(residual), axis=0), 1))
        scales = np.zeros((count, count))
        for j, its in enumerate(fits):
            scales[j] = np.sqrt(np.mean(np.square(its.slopes[its.sampled]), axis=0))
        scales = np.maximum(scales / self._size(scales), _LEAST_SCALE) * self.others
        self.scales = [self.others.astype(float), scales / self._size(scales)]

    def _size(self, scales):
        """Root mean square over the others, (f, 1); one where there are none."""
        count = np.maximum(self.others.sum(axis=1, keepdims=True), 1)
        size = np.sqrt(np.square(scales * self.others).sum(axis=1, keepdims=True) / count)
        return np.where(size > 0, size, 1)


def _spaced(positions: Int[np.ndarray, " m"], most: int) -> Int[np.ndarray, " n"]:
    """All, or so many evenly spaced ones."""
    count = min(most, len(positions))
    return positions[np.linspace(0, len(positions) - 1, count).round().astype(int)]
