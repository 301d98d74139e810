"""The page about a completed table."""

import warnings
from collections.abc import Sequence

import numpy as np
import pandas as pd

from ntkmc import plots
from ntkmc.baselines import TABLE_BASELINES
from ntkmc.cli.console import Progress
from ntkmc.completion import NTKImputer
from ntkmc.completion.branches import Branches, branches
from ntkmc.datasets import Table
from ntkmc.datasets.tables import Column
from ntkmc.experiments.held_out import LEVELS, Method, hide_entries, score, without_std
from ntkmc.memory import peak_bytes, readable
from ntkmc.report import Report

_HIDDEN_SHARE = 0.1
# IterativeImputer fits a regression on all other columns for each column, ten times over.
_ITERATIVE_COLUMNS = 200
_LISTED = 40  # columns


def page_of(
    name: str,
    table: Table,
    left: Sequence[Column],
    frame: pd.DataFrame,
    std: pd.DataFrame,
    imputer: NTKImputer,
    progress: Progress,
) -> str:
    """A page with the gaps of a table, how they were filled in, and the accuracy on its numbers.

    Parameters
    ----------
    name : of the table.
    table : as it was read.
    left : the columns that were left as they are.
    frame : the other columns, as the imputer read them: numbers, and codes of categories.
    std : the standard deviations of what was filled in, 0 elsewhere.
    imputer : as it was fitted to `frame`.
    progress : is told of each method that is tried.
    """
    page = Report(f"Completing {name}", "Filled in by an infinitely wide network.")
    missing = np.stack([column.missing for column in table.columns.values()], axis=1)
    figures = [("Missing, black.", plots.missingness_map(missing, list(table.columns)))]
    numbers = [k for k in range(frame.shape[1]) if k not in imputer.encoding_.categories]
    values = frame.iloc[:, numbers].to_numpy(np.float64)
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
    _filled_in(page, frame, std, imputer)
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


def _filled_in(page: Report, frame: pd.DataFrame, std: pd.DataFrame, imputer: NTKImputer) -> None:
    """The section about each column that had gaps."""
    gaps = frame.isna()
    counts = gaps.sum()
    with_gaps = [k for k, count in enumerate(counts) if count]
    most = sorted(with_gaps, key=lambda k: -counts.iloc[k])[:_LISTED]
    ways = branches(imputer, frame)
    probabilities = {}
    if any(k in imputer.encoding_.categories for k in most):
        probabilities = imputer.category_probabilities(frame)
    rows = []
    for k in sorted(most):
        name, where = frame.columns[k], gaps.iloc[:, k]
        if name in probabilities:
            sure = f"{probabilities[name][where].max(axis=1).mean():.0%} probable"
        else:
            sure = f"± {std.iloc[:, k][where].mean():.3g}"
        rows.append((name, f"{counts.iloc[k]:,}", *_way(ways[k]), sure))
    page.heading("What was filled in")
    page.paragraph(
        "By regressions, weighted so that the leave-one-out error is least: of a row on what is "
        "observed of it, with a kernel between columns; in narrow tables of a column on all "
        "others, with a kernel between rows; and in sparse tables of rows and columns in turn."
    )
    page.paragraph(
        "Errors are in standard deviations of the column; of categories it is said how many are "
        "wrong. In the last column is the mean standard deviation of what was filled in, in the "
        "units of the column, or the mean probability of the category."
    )
    if len(most) < len(with_gaps):
        page.paragraph(f"Of {len(with_gaps):,} columns these are the {_LISTED} with most gaps.")
    page.table(("column", "filled in", "by kernels between", "left out, off by", "how sure"), rows)


def _way(way: Branches) -> tuple[str, str]:
    """The regressions and their weights, the largest first, and the error."""
    parts = sorted(way.weights.items(), key=lambda part: -part[1])
    if len(parts) > 1:
        by = ", ".join(f"{name} {weight:.0%}" for name, weight in parts)
    else:
        by = parts[0][0] if parts else "none, as it is constant"
    if way.wrong is not None:
        return by, f"{way.wrong:.0%} wrong"
    return by, "" if way.error is None else f"{way.error:.3f}"


def _methods(columns: int, chained: bool | str) -> dict[str, Method]:
    def ntk(values):
        return NTKImputer(chained=chained).fit(values).transform(values, return_std=True)

    baselines = {
        name: without_std(fill)
        for name, fill in TABLE_BASELINES.items()
        if name != "iterative" or columns <= _ITERATIVE_COLUMNS
    }
    return {"NTK": ntk, **baselines}
