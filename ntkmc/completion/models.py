"""Regression of a standardised table along its rows, its columns, or both, with honest errors.

Errors that a model is judged by are those of entries that it has seen nothing of: every row is
predicted with a prior that other rows made, from their own completions. A prior that a row had a
part in makes leave-one-out errors of that row too small, and the ridge that minimises them with it.
"""

import dataclasses
from collections.abc import Iterator
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Bool, Float, Int

from ntkmc.completion.calibration import Calibration
from ntkmc.completion.priors import Network
from ntkmc.completion.table_prior import (
    ColumnKernel,
    Folds,
    Prior,
    Table,
    TablePrior,
    prior_variance,
)
from ntkmc.solvers import SingularKernelError, complete_rows, row_scales

# The weights of two models in a column are by its own values and so many of all columns.
_SHARED_ENTRIES = 10


@runtime_checkable
class Model(Protocol):
    """A fitted regression."""

    @property
    def left_out(self) -> Table:
        """(m, n), each observed entry of the table it was fitted to, predicted without itself.

        NaN where missing.
        """
        ...

    @property
    def left_out_std(self) -> Table:
        """(m, n), the standard deviations of entries minus `left_out`."""
        ...

    def complete(self, table: Table) -> tuple[Table, Table]:
        """Every missing entry of a table, and the standard deviation of every entry."""
        ...

    def resampled(self, rng: np.random.Generator) -> "Model":
        """What other rows, as many and as likely, could have made of it; choices stay."""
        ...


@dataclasses.dataclass(frozen=True)
class AlongRows:
    """Each row from its observed entries, with a kernel between columns.

    Attributes
    ----------
    network : whose kernel it is.
    prior : that it is made of.
    column_kernel : between columns.
    ridge : relative to the mean of its diagonal.
    calibration : of standard deviations.
    own : kernels for rows that had a part in `column_kernel`, by their values (`row_keys`): those
        that the other rows made. Where a prior has few rows, each of them knows itself too well.
    """

    network: Network
    prior: Prior
    column_kernel: ColumnKernel
    ridge: float
    calibration: Calibration
    left_out: Table
    left_out_std: Table
    own: dict[bytes, ColumnKernel] = dataclasses.field(default_factory=dict)

    @property
    def kernel(self) -> Float[np.ndarray, "n n"]:
        """(n, n), between standardised columns."""
        return self.column_kernel.kernel

    def complete(self, table: Table) -> tuple[Table, Table]:
        """Every missing entry, and standard deviations."""
        completed, std = np.empty(table.shape), np.empty(table.shape)
        for kernel, rows in self.kernels_of(table):
            result = kernel.complete(table[rows], self.ridge, uncertainty=True)
            assert result.variance is not None
            completed[rows] = result.completed
            shares = result.variance / prior_variance(kernel.kernel, self.ridge)
            std[rows] = self.calibration.std(shares)
        return completed, std

    def resampled(self, rng: np.random.Generator) -> "AlongRows":
        """With the kernel of a prior of rows that are drawn with replacement."""
        if not isinstance(self.prior, TablePrior):
            return self  # it was given, and is known
        prior = self.prior.resampled(rng)
        everything = np.arange(len(self.kernel))
        own: dict[bytes, ColumnKernel] = {}
        if self.own:
            its = np.array([id(self.own[key]) for key in row_keys(prior.table)])
            kernels = {
                one: prior.without(its == one).kernel(self.network, everything)
                for one in {id(kernel) for kernel in self.own.values()}
            }
            own = {key: kernels[id(kernel)] for key, kernel in self.own.items()}
        kernel = prior.kernel(self.network, everything)
        return dataclasses.replace(self, prior=prior, column_kernel=kernel, own=own)

    def kernels_of(self, table: Table) -> Iterator[tuple[ColumnKernel, Int[np.ndarray, " r"]]]:
        """The kernels that complete a table, each with the rows that it completes."""
        kernels: dict[int, ColumnKernel] = {}
        rows: dict[int, list[int]] = {}
        for row, key in enumerate(row_keys(table) if self.own else [b""] * len(table)):
            kernel = self.own.get(key, self.column_kernel)
            kernels[id(kernel)] = kernel
            rows.setdefault(id(kernel), []).append(row)
        for number, kernel in kernels.items():
            yield kernel, np.array(rows[number])


@dataclasses.dataclass(frozen=True)
class AlongColumns:
    """Each column from its observed entries, with a kernel between rows.

    Attributes
    ----------
    network : whose kernel it is.
    kernel : between the rows of `known`, and after them those that are completed.
    ridge : relative to the mean of its diagonal.
    calibration : of standard deviations.
    table : the one that it was fitted to.
    embedding : of its rows; None where they have no features.
    known : (k, n), rows that help to complete others; none where these are the ones of the fit.
    """

    network: Network
    kernel: Float[np.ndarray, "r r"]
    ridge: float
    calibration: Calibration
    left_out: Table
    left_out_std: Table
    table: Table
    embedding: Float[np.ndarray, "p m"] | None
    known: Float[np.ndarray, "k n"]

    def complete(self, table: Table) -> tuple[Table, Table]:
        """Every missing entry, and standard deviations."""
        before = len(self.known)
        if before + len(table) != len(self.kernel):
            raise ValueError(
                f"X has {len(table)} rows and row_prior was for {len(self.kernel) - before}, those "
                "of the table it was fitted to: pass the same rows, row_features of others, or fit "
                "with row_prior=None"
            )
        rows = np.concatenate([self.known, table])
        result = complete_rows(self.kernel, rows.T, ridge=self.ridge, uncertainty=True)
        assert result.variance is not None
        shares = result.variance.T / prior_variance(self.kernel, self.ridge)[:, None]
        return result.completed.T[before:], self.calibration.std(shares[before:])

    def resampled(self, rng: np.random.Generator) -> "AlongColumns":
        """The same: its kernel is known."""
        return self

    def with_rows(self, new: Float[np.ndarray, "p k"]) -> "AlongColumns":
        """The same for new rows, which the table that it was fitted to helps to complete.

        Their kernel is that of the network on the features of both, and the noise is as it was.
        """
        assert self.embedding is not None
        kernel = self.network.kernel(self.embedding, new)
        ridge = self.ridge * np.diagonal(self.kernel).mean() / np.diagonal(kernel).mean()
        return dataclasses.replace(self, kernel=kernel, ridge=float(ridge), known=self.table)


@dataclasses.dataclass(frozen=True)
class Both:
    """A weighted mean of two models' predictions.

    Attributes
    ----------
    weight : (n,), of the first, between 0 and 1.
    inflation : (n,), what the mean of the two standard deviations is multiplied with.
    """

    first: Model
    second: Model
    weight: Float[np.ndarray, " n"]
    inflation: Float[np.ndarray, " n"]
    left_out: Table
    left_out_std: Table

    def complete(self, table: Table) -> tuple[Table, Table]:
        """Every missing entry, and standard deviations."""
        (first, std_1), (second, std_2) = self.first.complete(table), self.second.complete(table)
        weight, inflation = (np.tile(its, (len(table), 1)) for its in (self.weight, self.inflation))
        if _knows_empty_rows(self.first) != _knows_empty_rows(self.second):
            # Where the other has no more than means, which weights do not tell from predictions.
            empty = np.isnan(table).all(axis=1)
            weight[empty], inflation[empty] = _knows_empty_rows(self.first), 1
        completed = weight * first + (1 - weight) * second
        std = (weight * std_1 + (1 - weight) * std_2) * inflation
        return np.where(np.isnan(table), completed, table), std

    def resampled(self, rng: np.random.Generator) -> "Both":
        """Both of them; the weights stay."""
        first, second = self.first.resampled(rng), self.second.resampled(rng)
        if first is self.first and second is self.second:
            return self
        return dataclasses.replace(self, first=first, second=second)


def _knows_empty_rows(model: Model) -> bool:
    """Whether it has something to say of rows without any entry."""
    if isinstance(model, Both):
        return _knows_empty_rows(model.first) or _knows_empty_rows(model.second)
    return isinstance(model, AlongColumns)


def with_rows(model: Model, new: Float[np.ndarray, "p k"]) -> Model:
    """A model for new rows with such features."""
    if isinstance(model, Both):
        first, second = (with_rows(one, new) for one in (model.first, model.second))
        return dataclasses.replace(model, first=first, second=second)
    return model.with_rows(new) if isinstance(model, AlongColumns) else model


def row_keys(table: Table) -> list[bytes]:
    """What tells rows apart: their values."""
    canonical = np.where(np.isnan(table), np.nan, table + 0.0)  # one NaN, one zero
    return [row.tobytes() for row in canonical]


def fit_along_rows(
    network: Network,
    prior: Prior,
    kernels: list[ColumnKernel],
    folds: Folds,
    table: Table,
    ridge: float,
    owner: Int[np.ndarray, " n"],
    keep: bool,
) -> AlongRows:
    """Measure the errors, with each fold's rows under their own kernel.

    Parameters
    ----------
    network : whose kernels these are.
    prior : whose kernel completes other tables.
    kernels : one for each fold, made without its rows.
    folds : positions of rows.
    table : (m, n), NaN where missing.
    ridge : relative.
    owner : (n,), columns with the same owner are left out together.
    keep : whether rows of this table are to be completed with the kernel of their fold.
    """
    predicted, shares = np.full(table.shape, np.nan), np.ones(table.shape)
    own: dict[bytes, ColumnKernel] = {}
    for kernel, rows in zip(kernels, folds, strict=True):
        result = kernel.complete(table[rows], ridge, uncertainty=True, owner=owner)
        assert result.variance is not None
        predicted[rows] = result.left_out
        shares[rows] = result.variance / prior_variance(kernel.kernel, ridge)
        if keep:
            # Of equal rows in several folds, the first.
            own = dict.fromkeys(row_keys(table[rows]), kernel) | own
    predicted[np.isnan(table)] = np.nan
    calibration = Calibration.of(table, predicted, shares)
    std = calibration.std(shares)
    kernel = prior.kernel(network, np.arange(table.shape[1]))
    return AlongRows(network, prior, kernel, ridge, calibration, predicted, std, own)


def fit_along_columns(
    network: Network,
    kernel: Float[np.ndarray, "m m"],
    table: Table,
    ridge: float | str,
    embedding: Float[np.ndarray, "p m"] | None,
) -> AlongColumns:
    """Choose the ridge and measure the errors; the kernel must not be made from the table."""
    result = complete_rows(kernel, table.T, ridge=ridge, uncertainty=True)
    assert result.left_out is not None
    assert result.variance is not None
    predicted = np.where(np.isnan(table), np.nan, result.left_out.T)
    shares = result.variance.T / prior_variance(kernel, result.ridge)[:, None]
    calibration = Calibration.of(table, predicted, shares)
    std = calibration.std(shares)
    none = np.empty((0, table.shape[1]))
    return AlongColumns(
        network, kernel, result.ridge, calibration, predicted, std, table, embedding, none
    )


def fit_both(first: Model, second: Model, table: Table) -> Both:
    """For each column the weights with the least squared leave-one-out error.

    Where few values of a column are known, they are mostly those of all columns together.
    """
    known = ~np.isnan(first.left_out + second.left_out)
    apart = np.where(known, second.left_out - first.left_out, 0)
    gain = (apart * np.where(known, second.left_out - table, 0)).sum(axis=0)
    size = np.square(apart).sum(axis=0)
    total = size.sum()
    common = gain.sum() / total if total else 0.5
    shared = _SHARED_ENTRIES * total / max(known.sum(), 1)
    weight = np.full(table.shape[1], common)
    np.divide(gain + shared * common, size + shared, out=weight, where=size + shared > 0)
    weight = np.clip(weight, 0, 1)
    predicted = weight * first.left_out + (1 - weight) * second.left_out
    std = weight * first.left_out_std + (1 - weight) * second.left_out_std
    inflation = np.sqrt(row_scales((table - predicted).T, np.square(std).T))
    return Both(first, second, weight, inflation, predicted, std * inflation)


def left_out(
    kernels: list[ColumnKernel],
    folds: Folds,
    table: Table,
    ridge: float,
    owner: Int[np.ndarray, " n"],
) -> Table:
    """Prediction of each observed entry from the others of its row, under its fold's kernel.

    Columns with the same owner are left out together. Infinitely wrong where a kernel is singular.
    """
    predicted = np.full(table.shape, np.nan)
    try:
        for kernel, rows in zip(kernels, folds, strict=True):
            predicted[rows] = kernel.leave_one_out(table[rows], ridge, owner)
    except SingularKernelError:
        return np.where(np.isnan(table), np.nan, np.inf)
    return predicted


def root_mean_square(errors: Table, counted: Bool[np.ndarray, " n"]) -> float:
    """Over the columns that are counted, of the errors that are known; 0 where there are none."""
    some = errors[:, counted] if counted.any() else errors
    known = some[~np.isnan(some)]
    return float(np.sqrt(np.mean(np.square(known)))) if known.size else 0.0
