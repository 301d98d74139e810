"""A prior made from the table that is to be completed."""

import dataclasses

import numpy as np
from jaxtyping import Float

from ntkmc.completion.models import Folds, Table
from ntkmc.completion.priors import Network
from ntkmc.solvers import complete_rows


@dataclasses.dataclass(frozen=True)
class TablePrior:
    """Kernels between the columns of a table, embedded by their own imputed values.

    Attributes
    ----------
    kernel : (n, n), of all rows.
    fold_kernels : (n, n) each, of all rows but those of the fold.
    """

    kernel: Float[np.ndarray, "n n"]
    fold_kernels: list[Float[np.ndarray, "n n"]]


def folds_of(rows: int, count: int) -> Folds:
    """Every `count`-th row, from each of the first `count` ones; at most one fold a row."""
    count = min(count, rows)
    return [np.arange(start, rows, count) for start in range(count)]


def table_prior(
    table: Table, folds: Folds, network: Network, ridge: float, refinements: int
) -> TablePrior:
    """Embed the columns by the table, filled with zeros at first and then with its completions.

    Each refinement completes every fold with the kernel of the other folds' rows.

    Parameters
    ----------
    table : (m, n), standardised, NaN where missing.
    folds : positions of rows.
    network : whose kernel is taken.
    ridge : of the completions, relative.
    refinements : how many times the embedding is completed anew.
    """
    filled = np.where(np.isnan(table), 0.0, table)
    empty = np.isnan(table).all(axis=0)
    for _ in range(refinements):
        kernels = _fold_kernels(filled, empty, folds, network)
        filled = filled.copy()
        for kernel, rows in zip(kernels, folds, strict=True):
            filled[rows] = complete_rows(kernel, table[rows], ridge=ridge).completed
    kernels = _fold_kernels(filled, empty, folds, network)
    return TablePrior(network.kernel(_embedding(filled, empty)), kernels)


def _fold_kernels(filled, empty, folds, network):
    if len(folds) < 2:  # a single row: there are no others
        return [network.kernel(_embedding(filled, empty)) for _ in folds]
    return [network.kernel(_embedding(np.delete(filled, rows, axis=0), empty)) for rows in folds]


def _embedding(filled, empty):
    """A column without values is embedded as the mean of those with."""
    if not empty.any() or empty.all():
        return filled
    return np.where(empty, filled[:, ~empty].mean(axis=1, keepdims=True), filled)
