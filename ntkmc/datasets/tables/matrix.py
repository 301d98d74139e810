"""Tables in .npz files: one matrix, and names of its rows and columns."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from ntkmc.datasets.tables.column import Column, check_names, empty_column
from ntkmc.datasets.tables.table import Table, is_numbered

_NAMES = ("rows", "columns")


@dataclass(frozen=True)
class MatrixTable(Table):
    """A matrix, in the type that it is stored in.

    Attributes
    ----------
    arrays : all that the file holds.
    matrix : which of them the matrix is.
    """

    arrays: Mapping[str, np.ndarray]
    matrix: str

    @property
    def frame(self) -> pd.DataFrame:
        """The matrix with the names of its rows and columns."""
        return pd.DataFrame(self.arrays[self.matrix], self.labels, list(self.columns))

    def filled(self, values: Mapping[str, np.ndarray]) -> "MatrixTable":
        """See `Table.filled`."""
        matrix = self.arrays[self.matrix].copy()
        for place, (name, column) in enumerate(self.columns.items()):
            if name in values:
                matrix[column.missing, place] = values[name][column.missing]
        return _table({**self.arrays, self.matrix: matrix}, self.matrix)

    def cells(self, name: str) -> Sequence:
        """(m,), the numbers of a column."""
        return self.arrays[self.matrix][:, list(self.columns).index(name)].tolist()


def read(path: Path) -> MatrixTable:
    """A table from a .npz file; see ``read_table``."""
    stored = np.load(path, allow_pickle=False)
    if not isinstance(stored, np.lib.npyio.NpzFile):
        raise ValueError("it holds one array without a name; write it with numpy.savez")
    with stored:
        arrays = {name: stored[name] for name in stored.files}
    others = [name for name in arrays if name not in _NAMES]
    if "table" not in others and len(others) != 1:
        raise ValueError(f"it holds {', '.join(others) or 'nothing'}; name the matrix 'table'")
    name = "table" if "table" in others else others[0]
    matrix = arrays[name]
    if matrix.ndim != 2 or matrix.dtype.kind not in "iufb":
        raise ValueError(f"it holds {matrix.dtype} of shape {matrix.shape}; pass a matrix")
    for axis, names in enumerate(_NAMES):
        if names in arrays and arrays[names].shape != (matrix.shape[axis],):
            raise ValueError(
                f"{names!r} has the shape {arrays[names].shape}; pass one for each of the "
                f"{matrix.shape[axis]} {names} of the matrix"
            )
    return _table(arrays, name)


def check(path: Path, table: Table) -> None:
    """Raise a ValueError that says why the table cannot be written to a .npz file."""
    if table.text:
        raise ValueError(
            f"{path} holds numbers alone, and column {table.text[0]!r} of the table is text; "
            "pass a .csv or .parquet file"
        )


def write(path: Path, table: Table) -> None:
    """Write a table to a .npz file; its own arrays where it is from one."""
    if isinstance(table, MatrixTable):
        np.savez_compressed(path, **table.arrays)  # type: ignore[arg-type]
        return
    arrays = {"table": table.numbers.to_numpy(np.float64)}
    arrays["columns"] = np.array(list(table.columns), str)
    if not is_numbered(table.labels):
        labels = table.labels.to_numpy()
        arrays["rows"] = labels.astype(str) if labels.dtype == object else labels
    np.savez_compressed(path, **arrays)


def _table(arrays: dict[str, np.ndarray], name: str) -> MatrixTable:
    matrix = arrays[name]
    names = [str(column) for column in arrays.get("columns", np.arange(matrix.shape[1]))]
    check_names(names)
    labels = pd.Index(arrays["rows"], name="row") if "rows" in arrays else None
    columns = {}
    for place, column in enumerate(names):
        values = matrix[:, place].astype(np.float64)
        missing = np.isnan(values)
        columns[column] = Column(column, "numbers", values, missing)
        if missing.all():
            columns[column] = empty_column(column, len(values))
    return MatrixTable(
        columns, pd.RangeIndex(len(matrix)) if labels is None else labels, arrays, name
    )
