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
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from ntkmc import memory
from ntkmc._compat import enable_x64
from ntkmc.completion import column_fit
from ntkmc.completion import column_regression as regression
from ntkmc.completion.calibration import Calibration
from ntkmc.completion.chained import EXACT_ROWS, Chained, Column, predictable
from ntkmc.completion.padding import blocks, pad, padded_size, widen
from ntkmc.completion.row_kernels import TOGETHER, Rows
from ntkmc.completion.spacing import evenly_spaced
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
# Rows that judge a column with more rows than are left out one by one.
_HELD_ROWS = 512
_LEAST_TOGETHER = 10  # rows
_LEAST_SCALE = 0.05  # of a feature that the regression does not depend on


def predicted_bytes(rows: int, features: int) -> int:
    """Most that `fit_chained` allocates."""
    changes, training = 4 * rows * features**2, ROUNDS * rows * features * (features + TOGETHER)
    kernels = 8 * min(rows, EXACT_ROWS) ** 2 + (5 * rows**2 if rows > EXACT_ROWS else 0)
    return 8 * (changes + 2 * training + kernels)


def fit_chained(
    table: Table,
    owner: Int[np.ndarray, " f"],
    judging: Int[np.ndarray, " r"],
    step: Callable[[], None],
) -> Chained:
    """Fit all columns, in rounds.

    Parameters
    ----------
    table : (m, f), standardised, NaN where missing.
    owner : (f,), features with the same owner tell all about one another and are not used for that.
    judging : rows that are held out where there are too many to leave out each.
    step : called for each round of each column.

    Raises
    ------
    NotEnoughMemoryError : before allocating.
    """
    memory.require(
        predicted_bytes(*table.shape),
        f"a chained regression of {table.shape[0]} rows and {table.shape[1]} features",
        "lower chained_rows, or pass chained=False",
    )
    with enable_x64(), one_thread():
        return _Fit(table, owner, judging).run(step)


class _Early(NamedTuple):
    """A column's regression in a round that is not the last, and what the next needs of it.

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

    def __init__(self, table, owner, judging):
        self.table, self.missing, self.judging = table, np.isnan(table), judging
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
            errors.append(self.error)
            if last:
                rounds.append(fits)
            else:
                rounds.append([its.column for its in fits])
                self._fill(fits)
        calibration = Calibration.of(self.table, self.left_out, self.shares)
        std = calibration.std(self.shares)
        return Chained(self.warp, rounds, errors, self.others, calibration, self.left_out, std)

    def _rows_of(self, j, most):
        """Rows with column j: all, those to regress on, how many of them choose, those held out.

        In the order of their values, so that some of them have few of the same. Those that choose
        come first.
        """
        everyone = np.argsort(self.table[:, j], kind="stable")[: (~self.missing[:, j]).sum()]
        known, held = evenly_spaced(everyone, most), everyone[:0]
        if len(known) - _HELD_ROWS > EXACT_ROWS:
            # In the order of rows: the first and the last by value are no fair part of them.
            shared = np.intersect1d(known, self.judging)
            shared = shared if len(shared) >= _HELD_ROWS else np.sort(known)
            held = evenly_spaced(shared, _HELD_ROWS)
            known = known[~np.isin(known, held)]
        else:
            known = evenly_spaced(known, EXACT_ROWS)
        first = evenly_spaced(known, column_fit.CHOOSING_ROWS)
        return everyone, np.concatenate([first, known[~np.isin(known, first)]]), len(first), held

    def _fit_column(self, j, last):
        most = int((~self.missing).sum(axis=0).max())
        if not last:
            early = max(_LEAST_EARLY_ROWS, _EARLY_ENTRIES // self.table.shape[1])
            most = min(most, early, EXACT_ROWS)
        everyone, known, choosing, held = self._rows_of(j, most)
        # Columns with fewer values share what is compiled.
        size = padded_size(most if most <= EXACT_ROWS else len(known))
        mean, low, high = (of(self.table[everyone, j]) for of in (np.mean, np.min, np.max))
        values = self.table[:, j] - mean
        features = widen(self.warp(self.filled + self.change[:, j]))
        unknown, error = widen(self.missing), widen(self.error)
        real, padded = np.arange(size) < len(known), pad(known, size)
        its_rows = features[padded], unknown[padded], real
        column = Column(*its_rows, np.where(real, values[padded], 0), mean, low, high, [])
        scales = [widen(its[j]) for its in self.scales]
        tried = column_fit.choose(column, choosing, scales, error, self.span)
        if len(held):
            rows = Rows(features[held], unknown[held] * error)
            args = column, tried[0], rows, values[held], error, self.span
            judged, fitted = held, column_fit.fit_many(*args)
        else:
            judged, fitted = known, column_fit.fit(column, tried, error, self.span)
        self.left_out[:, j], self.shares[:, j] = np.nan, 1.0
        self.left_out[judged, j] = mean + fitted.left_out
        self.shares[judged, j] = fitted.shares
        column = dataclasses.replace(column, members=fitted.members)
        if last:
            return column
        predicted = self._predicted(column, features, unknown * error, known)
        others = np.setdiff1d(everyone, known)
        self.left_out[others, j] = predicted[others]
        lacking, sampled = np.flatnonzero(self.missing[:, j]), known[:choosing]
        which = np.concatenate([sampled, lacking])
        slopes = self._slopes(column, features, unknown * error, which, padded)
        return _Early(column, predicted, slopes, sampled)

    def _predicted(self, column, features, errors, known):
        """Of rows that a column was not fitted to, and that so have no part in what they get."""
        predicted, size = np.full(len(features), column.mean), len(column.real)
        for some, at in blocks(np.delete(np.arange(len(features)), known), size):
            rows = Rows(features[at], errors[at])
            its = column.predict(rows, widen(self.error), self.span, single=True)
            predicted[some] = its[: len(some)]
        return predicted

    def _slopes(self, column, features, errors, which, known):
        """Derivatives of the predictions of some rows; `known` has the column's rows, padded."""
        slopes = np.zeros_like(self.table)
        for some, at in blocks(which, len(column.real)):
            rows, same = Rows(features[at], errors[at]), at[:, None] == known
            for one in column.members:
                training = column.training(one, widen(self.error), self.span)
                four = regression.single((rows, same, training, one.alpha))
                its = np.asarray(regression.slopes(one.family, *four))
                slopes[some] += one.weight * its[: len(some), : slopes.shape[1]]
        return slopes

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
                    found = regression.predict_replaced(one.family, *regression.single(args))
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
