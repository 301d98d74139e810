"""Arrays in files (NumPy's npz), each file with a header that says what they are."""

import json
import os
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ntkmc import memory


def write(path: str | os.PathLike[str], arrays: Mapping[str, Any], header: Any) -> None:
    """Write arrays and a header that JSON can hold. It has its name when it is complete."""
    path = Path(path)
    unfinished = path.with_name(path.name + ".part")
    try:
        with unfinished.open("wb") as file:
            np.savez(file, header=np.array(json.dumps(header)), **arrays)
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)


def read(
    path: str | os.PathLike[str], what: str, check: Callable[[Any], None]
) -> tuple[Any, dict[str, np.ndarray]]:
    """Read the header, and the arrays if `check` does not refuse it.

    Raises
    ------
    ValueError : it is no file of `what`, such as "kernel".
    NotEnoughMemoryError : before reading an array.
    """
    if not zipfile.is_zipfile(path):
        raise ValueError(
            f"{path} holds no {what} that can be read: it is no npz file, or its end is missing"
        )
    memory.require(os.path.getsize(path), f"the {what} in {path}", "close other programs")
    try:
        with np.load(path, allow_pickle=False) as file:
            header = json.loads(str(file["header"]))
            check(header)
            return header, {name: file[name] for name in file.files if name != "header"}
    except (KeyError, json.JSONDecodeError, zipfile.BadZipFile, EOFError) as error:
        raise ValueError(f"{path} holds no {what} that can be read: {error}") from None
