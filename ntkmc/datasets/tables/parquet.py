"""Tables in .parquet files, kept as they are in Arrow's types."""

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ntkmc.datasets.tables.column import Column, Kind, check_names, empty_column
from ntkmc.datasets.tables.table import Table, is_numbered


@dataclass(frozen=True)
class ArrowTable(Table):
    """A table of typed columns; those in which nothing is filled in are written as they were.

    Attributes
    ----------
    arrow : the ``pyarrow.Table``, with the columns that label rows.
    """

    arrow: Any

    @property
    def frame(self) -> pd.DataFrame:
        """The columns of data as pandas has them; whole numbers with gaps stay whole."""
        frame = self.arrow.to_pandas(ignore_metadata=True, integer_object_nulls=True)
        return frame[list(self.columns)].set_axis(self.labels)

    def filled(self, values: Mapping[str, np.ndarray]) -> "ArrowTable":
        """See `Table.filled`; numbers are held within the range of the column's type."""
        arrow, columns = self.arrow, dict(self.columns)
        for name, found in values.items():
            column = self.columns[name]
            place = arrow.column_names.index(name)
            completed = _filled(arrow.column(place), column, found)
            arrow = arrow.set_column(place, arrow.schema.field(place), completed)
            columns[name] = _column(name, completed)
        return dataclasses.replace(self, columns=columns, arrow=arrow)

    def cells(self, name: str) -> Sequence:
        """(m,), the values of a column as Python has them."""
        return self.arrow.column(name).to_pylist()


def require_pyarrow() -> None:
    """Raise an ImportError that says how to install pyarrow, where it is not there."""
    try:
        import pyarrow  # noqa: F401
    except ImportError:
        raise ImportError(
            'parquet files need pyarrow: pip install "ntkmc[parquet]", or pass a .csv file'
        ) from None


def read(path: Path) -> ArrowTable:
    """A table from a .parquet file; see ``read_table``."""
    import pyarrow.parquet

    arrow = pyarrow.parquet.ParquetFile(path).read()
    check_names(arrow.column_names)
    metadata = arrow.schema.pandas_metadata or {}
    index = [name for name in metadata.get("index_columns", []) if isinstance(name, str)]
    names = [name for name in arrow.column_names if name not in index]
    columns = {name: _column(name, arrow.column(name)) for name in names}
    labels = arrow.to_pandas().index if metadata else pd.RangeIndex(arrow.num_rows)
    if names and is_numbered(labels) and len(labels) and columns[names[0]].labels_rows():
        labels = pd.Index(columns.pop(names[0]).values, name=names[0])
    return ArrowTable(columns, labels, arrow)


def write(path: Path, table: Table) -> None:
    """Write a table to a .parquet file; its own columns where it is from one."""
    if isinstance(table, ArrowTable):
        import pyarrow.parquet

        pyarrow.parquet.write_table(table.arrow, path)
    else:
        table.frame.to_parquet(path, index=not is_numbered(table.labels))


def _column(name: str, chunks) -> Column:
    from pyarrow import types

    of = chunks.type
    if types.is_null(of) or chunks.null_count == len(chunks):
        return empty_column(name, len(chunks))
    if types.is_integer(of) or types.is_floating(of) or types.is_decimal(of):
        numbers = np.asarray(chunks.to_pandas().astype(np.float64))
        missing = np.isnan(numbers)
        if missing.all():
            return empty_column(name, len(chunks))
        return Column(name, "numbers", numbers, missing, types.is_integer(of))
    values = np.fromiter(chunks.to_pylist(), object, len(chunks))
    kind: Kind = "other"
    if types.is_boolean(of):
        kind = "truth"
    elif types.is_temporal(of):
        kind = "dates"
    elif types.is_dictionary(of) or isinstance(next(filter(None, values), ""), str):
        kind = "text"
    why = {"truth": "truth values", "dates": "dates", "text": "text"}.get(kind, str(of))
    return Column(name, kind, values, np.array([value is None for value in values], bool), why=why)


def _filled(chunks, column: Column, values: np.ndarray):
    """A column of the same type, with `values` where it was missing."""
    import pyarrow
    from pyarrow import compute, types

    of, missing = chunks.type, column.missing
    if types.is_dictionary(of):
        categories = chunks.to_pandas().cat.categories
        codes = np.array(chunks.to_pandas().cat.codes)
        codes[missing] = categories.get_indexer(values[missing])
        return pyarrow.DictionaryArray.from_arrays(
            pyarrow.array(codes).cast(of.index_type),
            pyarrow.array(categories.tolist(), of.value_type),
            ordered=of.ordered,
        )
    fills: Any = np.full(len(values), None, object)
    fills[missing] = values[missing]
    if types.is_integer(of) or types.is_floating(of) or types.is_decimal(of):
        numbers = fills[missing].astype(np.float64)
        fills[missing] = _within(numbers, of)
    return compute.if_else(pyarrow.array(missing), pyarrow.array(fills.tolist(), of), chunks)


def _within(numbers: np.ndarray, of) -> list:
    """Numbers as a type holds them: rounded, and no more than its largest."""
    from pyarrow import types

    if types.is_integer(of):
        limits = np.iinfo(of.to_pandas_dtype())
        return [min(max(round(number), limits.min), limits.max) for number in numbers.tolist()]
    if types.is_decimal(of):
        unit = Decimal(1).scaleb(-of.scale)
        largest = 10**of.precision - 1
        return [
            unit * min(max(round(Decimal(number) / unit), -largest), largest) for number in numbers
        ]
    return list(numbers.astype(of.to_pandas_dtype()))
