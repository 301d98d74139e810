"""Names in files: how they are encoded, and what says that there is none."""

import csv
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

# LINCS's sign for what is missing, once or as often as there are replicates: -666.0|-666.0.
_NONE = re.compile(r"(-666(\.0*)?([|\s]+|$))*")


def as_names(values: Iterable[Any]) -> np.ndarray:
    """Values as text without spaces around it; "" where there is no name.

    There is none in empty text, in LINCS's sign for it, -666, and where a value that is no text is
    missing, such as NaN. The texts "NA", "nan", "None" and "NULL" are names. Bytes are UTF-8, or
    else Latin-1; whole numbers are written without a point.
    """
    return np.array([_name(value) for value in values], dtype=str)


def read_csv(path: str | Path, **options: Any) -> pd.DataFrame:
    """`pandas.read_csv` of a file in UTF-8 or, where it is not, in Latin-1.

    Raises
    ------
    ValueError : it cannot be read as a table.
    """
    try:
        return _parsed(path, "utf-8-sig", options)
    except UnicodeDecodeError:
        return _parsed(path, "latin-1", options)


def _parsed(path: str | Path, encoding: str, options: dict[str, Any]) -> pd.DataFrame:
    try:
        return pd.read_csv(path, encoding=encoding, **options)
    except UnicodeDecodeError:
        raise
    except (ValueError, csv.Error) as error:
        reason = " ".join(str(error).split())
        raise ValueError(f"{path} cannot be read as a table: {reason}") from None


def _name(value: Any) -> str:
    if isinstance(value, bytes):
        value = _decoded(value)
    elif not isinstance(value, str) and pd.isna(value):
        return ""
    elif isinstance(value, float | np.floating) and value.is_integer():
        value = int(value)
    text = str(value).strip()
    return "" if _NONE.fullmatch(text) else text


def _decoded(name: bytes) -> str:
    try:
        return name.decode()
    except UnicodeDecodeError:
        return name.decode("latin-1")
