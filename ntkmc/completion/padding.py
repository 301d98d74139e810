"""Arrays padded to a few sizes, so that most tables share what is compiled."""

from collections.abc import Iterator

import numpy as np
from jaxtyping import Int

from ntkmc.completion.row_kernels import TOGETHER

_BLOCK = 256
_LEAST = 64
_LARGE = 4096  # beyond, all is in larger steps


def padded_size(count: int) -> int:
    """The next of a few numbers of rows."""
    if count <= _LEAST:
        return _LEAST
    step = _BLOCK if count <= _LARGE else 4 * _BLOCK
    return -(-count // step) * step


def pad(array: np.ndarray, size: int) -> np.ndarray:
    """Its first entry in the place of what it lacks."""
    return np.concatenate([array, np.repeat(array[:1], size - len(array))])


def widen(array: np.ndarray) -> np.ndarray:
    """Features (..., f) that are all zero beside the others, up to a multiple of eight."""
    lacking = -array.shape[-1] % TOGETHER
    return np.concatenate([array, np.zeros((*array.shape[:-1], lacking), array.dtype)], axis=-1)


def blocks(
    which: Int[np.ndarray, " n"], size: int
) -> Iterator[tuple[Int[np.ndarray, " b"], Int[np.ndarray, " p"]]]:
    """Some of them at a time, and the same padded: to `size`, or what is usual if that is large."""
    size = min(size, _BLOCK if len(which) <= _LARGE else 8 * _BLOCK)
    for start in range(0, len(which), size):
        some = which[start : start + size]
        yield some, pad(some, size)
