"""A table's columns, each regressed on all others by kernels between rows, in rounds."""

import dataclasses

import numpy as np
from jaxtyping import Bool, Float

from ntkmc._compat import enable_x64
from ntkmc.completion import column_regression as regression
from ntkmc.completion.calibration import Calibration
from ntkmc.completion.padding import blocks, widen
from ntkmc.completion.row_kernels import Rows
from ntkmc.completion.table_prior import Table
from ntkmc.completion.warp import Warp
from ntkmc.solvers.blas import one_thread

_NEVER = 1e-9  # how often a row was drawn that was not


@dataclasses.dataclass(frozen=True)
class Member:
    """One kernel's share in the regression of a column."""

    family: str
    scales: Float[np.ndarray, " f"]
    ridge: float
    alpha: Float[np.ndarray, " n"]
    weight: float


@dataclasses.dataclass(frozen=True)
class Column:
    """The regression of a column in one round.

    Attributes
    ----------
    features, unknown : (n, f), the rows in which it was observed, padded, and what of them was not.
    real : (n,), False for padding.
    values : (n,), of the column, less `mean`; zero for padding.
    mean, low, high : of its values; predictions stay in their range.
    members : the largest first.
    """

    features: Float[np.ndarray, "n f"]
    unknown: Bool[np.ndarray, "n f"]
    real: Bool[np.ndarray, " n"]
    values: Float[np.ndarray, " n"]
    mean: float
    low: float
    high: float
    members: list[Member]

    def training(
        self, member: Member, error: Float[np.ndarray, " f"], span: Float[np.ndarray, " f"]
    ) -> regression.Training:
        """Its rows for a member, where features that are not known are known to such errors."""
        rows = Rows(self.features, self.unknown * error)
        return regression.Training(rows, self.real, member.scales, span)

    def resampled(
        self,
        error: Float[np.ndarray, " f"],
        span: Float[np.ndarray, " f"],
        rng: np.random.Generator,
    ) -> "Column":
        """Fitted to as many rows, drawn with replacement; drawn twice, one has half the noise.

        Kernels, ridges and weights stay.
        """
        count = self.real.sum()
        drawn = np.zeros(len(self.real))
        drawn[self.real] = rng.multinomial(count, np.full(count, 1 / count))
        shift = drawn @ self.values / count
        values = (self.values - shift) * self.real
        members = []
        for one in self.members:
            noise = one.ridge / np.maximum(drawn, _NEVER)
            its = regression.gram(one.family, self.training(one, error, span))
            alpha = np.asarray(regression.coefficients(*its, values, noise))
            members.append(dataclasses.replace(one, alpha=alpha))
        return dataclasses.replace(self, values=values, mean=self.mean + shift, members=members)


@dataclasses.dataclass(frozen=True)
class Chained:
    """Each column from all others, by kernels between rows; see `chained_fit`.

    Attributes
    ----------
    warp : of columns to features.
    rounds : in each a regression for each column, from what the round before filled in.
    errors : for each round (f,), of what the round before filled in.
    others : (f, f), [j, k] whether column j is regressed on k.
    calibration : of standard deviations.
    left_out, left_out_std : as every `Model` has them.
    """

    warp: Warp
    rounds: list[list[Column]]
    errors: list[Float[np.ndarray, " f"]]
    others: Bool[np.ndarray, "f f"]
    calibration: Calibration
    left_out: Table
    left_out_std: Table

    def complete(self, table: Table) -> tuple[Table, Table]:
        """Every missing entry, and standard deviations."""
        missing = np.isnan(table)
        filled, shares = np.where(missing, 0.0, table), np.ones(table.shape)
        asked = predictable(missing, self.others)
        span = widen(self.warp.span)
        with enable_x64(), one_thread():
            for columns, error in zip(self.rounds, map(widen, self.errors), strict=True):
                features, unknown = widen(self.warp(filled)), widen(missing)
                filled, last = filled.copy(), columns is self.rounds[-1]
                for k in np.flatnonzero(asked.any(axis=0)):
                    its, which = columns[k], np.flatnonzero(asked[:, k])
                    share_of = _share(its, error, span) if last else None
                    for some, padded in blocks(which, len(its.real)):
                        rows = Rows(features[padded], unknown[padded] * error)
                        filled[some, k] = _predict(its, rows, error, span)[: len(some)]
                        if share_of:
                            shares[some, k] = share_of(rows)[: len(some)]
        return filled, self.calibration.std(shares)

    def resampled(self, rng: np.random.Generator) -> "Chained":
        """With regressions of rows drawn with replacement in the last round."""
        span, error = widen(self.warp.span), widen(self.errors[-1])
        with enable_x64(), one_thread():
            last = [column.resampled(error, span, rng) for column in self.rounds[-1]]
        return dataclasses.replace(self, rounds=[*self.rounds[:-1], last])


def predictable(
    missing: Bool[np.ndarray, "m f"], others: Bool[np.ndarray, "f f"]
) -> Bool[np.ndarray, "m f"]:
    """Missing entries of which the row says anything; the others have their columns' means."""
    return missing & (~missing @ others.T)


def _predict(column, rows, error, span):
    predicted = np.full(len(rows.x), column.mean)
    for one in column.members:
        args = rows, column.training(one, error, span), one.alpha
        predicted += one.weight * np.asarray(regression.predict(one.family, *args))
    return np.clip(predicted, column.low, column.high)


def _share(column, error, span):
    """What is left of the variance of rows, by the member with the largest weight."""
    first = column.members[0]
    training = column.training(first, error, span)
    K, scale = regression.gram(first.family, training)
    args = training, regression.whitener(K, first.ridge), scale, first.ridge
    return lambda rows: np.asarray(regression.left_share(first.family, rows, *args))
