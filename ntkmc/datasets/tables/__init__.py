"""Tables with missing values, from the files that people keep them in, and back into them."""

import zipfile
from collections.abc import Sequence
from pathlib import Path

from ntkmc.datasets._folder import ROOT_VARIABLE, data_folder
from ntkmc.datasets.tables import matrix, parquet, text
from ntkmc.datasets.tables.column import Column
from ntkmc.datasets.tables.delimited import one_character
from ntkmc.datasets.tables.table import Table

SUFFIXES = (".csv", ".parquet", ".npz", ".tsv")
_TEXT = ", ".join(text.SEPARATORS)
_FOLDERS = ("drugs", "tables")

__all__ = ["SUFFIXES", "Column", "Table", "check_target", "load_table", "read_table", "write_table"]


def read_table(
    path: str | Path, *, sep: str | None = None, decimal: str = ".", na: Sequence[str] = ()
) -> Table:
    """A table from a .csv, .tsv, .parquet or .npz file.

    Row labels are a .parquet file's own index; the first columns of a text file where they have no
    name (as R and pandas write row names); or the first column where it holds text, each once, or
    whole numbers, each once, under a name such as ``id``. A .npz file holds one matrix, or one
    called ``table``, and may name its ``rows`` and ``columns``.

    Parameters
    ----------
    path : the file.
    sep : what separates the cells of a text file; found from the file where None.
    decimal : the decimal mark of a text file, "." or ",".
    na : cells of a text file that mark what is missing, besides empty ones, and in columns of
        numbers what programs write there (``NA``, ``nan``, ``NULL`` and the like).

    Raises
    ------
    FileNotFoundError
    ValueError : the suffix is unknown, the file cannot be read as what it is called, two columns
        have one name, there is nothing in it, or an option is not for this kind of file.
    ImportError : .parquet without pyarrow.
    """
    path = Path(path)
    suffix = _suffix(path)
    if not path.is_file():
        raise FileNotFoundError(f"no table at {path}")
    if suffix not in text.SEPARATORS and (sep is not None or decimal != "." or na):
        raise ValueError(f"{path}: sep, decimal and na are of text files, {_TEXT}")
    if decimal not in (".", ","):
        raise ValueError(f"decimal was {decimal!r}; pass '.' or ','")
    sep = None if sep is None else one_character(sep)
    if suffix == ".parquet":
        parquet.require_pyarrow()
    try:
        if suffix in text.SEPARATORS:
            table: Table = text.read(path, sep, decimal, na)
        else:
            table = {".parquet": parquet.read, ".npz": matrix.read}[suffix](path)
    except (ValueError, KeyError, OSError, EOFError, zipfile.BadZipFile) as error:
        raise ValueError(f"{path}: not a table: {' '.join(str(error).split())}") from None
    if not len(table.labels) or not table.columns:
        raise ValueError(
            f"{path}: not a table: there are {len(table.labels)} rows and "
            f"{len(table.columns) or 'no'} columns of data"
        )
    return table


def write_table(path: str | Path, table: Table) -> None:
    """Write a table in the format of the file's suffix.

    In the format that it was read from, all is as it was but for what `Table.filled` added.

    Raises
    ------
    ValueError : the suffix is unknown, or the format cannot hold the table.
    ImportError : .parquet without pyarrow.
    """
    path = Path(path)
    check_target(path, table)
    suffix = path.suffix.lower()
    if suffix in text.SEPARATORS:
        text.write(path, table)
    else:
        {".parquet": parquet.write, ".npz": matrix.write}[suffix](path, table)


def check_target(path: Path, table: Table) -> None:
    """Raise what `write_table` would raise, before there is anything to write."""
    suffix = _suffix(path)
    if suffix == ".parquet":
        parquet.require_pyarrow()
    elif suffix == ".npz":
        matrix.check(path, table)


def load_table(name: str, root: str | Path | None = None) -> Table:
    """A table by name, from a data folder, `root` or ``$NTKMC_DATA``.

    ``drugs/<name>.csv`` or ``tables/<name>.csv``.

    Raises
    ------
    FileNotFoundError
    """
    folder = data_folder(root)
    if folder is None:
        raise FileNotFoundError(
            f"table {name!r}: there is no data folder; set {ROOT_VARIABLE} (or root) to a folder "
            f"with {_FOLDERS[0]}/{name}.csv or {_FOLDERS[1]}/{name}.csv"
        )
    places = [folder / place / f"{name}.csv" for place in _FOLDERS]
    return read_table(next((place for place in places if place.is_file()), places[0]))


def _suffix(path: Path) -> str:
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise ValueError(f"{path}: pass a file that ends in {', '.join(SUFFIXES)}")
    return suffix
