"""Arrays padded to a few sizes, so that most tables share what is compiled."""

import numpy as np

from ntkmc.completion.row_kernels import TOGETHER

BLOCK = 256
_LEAST = 64


def padded_size(count: int) -> int:
    """The next of a few numbers of rows."""
    return _LEAST if count <= _LEAST else -(-count // BLOCK) * BLOCK


def pad(array: np.ndarray, size: int) -> np.ndarray:
    """Its first entry in the place of what it lacks."""
    return np.concatenate([array, np.repeat(array[:1], size - len(array))])


def widen(array: np.ndarray) -> np.ndarray:
    """Features (..., f) that are all zero beside the others, up to a multiple of eight."""
    lacking = -array.shape[-1] % TOGETHER
    return np.concatenate([array, np.zeros((*array.shape[:-1], lacking), array.dtype)], axis=-1)
