"""``ntkmc complete``: one table file in, one out, and what was imputed beside it."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from ntkmc import plots
from ntkmc.baselines import TABLE_BASELINES
from ntkmc.cli.console import Progress, progress_bars, say
from ntkmc.completion import NTKImputer
from ntkmc.datasets import Table, read_table, write_table
from ntkmc.datasets.tables import SUFFIXES
from ntkmc.experiments.held_out import LEVELS, Method, hide_entries, score, without_std
from ntkmc.memory import peak_bytes, readable
from ntkmc.report import Report

_HIDDEN_SHARE = 0.1
# IterativeImputer fits a regression on all other columns for each column, ten times over.
_ITERATIVE_COLUMNS = 200


def complete(path: Path, out: Path, categorical: Sequence[str], report: bool, force: bool) -> None:
    """Fill in the missing entries of the table at ``path`` and write it to ``out``."""
    listing, page = out.with_suffix(".imputed.csv"), out.with_suffix(".html")
    if out.suffix.lower() not in SUFFIXES:
        raise ValueError(f"--out was {out}; pass a file that ends in {', '.join(SUFFIXES)}")
    for target in [out, listing, page] if report else [out, listing]:
        if target.exists() and not force:
            raise FileExistsError(f"{target} exists; pass --force to replace it")
    table = read_table(path)
    columns = _columns(table, path, categorical)
    _check_out(table, columns, out, categorical)
    frame = table.frame[columns]
    imputer = NTKImputer(categorical=list(categorical))
    with progress_bars() as progress:
        progress("fit", 0, None)
        imputer.fit(frame)
        progress("fill in", 0, None)
        filled, std = imputer.transform(frame, return_std=True)
        numbers = [name for name in columns if name not in categorical]
        html = _page(path.name, table, frame[numbers], imputer, progress) if report else ""
    missing = frame.isna()
    completed = table.frame.copy()
    for name in columns:
        if missing[name].any():
            completed[name] = filled[name]
    out.parent.mkdir(parents=True, exist_ok=True)
    write_table(out, completed, table.index)
    _listing(filled, std, missing).to_csv(listing, index=False)
    say(
        f"{out}: {int(missing.to_numpy().sum()):,} of {missing.size:,} entries filled in, "
        f"leave-one-out error {imputer.left_out_error_:.3f} standard deviations"
    )
    say(f"imputed: {listing}")
    if report:
        page.write_text(html, encoding="utf-8")
        say(f"report: {page}")


def _columns(table: Table, path: Path, categorical: Sequence[str]) -> list[str]:
    """The columns to be completed, in their order."""
    unknown = [name for name in categorical if name not in table.frame.columns]
    if unknown:
        known = ", ".join(map(str, table.frame.columns))
        raise ValueError(f"--categorical names {unknown[0]!r}; the table's columns are {known}")
    columns = [c for c in table.frame.columns if c not in table.text or c in categorical]
    if not columns:
        raise ValueError(
            f"{path} has no column of numbers, only text ({', '.join(table.text)}); name columns "
            "of categories with --categorical"
        )
    if not table.frame[columns].isna().any(axis=None):
        raise ValueError(f"{path} has no missing entry in the {len(columns)} columns of numbers")
    return columns


def _check_out(table: Table, columns: list[str], out: Path, categorical: Sequence[str]) -> None:
    if out.suffix.lower() == ".npz" and (len(columns) < table.frame.shape[1] or categorical):
        raise ValueError(
            f"--out was {out}, which holds numbers alone; pass a .csv or .parquet file"
        )


def _listing(filled: pd.DataFrame, std: pd.DataFrame, missing: pd.DataFrame) -> pd.DataFrame:
    """A row for each imputed entry: where, what, and how far it may be off."""
    rows, columns = np.nonzero(missing.to_numpy())
    return pd.DataFrame(
        {
            "row": filled.index[rows],
            "column": filled.columns[columns],
            "value": [filled.iat[i, j] for i, j in zip(rows, columns, strict=True)],
            "std": std.to_numpy()[rows, columns],
        }
    )


def _page(
    name: str, table: Table, numbers: pd.DataFrame, imputer: NTKImputer, progress: Progress
) -> str:
    values = numbers.to_numpy(np.float64)
    page = Report(f"Completing {name}", "Filled in by an infinitely wide network.")
    figures = [("Missing, black.", plots.missingness_map(table.frame.isna().to_numpy()))]
    hidden = hide_entries(values, _HIDDEN_SHARE, seed=0)
    rows: list[tuple[str, ...]] = []
    if hidden.any():
        scores = score(values, hidden, _methods(values.shape[1]), progress)
        for method, one in scores.items():
            at = "" if one.coverage is None else f"{one.coverage[LEVELS == 0.9].item():.1%}"
            rows.append((method, f"{one.standardised:.3f}", at, f"{one.seconds:.1f}"))
        coverage = scores["NTK"].coverage
        assert coverage is not None
        caption = "How many hidden entries the intervals hold."
        figures.append((caption, plots.reliability_curves(LEVELS, {"NTK": coverage[None]})))
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
    page.facts(
        {
            "rows": f"{len(table.frame):,}",
            "columns": f"{table.frame.shape[1]:,}, of them text and left as they are: "
            f"{', '.join(table.text) or 'none'}",
            "row labels": table.index or "none",
            "missing": f"{table.frame.isna().to_numpy().mean():.1%}",
            "network": f"{imputer.depth_} hidden layer(s), {imputer.activation}",
            "leave-one-out error": f"{imputer.left_out_error_:.3f} standard deviations",
            "peak memory": readable(peak_bytes()),
        }
    )
    return page.html()


def _methods(columns: int) -> dict[str, Method]:
    def ntk(values):
        return NTKImputer().fit(values).transform(values, return_std=True)

    baselines = {
        name: without_std(fill)
        for name, fill in TABLE_BASELINES.items()
        if name != "iterative" or columns <= _ITERATIVE_COLUMNS
    }
    return {"NTK": ntk, **baselines}
