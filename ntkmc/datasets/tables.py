"""Tables with missing values, from the files that people keep them in."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from ntkmc.datasets._folder import ROOT_VARIABLE, data_folder

SUFFIXES = (".csv", ".parquet", ".npz")
_INDEX_NAMES = ("", "index", "id", "unnamed: 0")


@dataclass(frozen=True)
class Table:
    """A table and what its columns are.

    Attributes
    ----------
    frame : all columns, as they were in the file; its index is the column of row labels.
    text : names of the columns that hold neither numbers nor truth values.
    index : name of the column that the labels were, or None where rows are numbered.
    """

    frame: pd.DataFrame
    text: tuple[str, ...]
    index: str | None

    @property
    def numbers(self) -> pd.DataFrame:
        """The other columns, as float64, NaN where missing."""
        return self.frame.drop(columns=list(self.text)).astype(np.float64)


def read_table(path: str | Path) -> Table:
    """A table from a .csv, .parquet or .npz file.

    Row labels are the first column where it holds text, each once, or whole numbers, each once,
    under a name such as ``id`` or none; and a .parquet file's own. A .npz file holds one matrix,
    or one called ``table``, and may name its ``rows`` and ``columns``.

    Raises
    ------
    FileNotFoundError
    ValueError : the suffix is unknown, the file cannot be read as what it is called, or there is
        nothing in it.
    ImportError : .parquet without pyarrow.
    """
    path = Path(path)
    if path.suffix.lower() not in SUFFIXES:
        raise ValueError(f"{path}: pass a file that ends in {', '.join(SUFFIXES)}")
    if not path.is_file():
        raise FileNotFoundError(f"no table at {path}")
    reader = {".csv": _read_csv, ".parquet": _read_parquet, ".npz": _read_npz}[path.suffix.lower()]
    try:
        frame = reader(path)
    except (ValueError, KeyError, OSError) as error:
        raise ValueError(f"{path}: not a table: {' '.join(str(error).split())}") from None
    frame.columns = [str(name) for name in frame.columns]
    index = frame.index.name if frame.index.name is not None else None
    if isinstance(frame.index, pd.RangeIndex):
        index = _label_column(frame)
        if index is not None:
            frame = frame.set_index(index)
    if not frame.size:
        raise ValueError(f"{path}: not a table: there are {len(frame)} rows and no columns of data")
    if frame.columns.has_duplicates:
        name = frame.columns[frame.columns.duplicated()][0]
        raise ValueError(f"{path}: column {name!r} is there twice; name columns differently")
    text = tuple(name for name in frame.columns if not _is_number(frame[name]))
    return Table(frame, text, None if index is None else str(index))


def write_table(path: str | Path, frame: pd.DataFrame, index: str | None) -> None:
    """Write a table in the format of the file's suffix, its labels where `index` names them."""
    path = Path(path)
    if path.suffix.lower() == ".csv":
        frame.to_csv(path, index=index is not None)
    elif path.suffix.lower() == ".parquet":
        _require_pyarrow()
        frame.to_parquet(path, index=index is not None)
    else:
        labels = {} if index is None else {"rows": frame.index.to_numpy(dtype=str)}
        columns = frame.columns.to_numpy(dtype=str)
        np.savez_compressed(path, table=frame.to_numpy(np.float64), columns=columns, **labels)


def load_table(name: str, root: str | Path | None = None) -> Table:
    """A table by name: ``drugs/<name>.csv`` in a data folder, `root` or ``$NTKMC_DATA``."""
    folder = data_folder(root)
    if folder is None:
        raise FileNotFoundError(
            f"table {name!r}: there is no data folder; set {ROOT_VARIABLE} (or root) to a folder "
            f"with drugs/{name}.csv"
        )
    return read_table(folder / "drugs" / f"{name}.csv")


def exact_csv() -> dict[str, str]:
    """Settings of `pandas.read_csv` with which numbers are read as written, to the last digit."""
    # Since pandas 3.1 they always are, and it warns of the setting.
    version = tuple(int(part) for part in pd.__version__.split(".")[:2])
    return {} if version >= (3, 1) else {"float_precision": "round_trip"}


def _read_csv(path: Path) -> pd.DataFrame:
    # Numbers are written back as they were read.
    return pd.read_csv(path, **exact_csv())


def _read_parquet(path: Path) -> pd.DataFrame:
    _require_pyarrow()
    return pd.read_parquet(path)


def _read_npz(path: Path) -> pd.DataFrame:
    with np.load(path, allow_pickle=False) as stored:
        arrays = {name: stored[name] for name in stored.files}
    labels = {name: arrays.pop(name) for name in ("rows", "columns") if name in arrays}
    if "table" not in arrays and len(arrays) != 1:
        raise ValueError(f"it holds {', '.join(arrays) or 'nothing'}; name the matrix 'table'")
    matrix = arrays.get("table", next(iter(arrays.values())))
    if matrix.ndim != 2 or matrix.dtype.kind not in "iufb":
        raise ValueError(f"it holds {matrix.dtype} of shape {matrix.shape}; pass a matrix")
    rows = pd.Index(labels["rows"], name="row") if "rows" in labels else None
    return pd.DataFrame(matrix.astype(np.float64), index=rows, columns=labels.get("columns"))


def _require_pyarrow() -> None:
    try:
        import pyarrow  # noqa: F401
    except ImportError:
        raise ImportError(
            'parquet files need pyarrow: pip install "ntkmc[parquet]", or pass a .csv file'
        ) from None


def _label_column(frame: pd.DataFrame) -> str | None:
    if not frame.size:
        return None
    name = frame.columns[0]
    first = frame[name]
    if first.isna().any() or not first.is_unique:
        return None
    if not _is_number(first):
        return name
    whole = pd.api.types.is_integer_dtype(first)
    return name if whole and name.strip().lower() in _INDEX_NAMES else None


def _is_number(column: pd.Series) -> bool:
    return pd.api.types.is_numeric_dtype(column) or pd.api.types.is_bool_dtype(column)
