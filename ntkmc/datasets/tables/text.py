"""Tables in text files: .csv and .tsv."""

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from ntkmc.datasets.tables.cells import read_cells
from ntkmc.datasets.tables.column import Column, check_names
from ntkmc.datasets.tables.delimited import Dialect, Sheet, read_sheet
from ntkmc.datasets.tables.numerals import Numerals
from ntkmc.datasets.tables.table import Table, is_numbered

SEPARATORS = {".csv": ",", ".tsv": "\t"}
_LARGEST = np.iinfo(np.int64)


@dataclass(frozen=True)
class TextTable(Table):
    """A table whose cells are text, each written back as it was.

    Attributes
    ----------
    sheet : the cells.
    places : the position of each column of data among the cells of a row.
    numerals : how each column of data spells its numbers.
    suffix : of the file.
    """

    sheet: Sheet
    places: Mapping[str, int]
    numerals: Mapping[str, Numerals]
    suffix: str

    @property
    def frame(self) -> pd.DataFrame:
        """The columns of data; whole numbers that 64 bits cannot hold are left as text."""
        typed = {name: self._typed(column) for name, column in self.columns.items()}
        return pd.DataFrame(typed).set_axis(self.labels)

    def filled(self, values: Mapping[str, np.ndarray]) -> "TextTable":
        """See `Table.filled`; numbers are spelled as the column spells its own."""
        rows = [list(row) for row in self.sheet.rows]
        columns = dict(self.columns)
        for name, found in values.items():
            column, place, numerals = self.columns[name], self.places[name], self.numerals[name]
            # As it is spelled first, where it is there: a category always is.
            pairs = zip(column.values.tolist(), self.cells(name), strict=True)
            spelled = dict(reversed(list(pairs)))
            completed = column.values.copy()
            for row in np.flatnonzero(column.missing):
                cell = spelled.get(found[row]) or numerals.spell(float(found[row]))
                rows[row][place] = cell
                completed[row] = (
                    numerals.parse([cell])[0] if column.kind == "numbers" else found[row]
                )
            columns[name] = dataclasses.replace(
                column, values=completed, missing=np.zeros_like(column.missing)
            )
        sheet = dataclasses.replace(self.sheet, rows=rows)
        return dataclasses.replace(self, columns=columns, sheet=sheet)

    def cells(self, name: str) -> Sequence[str]:
        """(m,), the text of a column."""
        place = self.places[name]
        return [row[place] for row in self.sheet.rows]

    def _typed(self, column: Column) -> pd.Series:
        cells, absent = self.cells(column.name), column.missing
        if column.is_text:
            return pd.Series([None if no else cell for cell, no in zip(cells, absent, strict=True)])
        if column.kind == "truth":
            return pd.Series(column.values, dtype="boolean" if absent.any() else bool)
        if not column.whole:
            return pd.Series(column.values)
        observed = [cells[row] for row in np.flatnonzero(~absent).tolist()]
        known = self.numerals[column.name].parse_whole(observed)
        if min(known) < _LARGEST.min or max(known) > _LARGEST.max:
            return pd.Series([None if no else cell for cell, no in zip(cells, absent, strict=True)])
        whole = np.zeros(len(cells), np.int64)
        whole[~absent] = known
        return pd.Series(pd.arrays.IntegerArray(whole, absent) if absent.any() else whole)


def read(path: Path, sep: str | None, decimal: str, na: Sequence[str]) -> TextTable:
    """A table from a text file; see ``read_table``."""
    sheet = read_sheet(path, sep)
    names = [""] * sheet.unnamed + [name.strip() for name in sheet.header]
    check_names([name for name in names if name])
    cells = list(zip(*sheet.rows, strict=True)) or [()] * len(names)

    def place(row: int) -> str:
        return f"row {row + 1} (line {sheet.lines[row]})"

    labelling = _nameless(names, cells)
    columns, numerals, places = {}, {}, {}
    for position in range(labelling, len(names)):
        # As pandas names them.
        name = names[position] or f"Unnamed: {position}"
        columns[name], numerals[name] = read_cells(name, cells[position], place, decimal, na)
        places[name] = position
    labels: pd.Index = pd.RangeIndex(len(sheet.rows))
    if labelling == 1:
        labels = pd.Index(_labels(cells[0]))
    elif labelling:
        labels = pd.MultiIndex.from_arrays([_labels(level) for level in cells[:labelling]])
    elif columns:
        first = next(iter(columns))
        if len(labels) and columns[first].labels_rows():
            labels = pd.Index(_labels(cells[0]), name=names[0] or None)
            del columns[first]
    return TextTable(columns, labels, sheet, places, numerals, path.suffix.lower())


def write(path: Path, table: Table) -> None:
    """Write a table to a text file; its own cells where it is from one."""
    suffix = path.suffix.lower()
    if not isinstance(table, TextTable):
        index = not is_numbered(table.labels)
        table.frame.to_csv(path, sep=SEPARATORS[suffix], index=index, lineterminator="\n")
        return
    dialect = table.sheet.dialect
    if suffix != table.suffix:
        dialect = Dialect(SEPARATORS[suffix], dialect.encoding, dialect.line_end)
    dialect.write(path, [table.sheet.header, *table.sheet.rows])


def _nameless(names: Sequence[str], cells: Sequence[Sequence[str]]) -> int:
    """How many columns come first that have no name, and a value in each row."""
    count = 0
    while count < len(names) and not names[count] and all(cell.strip() for cell in cells[count]):
        count += 1
    return count


def _labels(cells: Sequence[str]) -> list:
    """Row labels: whole numbers where all are spelled as those are, text as it stands."""
    whole = all(cell.lstrip("-").isascii() and cell.lstrip("-").isdigit() for cell in cells)
    if whole and all(str(int(cell)) == cell and len(cell) < 19 for cell in cells):
        return [int(cell) for cell in cells]
    return list(cells)
