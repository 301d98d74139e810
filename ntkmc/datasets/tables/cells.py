"""What a column of a text file is, from its cells."""

import re
from collections.abc import Callable, Sequence

import numpy as np

from ntkmc.datasets.tables.column import Column, Kind, empty_column
from ntkmc.datasets.tables.numerals import Numerals, read_numerals

# What programs write for a missing number. In a column of text these are text.
MARKS = {"na", "n/a", "#n/a", "#na", "<na>", "#n/a n/a", "nan", "-nan", "null", "none"}
MARKS |= {"1.#ind", "-1.#ind", "1.#qnan", "-1.#qnan"}
_TRUTH = {"true": True, "false": False}
_DATE = re.compile(
    r"\d{4}-\d{2}|\d{4}([-/.])\d{1,2}\1\d{1,2}([T ]\d.*)?"
    r"|\d{1,2}([-/.])\d{1,2}\3(\d{4}|\d{2})(\s\d.*)?"
)


def read_cells(
    name: str,
    cells: Sequence[str],
    place: Callable[[int], str],
    decimal: str = ".",
    na: Sequence[str] = (),
) -> tuple[Column, Numerals]:
    """A column of text cells, and how it spells its numbers if it holds numbers.

    Parameters
    ----------
    name : of the column.
    cells : (m,), as they stand in the file.
    place : where a cell is, given its position: for messages.
    decimal : the decimal mark.
    na : cells that mark what is missing, besides empty ones.
    """
    marked = {"", *(mark.strip() for mark in na)}
    stripped = [cell.strip() for cell in cells]
    blank = np.array([cell in marked for cell in stripped], bool)
    missing = blank | np.array([cell.lower() in MARKS for cell in stripped], bool)
    rows = np.flatnonzero(~missing)
    observed = [stripped[row] for row in rows.tolist()]
    if not observed:
        return empty_column(name, len(cells)), Numerals()
    if all(cell.lower() in _TRUTH for cell in observed):
        values = np.full(len(cells), None, object)
        values[rows] = [_TRUTH[cell.lower()] for cell in observed]
        return Column(name, "truth", values, missing, why="truth values"), Numerals()
    numerals, odd = read_numerals(observed, decimal)
    if not odd:
        values = np.full(len(cells), np.nan)
        values[rows] = numerals.parse(observed)
        note = _grouped(numerals, observed)
        return Column(name, "numbers", values, missing, numerals.whole, note=note), numerals
    values = np.array(stripped, object)
    values[blank] = None
    kind, why = _reason(observed, odd, lambda position: place(int(rows[position])), numerals)
    return Column(name, kind, values, blank, why=why), numerals


def _reason(observed, odd, place, numerals: Numerals) -> tuple[Kind, str]:
    """Of which kind a column is that does not hold numbers, and why."""
    if all(_DATE.fullmatch(cell) for cell in observed):
        return "dates", "dates"
    other = "," if numerals.decimal == "." else "."
    otherwise, misfits = read_numerals(observed, other)
    if not misfits and not otherwise.whole:
        cell = observed[odd[0]]
        return "mixed", f"{cell!r} in {place(odd[0])}; pass --decimal {other} if that is a number"
    if 2 * len(odd) > len(observed):
        return "text", "text"
    cell, more = observed[odd[0]], len({observed[position] for position in odd}) - 1
    others = f" and {more} other cell{'s' if more > 1 else ''}" if more else ""
    numbers = f"numbers{' with %' if numerals.percent else ''}"
    word = read_numerals([cell], numerals.decimal)[1]
    hint = f"; pass --na {cell!r} if that is a gap" if word else ""
    return "mixed", f"{numbers} but for {cell!r} in {place(odd[0])}{others}{hint}"


def _grouped(numerals: Numerals, observed: Sequence[str]) -> str:
    """What to say of commas between thousands, which may be decimal marks."""
    if numerals.group != "," or not numerals.whole or any(cell.count(",") > 1 for cell in observed):
        return ""
    cell = next(cell for cell in observed if "," in cell)
    return (
        f"{cell!r} as {numerals.parse_whole([cell])[0]}; pass --decimal , if that is a decimal mark"
    )
