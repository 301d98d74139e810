"""Which network and ridge a table is completed with along its rows: by honest leave-one-out."""

from collections.abc import Callable, Sequence

import numpy as np
from jaxtyping import Bool, Int

from ntkmc.completion.models import AlongRows, fit_along_rows, left_out, root_mean_square
from ntkmc.completion.priors import Network
from ntkmc.completion.table_prior import FEW_COLUMNS, Folds, Prior, Table, column_order
from ntkmc.solvers import minimise_over_ridges

# With more rows, what a row knows of itself is little, and what its fold's kernel lacks is more.
_FEW_ROWS = 200
# More entries than of so many rows make choices no better, only slower.
_CHOOSING_ROWS = 300
_RIDGE_TRIES = 14


def fit(
    table: Table,
    counted: Bool[np.ndarray, " n"],
    owner: Int[np.ndarray, " n"],
    networks: Sequence[Network],
    ridge: float | str,
    prior: Prior,
    fold_priors: Sequence[Prior],
    folds: Folds,
    step: Callable[[], None],
) -> AlongRows:
    """The network with the least leave-one-out error, fitted, with the best ridge for it.

    Choices are made by the entries of 300 rows and 500 columns, where there are more.

    Parameters
    ----------
    table : (m, n), standardised, NaN where missing, its rows in the order of `row_order`.
    counted : (n,), columns whose errors count.
    owner : (n,), columns with the same owner are left out together.
    networks : to choose from.
    ridge : relative, or "loo".
    prior : of the columns.
    fold_priors : without what the rows of each fold say.
    folds : positions of rows.
    step : called for each network and ridge.

    Raises
    ------
    SingularKernelError : a larger ridge is needed, whatever the network.
    """
    columns = _choosing_columns(table)
    every = -(-len(table) // _CHOOSING_ROWS)
    part, part_folds = table[:, columns], [rows[::every] for rows in folds]
    tried = []
    for network in networks:
        kernels = [one.kernel(network, columns) for one in fold_priors]

        def error(ridge: float, kernels=kernels) -> float:
            step()
            apart = part - left_out(kernels, part_folds, part, ridge, owner[columns])
            return root_mean_square(apart, counted[columns])

        best = minimise_over_ridges(error) if ridge == "loo" else float(ridge)
        tried.append((error(best), best, network))
    _, best, network = min(tried, key=lambda one: one[0])
    everything = np.arange(table.shape[1])
    kernels = [one.kernel(network, everything) for one in fold_priors]
    keep = len(folds) > 1 and len(table) <= _FEW_ROWS
    return fit_along_rows(network, prior, kernels, folds, table, best, owner, keep)


def steps(networks: Sequence[Network], ridge: float | str) -> int:
    """How many times `fit` calls its `step`, or so."""
    return len(networks) * (_RIDGE_TRIES if ridge == "loo" else 1)


def _choosing_columns(table: Table) -> Int[np.ndarray, " c"]:
    """So many columns, whatever their order and their signs, in the order that they have."""
    count = table.shape[1]
    chosen = np.linspace(0, count - 1, min(count, FEW_COLUMNS)).astype(int)
    return np.sort(column_order(table)[chosen])
