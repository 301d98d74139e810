"""From an imputer's settings and a standardised table to a fitted model."""

import dataclasses
from typing import Any

import numpy as np
from jaxtyping import Bool, Int

from ntkmc.completion import alternating, chained_fit, fitting
from ntkmc.completion.models import (
    AlongColumns,
    AlongRows,
    Model,
    fit_along_columns,
    fit_both,
    root_mean_square,
)
from ntkmc.completion.priors import PARITIES, Gram, Network
from ntkmc.completion.spacing import evenly_spaced
from ntkmc.completion.table_prior import (
    GivenPrior,
    Prior,
    Table,
    TablePrior,
    folds_of,
    row_order,
    without,
)
from ntkmc.progress import Progress

_DEPTHS = (1, 2, 3)
_IDENTITIES = (0.0, 0.1, 0.3, 1.0)
_FOLDS = 10
# With fewer rows there is little to learn from them; with more features, what the columns share
# is all there is, and a regression for each takes long.
_CHAINED_ROWS = 40
_ROWS_A_FEATURE = 4
_CHAINED_FEATURES = 100
# With more than this observed, or fewer rows or columns, a row's own entries say enough of it; with
# more columns it takes long.
_SPARSE = 0.25
_LEAST_SIDE = 50
_ALTERNATING_COLUMNS = 2000


@dataclasses.dataclass
class _Steps:
    """Says how far it is."""

    progress: Progress | None
    total: int
    stage: str = "fit"
    done: int = 0

    def __call__(self) -> None:
        self.done = min(self.done + 1, self.total)
        if self.progress:
            self.progress(self.stage, self.done, self.total)


@dataclasses.dataclass(frozen=True)
class Learner:
    """Fits models to a table.

    Attributes
    ----------
    settings : an imputer, whose settings have been checked.
    table : (m, f), standardised, of the columns that have to do with one another.
    owner : (f,), the column that each feature belongs to.
    counted : (f,), features whose errors choose.
    """

    settings: Any
    table: Table
    owner: Int[np.ndarray, " f"]
    counted: Bool[np.ndarray, " f"]

    def fit(
        self, columns: GivenPrior | None, rows: np.ndarray | None
    ) -> tuple[Model | None, Network]:
        """The model, None where there is no column, and its network.

        Parameters
        ----------
        columns : the prior that was given, with a column for each feature.
        rows : of the rows, an embedding or a kernel.
        """
        if not self.table.shape[1]:
            return None, self._networks("odd")[0]
        models: list[AlongRows | AlongColumns] = []
        if self.settings.column_prior is not None:
            models.append(self._along_rows(columns))
        if rows is not None:
            models.append(self._along_columns(rows))
        network = models[0].network
        model: Model = models[0]
        for other in [*models[1:], *self._chained(), *self._alternating()]:
            model = fit_both(model, other, self.table)
        return model, network

    def _chained(self) -> list[Model]:
        """The chained regression, where there is one."""
        if not self._is_chained():
            return []
        rows = self._spaced_rows(self.settings.chained_rows)
        # By the same rows as the regression along rows, which it is weighed against.
        judging = np.flatnonzero(np.isin(rows, self._spaced_rows(self.settings.prior_rows)))
        progress = self.settings.progress
        step = _Steps(progress, chained_fit.ROUNDS * len(self.owner), stage="chain")
        chained = chained_fit.fit_chained(self.table[rows], self.owner, judging, step)
        return [_spread(chained, rows, self.table.shape)]

    def _alternating(self) -> list[Model]:
        """The regression in turn, where there is one."""
        if not self._is_alternating():
            return []
        rows = self._spaced_rows(self.settings.prior_rows)
        step = _Steps(self.settings.progress, 2 * alternating.ROUNDS, stage="in turn")
        model = alternating.fit_alternating(self.table[rows], self.owner, step)
        return [_spread(model, rows, self.table.shape)]

    def _is_chained(self) -> bool:
        several = len(np.unique(self.owner)) > 1
        if self.settings.chained != "auto":
            return bool(self.settings.chained) and several
        count = len(self.owner)
        return (
            several
            and self._learns_from_table()
            and len(self.table) >= max(_CHAINED_ROWS, _ROWS_A_FEATURE * count)
            and count <= _CHAINED_FEATURES
        )

    def _is_alternating(self) -> bool:
        several = len(np.unique(self.owner)) > 1
        if self.settings.alternating != "auto":
            return bool(self.settings.alternating) and several
        return (
            several
            and self._learns_from_table()
            and min(self.table.shape) >= _LEAST_SIDE
            and self.table.shape[1] <= _ALTERNATING_COLUMNS
            and float(np.isfinite(self.table).mean()) <= _SPARSE
        )

    def _learns_from_table(self) -> bool:
        prior = self.settings.column_prior
        return isinstance(prior, str) and prior == "table" and self.settings.row_prior is None

    def _spaced_rows(self, most):
        """So many rows; fewer are some of the more, so that there are some that all learn from."""
        largest = max(self.settings.prior_rows, self.settings.chained_rows)
        return evenly_spaced(evenly_spaced(row_order(self.table), largest), most)

    def _along_rows(self, given: GivenPrior | None) -> AlongRows:
        settings, rows = self.settings, self._spaced_rows(self.settings.prior_rows)
        table = self.table[rows]
        networks = self._networks(settings.parity if given is None else "odd")
        # Whoever's rows are left out, a given prior is the same.
        folds = folds_of(len(rows), _FOLDS if given is None else 1)
        total = len(folds) + 1 + fitting.steps(networks, settings.ridge)
        step = _Steps(settings.progress, total)

        def from_table(table: Table) -> Prior:
            step()
            return TablePrior.of(table, settings.activation, settings.n_refinements)

        prior: Prior = given or from_table(table)
        others = [given or from_table(without(table, fold)) for fold in folds]
        model = fitting.fit(
            table, self.counted, self.owner, networks, settings.ridge, prior, others, folds, step
        )
        return _spread(model, rows, self.table.shape)

    def _along_columns(self, matrix) -> AlongColumns:
        prior, models = self.settings.row_prior, []
        for network in self._networks("odd"):
            gram = isinstance(prior, Gram)
            kernel = matrix if gram else network.kernel(matrix)
            embedding = None if gram or isinstance(prior, str) else matrix
            args = kernel, self.table, self.settings.ridge, embedding
            models.append(fit_along_columns(network, *args))
        errors = [root_mean_square(self.table - one.left_out, self.counted) for one in models]
        return models[int(np.argmin(errors))]

    def _networks(self, parity) -> list[Network]:
        settings = self.settings
        depths = _DEPTHS if settings.depth == "loo" else (int(settings.depth),)
        known = settings.identity_weight
        return [
            Network(depth, settings.activation, weight, one)
            for depth in depths
            for weight in (_IDENTITIES if known == "loo" else (float(known),))
            for one in (PARITIES if parity == "loo" else (parity,))
        ]


def _spread(model, rows, shape):
    """The same, for a table of which the one that it was fitted to is these rows."""
    left_out, std = np.full(shape, np.nan), np.full(shape, np.nan)
    left_out[rows], std[rows] = model.left_out, model.left_out_std
    return dataclasses.replace(model, left_out=left_out, left_out_std=std)
