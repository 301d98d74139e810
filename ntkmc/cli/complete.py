"""``ntkmc complete``: one table file in, one out, and what was imputed beside it."""

import dataclasses
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from ntkmc.cli.complete_page import page_of
from ntkmc.cli.console import progress_bars, say, warn
from ntkmc.completion import NTKImputer
from ntkmc.completion.reading import are_names
from ntkmc.datasets import Table, read_table, write_table
from ntkmc.datasets.tables import SUFFIXES, Column, check_target
from ntkmc.datasets.tables.cells import MARKS

_NAMED = 8  # columns in a line of the answer


def complete(
    path: Path,
    out: Path,
    categorical: Sequence[str],
    chained: bool | None,
    report: bool,
    force: bool,
    sep: str | None,
    decimal: str,
    na: Sequence[str],
) -> None:
    """Fill in the missing entries of the table at ``path`` and write it to ``out``.

    ``sep``, ``decimal`` and ``na`` are those of ``ntkmc.datasets.read_table``; ``chained`` is that
    of the imputer, "auto" where it is None.
    """
    listing, page = out.with_suffix(".imputed.csv"), out.with_suffix(".html")
    if out.suffix.lower() not in SUFFIXES:
        raise ValueError(f"--out was {out}; pass a file that ends in {', '.join(SUFFIXES)}")
    _check_targets([out, listing, page] if report else [out, listing], force)
    table = read_table(path, sep=sep, decimal=decimal, na=na)
    chosen = _choose(table, path, categorical)
    check_target(out, table)
    with progress_bars() as progress:
        categories = list(chosen.categories)
        imputer = NTKImputer(
            chained="auto" if chained is None else chained,
            categorical=categories,
            progress=progress,
        )
        imputer.fit(chosen.frame)
        progress("fill in", 0, None)
        filled, std = imputer.transform(chosen.frame, return_std=True)
        html = ""
        if report:
            html = page_of(path.name, table, chosen.left, chosen.frame, std, imputer, progress)
    completed = table.filled(chosen.values(filled))
    out.parent.mkdir(parents=True, exist_ok=True)
    write_table(out, completed)
    _listing(completed, chosen, std).to_csv(listing, index=False)
    for line in _answer(out, table, chosen, imputer.left_out_error_):
        say(line)
    say(f"imputed: {listing}")
    if report:
        page.write_text(html, encoding="utf-8")
        say(f"report: {page}")


@dataclass(frozen=True)
class _Chosen:
    """What is completed of a table.

    Attributes
    ----------
    columns : those that are completed, in their order.
    frame : what the imputer reads: numbers, and codes of categories; NaN where missing.
    categories : what the codes stand for, for each column that is filled with categories.
    left : the columns that are left as they are.
    """

    columns: Mapping[str, Column]
    frame: pd.DataFrame
    categories: Mapping[str, list]
    left: Sequence[Column]

    def values(self, filled: pd.DataFrame) -> dict[str, np.ndarray]:
        """What the imputer filled in, for each column that had gaps."""
        values = {}
        for name, column in self.columns.items():
            if column.missing.any():
                values[name] = filled[name].to_numpy()
            if name in values and name in self.categories:
                known = np.fromiter(self.categories[name], object, len(self.categories[name]))
                values[name] = known[values[name].astype(int)]
        return values


def _check_targets(targets: Sequence[Path], force: bool) -> None:
    for target in targets:
        if target.is_dir():
            raise IsADirectoryError(f"{target} is a folder; pass a file")
        if target.exists() and not force:
            raise FileExistsError(f"{target} exists; pass --force to replace it")
    folder = next(parent for parent in targets[0].absolute().parents if parent.exists())
    if not folder.is_dir() or not os.access(folder, os.W_OK):
        raise PermissionError(f"--out was {targets[0]}; nothing can be written in {folder}")


def _choose(table: Table, path: Path, categorical: Sequence[str]) -> _Chosen:
    for name in categorical:
        if name not in table.columns:
            known = ", ".join(table.columns)
            raise ValueError(f"--categorical names {name!r}; the table's columns are {known}")
        if table.columns[name].kind in ("empty", "other"):
            raise ValueError(
                f"--categorical names {name!r}, which is of no categories "
                f"({table.columns[name].why}); leave it out"
            )
    columns: dict[str, Column] = {}
    left: list[Column] = []
    for name, column in table.columns.items():
        why = "" if name in categorical or column.kind == "truth" else _why_left(column)
        if why:
            left.append(dataclasses.replace(column, why=why))
        else:
            columns[name] = column
    reasons = "; ".join(f"{why} ({', '.join(names)})" for why, names in _reasons(left).items())
    if all(column.kind == "empty" for column in left) and not columns:
        raise ValueError(f"{path} has no observed value at all")
    if not columns:
        raise ValueError(
            f"{path} has no column of numbers or categories, only {reasons}; name columns of "
            "categories with --categorical"
        )
    if not any(column.missing.any() for column in columns.values()):
        others = f"; the others are left as they are: {reasons}" if left else ""
        raise ValueError(
            f"{path} has no missing entry in the {len(columns)} columns of numbers and categories"
            f"{others}"
        )
    coded = {n: c.coded() for n, c in columns.items() if c.kind != "numbers" or n in categorical}
    for name, column in columns.items():
        if name not in coded:
            _check_finite(table, column)
        elif column.kind != "truth":
            _warn_of_marks(column, coded[name][1])
    frame = pd.DataFrame(
        {n: coded[n][0] if n in coded else column.numbers for n, column in columns.items()}
    )
    return _Chosen(columns, frame, {name: known for name, (_, known) in coded.items()}, left)


def _why_left(column: Column) -> str:
    """Why a column is left as it is unless it is said to be one of categories; else nothing."""
    if column.kind != "text":
        return column.why
    observed = column.values[~column.missing].tolist()
    kinds = len(set(observed))
    if kinds < 2:
        return "text, always the same"
    return "names" if kinds == len(observed) or are_names(kinds, len(observed)) else ""


def _check_finite(table: Table, column: Column) -> None:
    infinite = np.flatnonzero(np.isinf(column.numbers))
    if len(infinite):
        row = int(infinite[0])
        raise ValueError(
            f"column {column.name!r} contains infinity ({table.cells(column.name)[row]!r} in row "
            f"{row + 1}); leave the cell empty if it is missing"
        )


def _warn_of_marks(column: Column, categories: Sequence) -> None:
    for category in categories:
        if str(category).lower() in MARKS:
            warn(
                f"{category!r} in column {column.name!r} is taken for a category; "
                f"pass --na {category} if it marks what is missing"
            )


def _reasons(columns: Sequence[Column]) -> dict[str, list[str]]:
    """Names of the columns that are left, by why."""
    reasons: dict[str, list[str]] = {}
    for column in columns:
        reasons.setdefault(column.why, []).append(column.name)
    return reasons


def _answer(out: Path, table: Table, chosen: _Chosen, error: float) -> list[str]:
    """What is said of a table that was completed."""
    counts = {name: int(column.missing.sum()) for name, column in chosen.columns.items()}
    left = len(chosen.left)
    as_before = f", {left} column{'s' if left > 1 else ''} left as before" if left else ""
    lines = [
        f"{out}: {sum(counts.values()):,} of {chosen.frame.size:,} entries filled in, "
        f"leave-one-out error {error:.3f} standard deviations{as_before}",
        "filled in: " + _named([f"{name} ({n:,})" for name, n in counts.items() if n]),
    ]
    lines += [
        f"read: {column.name}, {column.note}" for column in chosen.columns.values() if column.note
    ]
    for why, names in _reasons(chosen.left).items():
        line = f"left as {'they are' if len(names) > 1 else 'it is'}: {_named(names)} ({why})"
        gaps = [name for name in names if table.columns[name].missing.any()]
        if gaps and table.columns[gaps[0]].kind == "text":
            line += f"; pass --categorical {gaps[0]} to fill in its gaps all the same"
        lines.append(line)
    return lines


def _named(names: Sequence[str]) -> str:
    more = len(names) - _NAMED
    return ", ".join(names[:_NAMED]) + (f" and {more:,} more" if more > 0 else "")


def _listing(completed: Table, chosen: _Chosen, std: pd.DataFrame) -> pd.DataFrame:
    """A row for each imputed entry: where, what, and how far it may be off."""
    missing = np.stack([column.missing for column in chosen.columns.values()], axis=1)
    rows, columns = np.nonzero(missing)
    names = list(chosen.columns)
    cells = {name: completed.cells(name) for name in names if chosen.columns[name].missing.any()}
    levels = completed.labels.nlevels
    label = "row" if levels == 1 else [f"row {n + 1}" for n in range(levels)]
    labels = completed.labels.to_frame(index=False, name=label)
    return labels.iloc[rows].assign(
        column=[names[j] for j in columns],
        value=[cells[names[j]][i] for i, j in zip(rows.tolist(), columns, strict=True)],
        std=std.to_numpy()[rows, columns],
    )
