"""Kernels in files, each with what it is the kernel of."""

import os
from typing import Any

import numpy as np

from ntkmc import npz
from ntkmc.architecture import Parallel, from_dict, to_dict

FORMAT = 1


def write(path: str | os.PathLike[str], arrays: dict[str, Any], made_by: dict[str, Any]) -> None:
    """Write arrays to one file, and beside them the network and what else made them."""
    header = {"format": FORMAT, **made_by, "network": to_dict(made_by["network"])}
    npz.write(path, arrays, header)


def read(path: str | os.PathLike[str], made_by: dict[str, Any]) -> dict[str, np.ndarray]:
    """Read the arrays of a file that `write` wrote.

    Raises
    ------
    ValueError : something else made them, or it is no such file.
    NotEnoughMemoryError : before reading an array.
    """
    return npz.read(path, "kernel", lambda header: _compare(path, header, made_by))[1]


def _compare(path, header, made_by):
    if header.get("format") != FORMAT:
        raise ValueError(f"{path} has format {header.get('format')!r}; this version reads {FORMAT}")
    for name, expected in made_by.items():
        found = header[name]
        if name == "network":
            found = from_dict(found)
            if found != expected:
                raise ValueError(
                    f"{path} is the kernel of another network: {_differ(found, expected)}"
                )
        elif found != expected:
            raise ValueError(
                f"{path} is another kernel: its {name} is {found!r}, and {expected!r} was asked for"
            )


def _differ(found, expected):
    if isinstance(found, Parallel) or isinstance(expected, Parallel):
        return f"of {to_dict(found)}, and {to_dict(expected)} was asked for"
    for position, (old, new) in enumerate(zip(found, expected, strict=False)):
        if old != new:
            return f"its layer {position} is {old!r}, and {new!r} was asked for"
    return f"it has {len(found)} layers, and {len(expected)} were asked for"
