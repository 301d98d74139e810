"""Rows of a table that are observed in the same columns."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Int


class Pattern(NamedTuple):
    """Rows that share their observed columns: one kernel matrix, one factorisation.

    Attributes
    ----------
    rows : positions of the rows, ascending.
    observed, missing : positions of the columns, ascending; together all of them.
    """

    rows: Int[np.ndarray, " r"]
    observed: Int[np.ndarray, " l"]
    missing: Int[np.ndarray, " q"]


def group_rows(observed: Bool[np.ndarray, "m n"]) -> list[Pattern]:
    """The patterns of a table, True where observed, from the fewest observed columns to the most.

    Every row is in one of them, also where nothing or everything is observed.
    """
    first, which = distinct(observed)
    order = np.argsort(which, kind="stable")
    rows = np.split(order, np.cumsum(np.bincount(which, minlength=len(first)))[:-1])
    patterns = [
        Pattern(members, np.flatnonzero(observed[one]), np.flatnonzero(~observed[one]))
        for one, members in zip(first, rows, strict=True)
    ]
    return sorted(patterns, key=lambda pattern: len(pattern.observed))


def distinct(
    observed: Bool[np.ndarray, "m n"],
) -> tuple[Int[np.ndarray, " p"], Int[np.ndarray, " m"]]:
    """The position of a row of each pattern, and the pattern of each row."""
    packed = np.packbits(observed, axis=1)
    _, first, which = np.unique(packed, axis=0, return_index=True, return_inverse=True)
    return first, which.reshape(-1)  # some versions of NumPy keep an axis


def several(owner: Int[np.ndarray, " n"] | None) -> list[np.ndarray]:
    """Positions of the columns of each owner that has more than one."""
    if owner is None:
        return []
    owners, counts = np.unique(owner, return_counts=True)
    return [np.flatnonzero(owner == one) for one in owners[counts > 1]]
