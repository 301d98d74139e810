"""What the recursion over all pairs of pixels keeps: arrays over pairs of rows, made in blocks.

A kernel between the pixels (i, j) and (i', j') is an array over pairs of rows {i, i'} with i <= i',
then j, then j': the kernel is symmetric, so {i', i} is the transpose.
"""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np

from ntkmc._compat import enable_x64

# Of one array of a block. Larger ones are new memory each time, which takes longer to get than the
# arithmetic (measured at 32 MiB on a CPU: three times as long).
BLOCK_BYTES = 2**23


@dataclasses.dataclass(frozen=True)
class RowPairs:
    """Pairs of rows i <= i' in the order in which a state has them.

    `numbers` is (n, n), symmetric: which pair {i, i'} is.
    """

    first: np.ndarray
    second: np.ndarray
    numbers: np.ndarray

    @classmethod
    def of(cls, first, second):
        numbers = np.zeros((int(second.max()) + 1,) * 2, np.int32)
        numbers[first, second] = numbers[second, first] = np.arange(len(first))
        return cls(first, second, numbers)


@functools.partial(jax.jit, static_argnames=("dtype",))
def _covariance_block(a, b, variances, same_row, dtype):
    """Gap of pairs of rows from their features, both (channels, pairs, width)."""
    k = jnp.einsum("cpj,cpk->pjk", a, b, precision=jax.lax.Precision.HIGHEST) / len(a)
    return _as_gap(k, variances, same_row).astype(dtype)


@functools.partial(jax.jit, static_argnames=("dtype",))
def _iid_covariance_block(same, different, inside, variances, same_row, dtype):
    own = same_row[:, None, None] & jnp.eye(variances[0].shape[1], dtype=bool)
    k = jnp.where(own, same, different) * inside[0][:, :, None] * inside[1][:, None, :]
    return _as_gap(k, variances, same_row).astype(dtype)


def _as_gap(k, variances, same_row):
    gap = (variances[0][:, :, None] + variances[1][:, None, :]) / 2 - k
    own = same_row[:, None, None] & jnp.eye(gap.shape[1], dtype=bool)
    return jnp.where(own, 0, jnp.maximum(gap, 0))


def covariance(prior, dtype) -> tuple[jax.Array, RowPairs, np.ndarray]:
    """Gap of the input, its pairs of rows, and its variances.

    In float64: the gap of two pixels that are nearly alike is a small difference.

    Parameters
    ----------
    prior : (channels, rows, columns) features, or (C1, C2, inside) for infinitely many
        independent ones, `inside` being 1 on the image and 0 outside.
    """
    iid = isinstance(prior, tuple)
    variance = prior[0] * prior[2] if iid else np.mean(prior**2, axis=0)
    height, width = variance.shape
    pairs = RowPairs.of(*np.triu_indices(height))
    deep = width if iid else max(width, len(prior))
    count = min(len(pairs.first), max(1, BLOCK_BYTES // (width * deep * 8)))
    blocks = Blocks(len(pairs.first), count)
    with enable_x64():
        for start in blocks.starts:
            first, second = (p[start : start + count] for p in (pairs.first, pairs.second))
            about = ((variance[first], variance[second]), first == second)
            if iid:
                same, different, inside = prior
                both = inside[first], inside[second]
                block = _iid_covariance_block(same, different, both, *about, dtype=dtype)
            else:
                block = _covariance_block(prior[:, first], prior[:, second], *about, dtype=dtype)
            blocks.put([block])
    return blocks.arrays[0], pairs, variance


class Blocks:
    """Arrays of `total` rows that are put together from blocks of `count`."""

    def __init__(self, total, count):
        # The last block may overlap the others: all have one size, for one program.
        self.starts = [*range(0, total - count, count), total - count]
        self.arrays, self._total, self._place = [], total, iter(self.starts)

    def put(self, blocks):
        start = next(self._place)
        if len(self.starts) == 1:
            self.arrays = list(blocks)
        elif not self.arrays:
            self.arrays = [jnp.zeros((self._total, *b.shape[1:]), b.dtype) for b in blocks]
        if len(self.starts) > 1:
            self.arrays = [_write(a, b, start) for a, b in zip(self.arrays, blocks, strict=True)]
        # One block after another: work in a queue already holds its memory.
        jax.block_until_ready(self.arrays)


@functools.partial(jax.jit, donate_argnums=0)
def _write(out, block, start):
    return jax.lax.dynamic_update_slice(out, block, (start,) + (0,) * (out.ndim - 1))


@jax.jit
def _unpack_block(state, index, swapped):
    """Rows i, (rows, i') pairs each, to pixels (i, j) by pixels (i', j')."""
    pairs = jnp.take(state, index, axis=0, mode="clip")
    pairs = jnp.where(swapped[:, :, None, None], jnp.swapaxes(pairs, 2, 3), pairs)
    rows, height, width, _ = pairs.shape
    return pairs.transpose(0, 2, 1, 3).reshape(rows * width, height * width)


def unpack(state, pairs):
    """The matrix between all pixels."""
    (height, _), width = pairs.numbers.shape, state.shape[1]
    blocks = Blocks(height * width, width)
    everyone = np.arange(height)
    for i in range(height):
        blocks.put([_unpack_block(state, pairs.numbers[i][None], (i > everyone)[None])])
    return blocks.arrays[0]
