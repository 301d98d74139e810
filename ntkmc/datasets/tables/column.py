"""A column of a table as it is read: what it is, and what it says."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Bool, Float

Kind = Literal["numbers", "truth", "empty", "mixed", "dates", "text", "other"]
_TEXT = ("mixed", "dates", "text", "other")
_LABEL_NAMES = ("", "index", "id", "unnamed: 0")


@dataclass(frozen=True)
class Column:
    """What a column of a file is, and its values.

    Attributes
    ----------
    name : of the column.
    kind : "numbers"; "truth", of truth values; "empty", where nothing is observed; "mixed", mostly
        numbers, which some cells keep from being a column of numbers; "dates"; "text"; "other".
    values : (m,), numbers as float64 (of percent: 5 for "5%"), NaN where missing; else objects,
        truth values as bool, None where missing.
    missing : (m,), True where the cell holds nothing.
    whole : whether all numbers are whole, and so are those that are filled in.
    why : why it is no column of numbers; empty where it is one.
    note : how the numbers were read, where that might be wrong.
    """

    name: str
    kind: Kind
    values: np.ndarray
    missing: Bool[np.ndarray, " m"]
    whole: bool = False
    why: str = ""
    note: str = ""

    @property
    def is_text(self) -> bool:
        """Whether it holds neither numbers nor truth values."""
        return self.kind in _TEXT

    @property
    def numbers(self) -> Float[np.ndarray, " m"]:
        """Numbers, truth values as 1 and 0, NaN where missing."""
        return self.values.astype(np.float64)  # None becomes NaN

    def coded(self) -> tuple[Float[np.ndarray, " m"], list]:
        """A code for each value, NaN where missing, and what the codes stand for, in order."""
        observed = set(self.values[~self.missing].tolist())
        categories = sorted(observed, key=lambda value: (str(type(value)), value))
        code = {value: number for number, value in enumerate(categories)}
        codes = np.full(len(self.values), np.nan)
        codes[~self.missing] = [code[value] for value in self.values[~self.missing].tolist()]
        return codes, categories

    def labels_rows(self) -> bool:
        """Whether the values can be the names of the rows, where this is the first column."""
        if self.missing.any() or self.kind in ("truth", "other"):
            return False
        if len(set(self.values.tolist())) < len(self.values):
            return False
        # Of a column of numbers with one odd cell in it, only the name could tell.
        named = self.name.strip().lower() in _LABEL_NAMES
        return (named and (self.whole or self.kind == "mixed")) or self.kind in ("dates", "text")


def empty_column(name: str, rows: int) -> Column:
    """A column in which nothing is observed."""
    missing = np.ones(rows, bool)
    return Column(name, "empty", np.full(rows, np.nan), missing, why="nothing observed")


def check_names(names: Sequence[str]) -> None:
    """Raise a ValueError that names what two columns are both called."""
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise ValueError(f"column {name!r} is there twice; name columns differently")
        seen.add(name)
