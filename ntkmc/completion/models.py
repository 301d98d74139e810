"""Regression of a standardised table along its rows, its columns, or both, with honest errors.

Errors that a model is judged by are those of entries that it has seen nothing of: every row is
predicted with a prior that other rows made. A prior that a row had a part in makes leave-one-out
errors of that row too small, and the ridge that minimises them with it.
"""

import dataclasses
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Bool, Float

from ntkmc.solvers import SingularKernelError, complete_rows, leave_one_out, minimise_over_ridges
from ntkmc.solvers.pattern_solve import row_scales

Table = Float[np.ndarray, "m n"]
Folds = list[np.ndarray]


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


@dataclasses.dataclass(frozen=True)
class AlongRows:
    """Each row from its observed entries, with a kernel between columns.

    Attributes
    ----------
    kernel : (n, n)
    ridge : relative to the mean of its diagonal.
    scale : (n,), what variances are multiplied with in each column.
    """

    kernel: Float[np.ndarray, "n n"]
    ridge: float
    scale: Float[np.ndarray, " n"]
    left_out: Table
    left_out_std: Table

    def complete(self, table: Table) -> tuple[Table, Table]:
        """Every missing entry, and standard deviations."""
        result = complete_rows(self.kernel, table, ridge=self.ridge, uncertainty=True)
        assert result.variance is not None
        return result.completed, np.sqrt(result.variance * self.scale)

    def spread(self, rows: np.ndarray, shape: tuple[int, int]) -> "AlongRows":
        """The same, for a table of which the one that it was fitted to is these rows."""
        left_out, std = np.full(shape, np.nan), np.full(shape, np.nan)
        left_out[rows], std[rows] = self.left_out, self.left_out_std
        return dataclasses.replace(self, left_out=left_out, left_out_std=std)


@dataclasses.dataclass(frozen=True)
class AlongColumns:
    """Each column from its observed entries, with a kernel between the rows of this very table."""

    kernel: Float[np.ndarray, "m m"]
    ridge: float
    left_out: Table
    left_out_std: Table

    def complete(self, table: Table) -> tuple[Table, Table]:
        """Every missing entry, and standard deviations."""
        if len(table) != len(self.kernel):
            raise ValueError(
                f"X has {len(table)} rows and row_prior was for {len(self.kernel)}, those of the "
                "table it was fitted to: pass the same rows, or fit with row_prior=None"
            )
        result = complete_rows(self.kernel, table.T, ridge=self.ridge, uncertainty=True)
        std = result.std
        assert std is not None
        return result.completed.T, std.T


@dataclasses.dataclass(frozen=True)
class Both:
    """A weighted mean of two models' predictions.

    Attributes
    ----------
    weight : of the first, between 0 and 1.
    inflation : (n,), what the mean of the two standard deviations is multiplied with.
    """

    first: Model
    second: Model
    weight: float
    inflation: Float[np.ndarray, " n"]
    left_out: Table
    left_out_std: Table

    def complete(self, table: Table) -> tuple[Table, Table]:
        """Every missing entry, and standard deviations."""
        (first, std_1), (second, std_2) = self.first.complete(table), self.second.complete(table)
        completed = self.weight * first + (1 - self.weight) * second
        std = (self.weight * std_1 + (1 - self.weight) * std_2) * self.inflation
        return np.where(np.isnan(table), completed, table), std


def fit_along_rows(
    kernel: Float[np.ndarray, "n n"],
    fold_kernels: list[Float[np.ndarray, "n n"]],
    folds: Folds,
    table: Table,
    counted: Bool[np.ndarray, " n"],
    ridge: float | str,
) -> AlongRows:
    """Choose the ridge and measure the errors, with each fold's rows under their own kernel.

    Parameters
    ----------
    kernel : (n, n), what completes tables.
    fold_kernels : (n, n) each, made without the rows of the fold.
    folds : positions of rows.
    table : (m, n), NaN where missing.
    counted : (n,), columns whose errors choose the ridge.
    ridge : a number, or "loo".
    """
    if ridge == "loo":
        ridge = minimise_over_ridges(
            lambda ridge: _rms(table - left_out(fold_kernels, folds, table, ridge), counted)
        )
    predicted, variance = np.full(table.shape, np.nan), np.ones(table.shape)
    for fold_kernel, rows in zip(fold_kernels, folds, strict=True):
        result = complete_rows(fold_kernel, table[rows], ridge=float(ridge), uncertainty=True)
        predicted[rows], variance[rows] = result.left_out, result.variance
    predicted[np.isnan(table)] = np.nan
    scale = row_scales((table - predicted).T, variance.T)
    return AlongRows(kernel, float(ridge), scale, predicted, np.sqrt(variance * scale))


def fit_along_columns(
    kernel: Float[np.ndarray, "m m"], table: Table, ridge: float | str
) -> AlongColumns:
    """Choose the ridge and measure the errors; the kernel must not be made from the table."""
    result = complete_rows(kernel, table.T, ridge=ridge, uncertainty=True)
    std = result.std
    assert std is not None
    assert result.left_out is not None
    predicted = np.where(np.isnan(table), np.nan, result.left_out.T)
    return AlongColumns(kernel, result.ridge, predicted, std.T)


def fit_both(first: Model, second: Model, table: Table) -> Both:
    """The weights with the least squared leave-one-out error."""
    known = ~np.isnan(first.left_out + second.left_out)
    apart = (second.left_out - first.left_out)[known]
    size = float(apart @ apart)
    share = float(apart @ (second.left_out - table)[known]) / size if size else 0.5
    weight = min(max(share, 0.0), 1.0)
    predicted = weight * first.left_out + (1 - weight) * second.left_out
    std = weight * first.left_out_std + (1 - weight) * second.left_out_std
    inflation = np.sqrt(row_scales((table - predicted).T, np.square(std).T))
    return Both(first, second, weight, inflation, predicted, std * inflation)


def left_out(
    fold_kernels: list[Float[np.ndarray, "n n"]], folds: Folds, table: Table, ridge: float
) -> Table:
    """Prediction of each observed entry from the others of its row, under its fold's kernel.

    Infinitely wrong where a kernel is singular.
    """
    predicted = np.full(table.shape, np.nan)
    try:
        for kernel, rows in zip(fold_kernels, folds, strict=True):
            predicted[rows] = leave_one_out(kernel, table[rows], ridge)
    except SingularKernelError:
        return np.where(np.isnan(table), np.nan, np.inf)
    return predicted


def error_of(model: Model, table: Table, counted: Bool[np.ndarray, " n"]) -> float:
    """Root mean squared leave-one-out error over the columns that are counted."""
    return _rms(table - model.left_out, counted)


def _rms(errors, counted) -> float:
    counted = errors[:, counted] if counted.any() else errors
    known = counted[~np.isnan(counted)]
    return float(np.sqrt(np.mean(np.square(known)))) if known.size else 0.0
