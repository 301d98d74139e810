"""Priors of a table's columns: made from the table that is to be completed, or given."""

import dataclasses
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Bool, Float, Int

from ntkmc.architecture import Layer
from ntkmc.completion.priors import Network
from ntkmc.solvers import RowCompletion, complete_rows, leave_one_out

Table = Float[np.ndarray, "m n"]
Folds = list[np.ndarray]

FEW_COLUMNS = 500
"""More columns than these make the choice of a network no better, only slower."""

_INNER_FOLDS = 5
_FILLING_RIDGE = 0.1
_FILLING_IDENTITY = 0.1


@dataclasses.dataclass(frozen=True)
class ColumnKernel:
    """A kernel between columns, and the mean and scale that they have for it.

    Attributes
    ----------
    kernel : (n, n)
    mean, scale : (n,)
    """

    kernel: Float[np.ndarray, "n n"]
    mean: Float[np.ndarray, " n"]
    scale: Float[np.ndarray, " n"]

    def complete(
        self,
        table: Table,
        ridge: float,
        uncertainty: bool = False,
        owner: Int[np.ndarray, " n"] | None = None,
    ) -> RowCompletion:
        """See `complete_rows`; predictions are in the table's units, variances are the kernel's."""
        standard = (table - self.mean) / self.scale
        result = complete_rows(
            self.kernel, standard, ridge=ridge, uncertainty=uncertainty, owner=owner
        )
        left_out = None if result.left_out is None else result.left_out * self.scale + self.mean
        completed = np.where(np.isnan(table), result.completed * self.scale + self.mean, table)
        return dataclasses.replace(result, completed=completed, left_out=left_out)

    def leave_one_out(
        self, table: Table, ridge: float, owner: Int[np.ndarray, " n"] | None = None
    ) -> Table:
        """Prediction of each observed entry from the others of its row."""
        standard = (table - self.mean) / self.scale
        return leave_one_out(self.kernel, standard, ridge, owner) * self.scale + self.mean


def prior_variance(kernel: Float[np.ndarray, "n n"], ridge: float) -> Float[np.ndarray, " n"]:
    """(n,), of entries of which nothing is known, with the noise that the ridge stands for."""
    diagonal = np.diagonal(kernel)
    return diagonal + ridge * diagonal.mean()


def folds_of(rows: int, count: int) -> Folds:
    """Every `count`-th row, from each of the first `count` ones; at most one fold a row."""
    count = min(count, rows)
    return [np.arange(start, rows, count) for start in range(count)]


def without(table: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """The other rows; all of them where there are no others."""
    return np.delete(table, rows, axis=0) if len(rows) < len(table) else table


@runtime_checkable
class Prior(Protocol):
    """What is known of a table's columns."""

    def kernel(self, network: Network, columns: Int[np.ndarray, " c"]) -> ColumnKernel:
        """The kernel of a network between some of the columns."""
        ...


@dataclasses.dataclass(frozen=True)
class GivenPrior:
    """A prior that does not depend on the table, whose columns are standardised.

    Attributes
    ----------
    matrix : (p, n), an embedding, or (n, n), a kernel.
    gram : whether it is a kernel, whatever the network.
    """

    matrix: Float[np.ndarray, "p n"]
    gram: bool

    def kernel(self, network: Network, columns: Int[np.ndarray, " c"]) -> ColumnKernel:
        """The kernel of a network between some of the columns."""
        if self.gram:
            kernel = self.matrix[np.ix_(columns, columns)]
        else:
            kernel = network.kernel(self.matrix[:, columns])
        return ColumnKernel(kernel, np.zeros(len(columns)), np.ones(len(columns)))


@dataclasses.dataclass(frozen=True)
class TablePrior:
    """A table's columns, embedded by their values and by what the missing ones may be.

    Attributes
    ----------
    table : (m, n), NaN where missing.
    filled : (m, n), completed; NaN for the mean of a column.
    activation, refinements : how it was filled, as `of` has them.
    """

    table: Table
    filled: Table
    activation: Layer | str | dict
    refinements: int

    @classmethod
    def of(cls, table: Table, activation: Layer | str | dict, refinements: int) -> "TablePrior":
        """Fill a table with its columns' means at first, then with its completions.

        Each time, every fold of the rows is completed with the kernel of the others, whose columns
        are standardised without it: with few rows, means that an entry had a part in give it away.
        The network has one hidden layer and is "oriented", whatever is made of the prior then. Of
        more than 500 columns, those of a block of so many fill each other in.

        Parameters
        ----------
        table : (m, n), standardised, NaN where missing.
        activation : of the network.
        refinements : how many times it is completed.
        """
        filled = np.empty(table.shape)
        for columns in _blocks(table):
            filled[:, columns] = _fill(table[:, columns], activation, refinements)
        return cls(table, filled, activation, refinements)

    def kernel(self, network: Network, columns: Int[np.ndarray, " c"]) -> ColumnKernel:
        """The kernel of a network between some of the columns."""
        table, filled = self.table[:, columns], self.filled[:, columns]
        observed = ~np.isnan(table)
        count = np.maximum(observed.sum(axis=0), 1)
        mean = np.where(observed, table, 0).sum(axis=0) / count
        apart = np.where(observed, table - mean, 0)
        scale = np.sqrt(np.square(apart).sum(axis=0) / count)
        # Where the values of these rows are the same, they say nothing of the column's scale.
        scale = np.where(scale > 1e-9, scale, 1.0)
        embedding = np.where(np.isnan(filled), 0, (filled - mean) / scale)
        return ColumnKernel(network.signed_kernel(embedding, observed), mean, scale)

    def resampled(self, rng: np.random.Generator) -> "TablePrior":
        """The prior of as many rows, drawn with replacement, which fill each other in anew."""
        drawn = self.table[rng.integers(len(self.table), size=len(self.table))]
        return TablePrior.of(drawn, self.activation, self.refinements)

    def without(self, rows: Bool[np.ndarray, " m"]) -> "TablePrior":
        """The same of the other rows, of all where there are no others; none is filled anew."""
        which = np.flatnonzero(rows)
        table, filled = without(self.table, which), without(self.filled, which)
        return dataclasses.replace(self, table=table, filled=filled)


def _fill(table: Table, activation, refinements: int) -> Table:
    network = Network(1, activation, _FILLING_IDENTITY, "oriented")
    everything = np.arange(table.shape[1])
    filled = table
    for _ in range(refinements):
        completed = table.copy()
        for rows in folds_of(len(table), _INNER_FOLDS):
            its = without(table, rows), without(filled, rows)
            others = TablePrior(*its, activation, refinements)
            kernel = others.kernel(network, everything)
            completed[rows] = kernel.complete(table[rows], _FILLING_RIDGE).completed
        filled = completed
    return filled


def _blocks(table: Table) -> list[Int[np.ndarray, " c"]]:
    count = -(-table.shape[1] // FEW_COLUMNS)
    order = column_order(table)
    return [np.sort(order[start::count]) for start in range(count)]


def row_order(table: Table) -> Int[np.ndarray, " m"]:
    """An order of the rows that is the same however they, or the columns, were ordered.

    By their sum of squares, so that folds of every tenth row are alike, too.
    """
    return np.argsort(np.nansum(np.square(table), axis=1), kind="stable")


def column_order(table: Table) -> Int[np.ndarray, " n"]:
    """The same of the columns, whatever their sign."""
    return np.argsort(np.nansum(np.abs(table) ** 3, axis=0), kind="stable")
