"""A table's columns, each regressed on all others by kernels between rows, in rounds."""

import dataclasses
import warnings
from collections.abc import Callable

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

EXACT_ROWS = 4096
"""So many rows at most are solved exactly, by factorisation."""

_TELLING = 1024  # rows that tell what is left of a variance, where there are more than are exact
_LARGE_RESIDUAL = 0.01
_NEVER = 1e-9  # how often a row was drawn that was not
_BY_ROW = ("features", "unknown", "real", "values")


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

    @property
    def many(self) -> bool:
        """Whether it has so many rows that it is solved iteratively and predicts in float32."""
        return len(self.real) > EXACT_ROWS

    def first(self, count: int) -> "Column":
        """With so many of its rows, the first."""
        rows = {name: getattr(self, name)[:count] for name in _BY_ROW}
        return dataclasses.replace(self, **rows)

    def training(
        self, member: Member, error: Float[np.ndarray, " f"], span: Float[np.ndarray, " f"]
    ) -> regression.Training:
        """Its rows for a member, where features that are not known are known to such errors."""
        rows = Rows(self.features, self.unknown * error)
        return regression.Training(rows, self.real, member.scales, span)

    def predict(
        self,
        rows: Rows,
        error: Float[np.ndarray, " f"],
        span: Float[np.ndarray, " f"],
        single: bool = False,
    ) -> Float[np.ndarray, " m"]:
        """The column of rows that it was not fitted to, not yet kept in its range.

        In float32 where there are many rows, or if that is enough.
        """
        predicted = np.full(len(rows.x), self.mean)
        for one in self.members:
            args = rows, self.training(one, error, span), one.alpha
            if single or self.many:
                args = regression.single(args)
            predicted += one.weight * np.asarray(regression.predict(one.family, *args))
        return predicted

    def shares(
        self, error: Float[np.ndarray, " f"], span: Float[np.ndarray, " f"]
    ) -> Callable[[Rows], Float[np.ndarray, " m"]]:
        """What is left of the variance of rows, by the member with the largest weight.

        Of many rows, the first that it was fitted to stand for all.
        """
        first = self.members[0]
        column = self.first(_TELLING) if self.many else self
        training = column.training(first, error, span)
        K, scale = regression.gram(first.family, training)
        args = training, regression.whitener(K, first.ridge), scale, first.ridge
        return lambda rows: np.asarray(regression.left_share(first.family, rows, *args))

    def solved(
        self,
        member: Member,
        noise: Float[np.ndarray, " n"],
        error: Float[np.ndarray, " f"],
        span: Float[np.ndarray, " f"],
    ) -> Member:
        """A member with a ridge for each row."""
        training = self.training(member, error, span)
        if not self.many:
            its = regression.gram(member.family, training)
            alpha = regression.coefficients(*its, self.values, noise)
        else:
            args = training, self.values, noise
            alpha, residual = regression.solve_iteratively(member.family, *args)
            if not residual < _LARGE_RESIDUAL:
                warnings.warn(
                    f"conjugate gradients for a column of a chained regression stopped at a "
                    f"relative residual of {float(residual):.1e}; lower chained_rows to 4096",
                    stacklevel=2,
                )
        return dataclasses.replace(member, alpha=np.asarray(alpha))

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
        column = dataclasses.replace(self, values=values, mean=self.mean + shift)
        members = [
            column.solved(one, one.ridge / np.maximum(drawn, _NEVER), error, span)
            for one in self.members
        ]
        return dataclasses.replace(column, members=members)


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
                    share_of = its.shares(error, span) if last else None
                    for some, padded in blocks(which, len(its.real)):
                        rows = Rows(features[padded], unknown[padded] * error)
                        predicted = its.predict(rows, error, span, single=not last)
                        filled[some, k] = np.clip(predicted, its.low, its.high)[: len(some)]
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
