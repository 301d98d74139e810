"""The page about a completed table."""

import warnings
from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from ntkmc import plots
from ntkmc.baselines import TABLE_BASELINES
from ntkmc.cli.console import Progress
from ntkmc.completion import NTKImputer
from ntkmc.datasets import Table
from ntkmc.datasets.tables import Column
from ntkmc.experiments.held_out import LEVELS, Method, hide_entries, score, without_std
from ntkmc.memory import peak_bytes, readable
from ntkmc.report import Report

_HIDDEN_SHARE = 0.1
# IterativeImputer fits a regression on all other columns for each column, ten times over.
_ITERATIVE_COLUMNS = 200


def page_of(
    name: str,
    table: Table,
    left: Sequence[Column],
    values: Float[np.ndarray, "m n"],
    imputer: NTKImputer,
    progress: Progress,
) -> str:
    """A page with the gaps of a table and the accuracy on its numbers.

    Parameters
    ----------
    name : of the table.
    table : as it was read.
    left : the columns that were left as they are.
    values : the columns of numbers.
    imputer : as it was fitted.
    progress : is told of each method that is tried.
    """
    page = Report(f"Completing {name}", "Filled in by an infinitely wide network.")
    missing = np.stack([column.missing for column in table.columns.values()], axis=1)
    figures = [("Missing, black.", plots.missingness_map(missing, list(table.columns)))]
    hidden = hide_entries(values, _HIDDEN_SHARE, seed=0)
    rows: list[tuple[str, ...]] = []
    if hidden.any():
        scores = score(values, hidden, _methods(values.shape[1], imputer.chained), progress)
        for method, one in scores.items():
            at = "" if one.coverage is None else f"{one.coverage[LEVELS == 0.9].item():.1%}"
            rows.append((method, f"{one.standardised:.3f}", at, f"{one.seconds:.1f}"))
        coverage = scores["NTK"].coverage
        assert coverage is not None
        caption = "How many hidden entries the intervals hold."
        figures.append((caption, plots.reliability_curves(LEVELS, {"NTK": coverage[None]})))
    with warnings.catch_warnings():
        # Names in scripts that the figure's font does not have.
        warnings.filterwarnings("ignore", "Glyph .* missing from")
        page.plots(figures)
    if rows:
        page.heading("Accuracy on this table")
        page.paragraph(
            f"{int(hidden.sum()):,} observed numbers were hidden and filled in; errors are root "
            "mean squares, in standard deviations of their columns."
        )
        if values.shape[1] > _ITERATIVE_COLUMNS:
            page.paragraph(
                f"The iterative imputer is left out, as it takes too long on more than "
                f"{_ITERATIVE_COLUMNS} columns."
            )
        best = min(range(len(rows)), key=lambda row: float(rows[row][1]))
        page.table(("method", "error", "within 90 % intervals", "seconds"), rows, best)
    text = [column.name for column in left if column.is_text]
    empty = [column.name for column in left if not column.is_text]
    page.facts(
        {
            "rows": f"{len(table.labels):,}",
            "columns": f"{len(table.columns):,}, of them text and left as they are: "
            f"{', '.join(text) or 'none'}",
            **({"nothing observed": ", ".join(empty)} if empty else {}),
            "row labels": "none" if table.index is None else table.index or "without a name",
            "missing": f"{missing.mean():.1%}",
            "network": f"{imputer.depth_} hidden layer(s), {imputer.activation}",
            "leave-one-out error": f"{imputer.left_out_error_:.3f} standard deviations",
            "peak memory": readable(peak_bytes()),
        }
    )
    return page.html()


def _methods(columns: int, chained: bool | str) -> dict[str, Method]:
    def ntk(values):
        return NTKImputer(chained=chained).fit(values).transform(values, return_std=True)

    baselines = {
        name: without_std(fill)
        for name, fill in TABLE_BASELINES.items()
        if name != "iterative" or columns <= _ITERATIVE_COLUMNS
    }
    return {"NTK": ntk, **baselines}
