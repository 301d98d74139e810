"""The layer-by-layer recursion over all pairs of pixels, block by block.

A kernel between the pixels (i, j) and (i', j') is kept as an array over pairs of rows {i, i'} with
i <= i', then j, then j': the kernel is symmetric, so {i', i} is the transpose. A linear layer is a
sparse map of the pairs of rows, then one of the pairs (j, j'); a block of pairs of rows of the
result needs few of the old ones. So besides an old and a new state only temporaries of a block are
in memory.
"""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np

from ntkmc._compat import enable_x64
from ntkmc.kernels._axes import AxisMap, Step
from ntkmc.kernels.duals import apply_dual, dual_variance

# Of one array of a block. Larger ones are new memory each time, which takes longer to get than the
# arithmetic (measured at 32 MiB on a CPU: three times as long).
BLOCK_BYTES = 2**23
TEMPORARIES = 16  # arrays of a block at the largest moment, some of them of the sizes of two layers


def block_pairs(pairs: int, width: int, itemsize: int) -> int:
    """How many pairs of rows a block has."""
    return min(pairs, max(1, BLOCK_BYTES // (width**2 * itemsize)))


def predicted_bytes(steps: list[Step], kind: str, itemsize: int) -> int:
    """Largest moment of `propagate`: an old and a new state, or the last one and the matrix."""
    kinds = 1 if kind == "nngp" else 2
    largest = 0
    for number, step in enumerate(steps):
        rows, columns = step.axes
        before = 1 if number == 0 else kinds  # the covariance alone
        after = 1 if number == len(steps) - 1 else kinds
        width = max(columns.old, columns.new)
        block = max(width**2, BLOCK_BYTES // itemsize)
        state = before * _pair_count(rows.old) * columns.old**2
        largest = max(
            largest,
            state + after * _pair_count(rows.new) * columns.new**2 + TEMPORARIES * block,
            3 * _pair_count(rows.new) * columns.new**2 + TEMPORARIES * block if after == 1 else 0,
        )
    return largest * itemsize


def _pair_count(n):
    return n * (n + 1) // 2


@dataclasses.dataclass(frozen=True)
class _RowPairs:
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
    k = jnp.einsum("cpj,cpk->pjk", a, b) / len(a)
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


def covariance(prior, dtype) -> tuple[jax.Array, _RowPairs, np.ndarray]:
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
    pairs = _RowPairs.of(*np.triu_indices(height))
    deep = width if iid else max(width, len(prior))
    count = min(len(pairs.first), max(1, BLOCK_BYTES // (width * deep * 8)))
    blocks = _Blocks(len(pairs.first), count)
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


class _Blocks:
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


# Two programs on purpose: in one, XLA fuses them and computes the first once for each tap of the
# second.
@jax.jit
def _move_rows(state, index, weights, swapped):
    """Pairs of rows made of old ones, (pairs, taps) each; where `swapped` (or None), transposed."""
    total = 0
    for k in range(index.shape[1]):
        tap = jnp.take(state, index[:, k], axis=0, mode="clip")
        if swapped is not None:
            tap = jnp.where(swapped[:, k, None, None], jnp.swapaxes(tap, 1, 2), tap)
        total += weights[:, k, None, None] * tap
    return total


@jax.jit
def _move_columns(state, index, weights):
    """Pairs of columns made of old ones, (taps, new, new) each."""
    flat = state.reshape(len(state), -1)
    taps = (jnp.take(flat, i, axis=1, mode="clip") for i in index)
    return sum(w * tap for w, tap in zip(weights, taps, strict=True))


@functools.partial(jax.jit, static_argnames=("trained", "activation", "wanted"))
def _finish(gap, ntk, variances, lost, trained, activation, wanted):
    """What a step does besides moving values.

    Parameters
    ----------
    gap, ntk : moved, (pairs, width, width); the NTK is None while it is zero or not asked for.
    variances : after the linear layers, of the first and the second row of each pair.
    lost : what interpolation took from them, of first and second, and which pairs are one row
        twice; None without interpolation.
    trained, activation : the step's.
    wanted : which of "gap", "ntk" and "nngp" to return.
    """
    var_a, var_b = variances[0][:, :, None], variances[1][:, None, :]
    if lost is not None:
        own = lost[2][:, None, None] & jnp.eye(gap.shape[1], dtype=bool)
        gap = jnp.where(own, 0, gap - (lost[0][:, :, None] + lost[1][:, None, :]) / 2)
    gap = jnp.maximum(gap, 0)
    if trained:
        nngp = (var_a + var_b) / 2 - gap
        ntk = nngp if ntk is None else ntk + nngp
    if activation is not None:
        # A pixel that has seen nothing but zeros has variance 0. What the network says there is 0
        # and does not depend on its weights, so any finite correlation will do.
        tiny = jnp.finfo(gap.dtype).tiny
        safe = jnp.maximum(var_a, tiny), jnp.maximum(var_b, tiny)
        gap, slope = apply_dual(activation, gap, *safe)
        var_a, var_b = dual_variance(activation, var_a), dual_variance(activation, var_b)
        ntk = None if ntk is None else ntk * slope
    results = {"gap": gap, "ntk": ntk, "nngp": (var_a + var_b) / 2 - gap}
    return tuple(results[name] for name in wanted)


def _move_variances(step, gap, old, variance, dtype):
    """Variances after the linear layers of a step, and what interpolation takes from them."""
    along, across = step.axes
    variance = (variance[along.positions] * along.weights[:, :, None]).sum(axis=1)
    variance = (variance[:, across.positions] * across.weights).sum(axis=2)
    if along.shared:
        return variance, None
    # Interpolation mixes a pixel with its neighbours, which lowers its variance by the gap of the
    # pixels it reads.
    xs = np.arange(along.new)
    lost = _move_rows(gap, *_row_map(along, xs, xs, old, dtype))
    a, b, weights = across.taps(np.arange(across.new), np.arange(across.new))
    lost = _move_columns(lost, (a * across.old + b).T, weights.T.astype(dtype))
    return variance - np.asarray(lost, np.float64), np.asarray(lost)


def _row_map(along: AxisMap, first, second, old, dtype):
    a, b, weights = along.taps(first, second)
    return old.numbers[a, b], weights.astype(dtype), a > b


def _run(step, state, old, variance, wanted, dtype, report):
    """One step of the recursion: the arrays that are wanted, pairs of rows, variances."""
    along, across = step.axes
    variance, lost = _move_variances(step, state[0], old, variance, dtype)
    narrow = variance.astype(dtype)

    first, second = np.triu_indices(along.new)
    index, weights, swapped = _row_map(along, first, second, old, dtype)
    # Few pairs read a transposed one, and they come last, so that few blocks look for them.
    order = np.argsort(swapped.any(axis=1), kind="stable")
    first, second, index, weights, swapped = (
        part[order] for part in (first, second, index, weights, swapped)
    )
    a, b, column_weights = across.taps(*(i.ravel() for i in np.indices((across.new,) * 2)))
    square = (-1, across.new, across.new)
    columns = ((a * across.old + b).T.reshape(square), column_weights.T.reshape(square))
    columns = (jnp.asarray(columns[0], jnp.int32), jnp.asarray(columns[1], dtype))

    count = block_pairs(len(first), max(across.new, across.old), dtype.itemsize)
    blocks = _Blocks(len(first), count)
    for start in blocks.starts:
        at = slice(start, start + count)
        flags = swapped[at] if swapped[at].any() else None
        moved = [
            None
            if array is None
            else _move_columns(_move_rows(array, index[at], weights[at], flags), *columns)
            for array in state
        ]
        one, two = first[at], second[at]
        blocks.put(
            _finish(
                *moved,
                (narrow[one], narrow[two]),
                None if lost is None else (lost[one], lost[two], one == two),
                trained=step.trained,
                activation=step.activation,
                wanted=wanted,
            )
        )
        report(count * across.new**2)
    if step.activation is not None:
        with enable_x64():
            variance = np.asarray(dual_variance(step.activation, jnp.asarray(variance)))
    return blocks.arrays, _RowPairs.of(first, second), variance


@jax.jit
def _unpack_block(state, index, swapped):
    """Rows i, (rows, i') pairs each, to pixels (i, j) by pixels (i', j')."""
    pairs = jnp.take(state, index, axis=0, mode="clip")
    pairs = jnp.where(swapped[:, :, None, None], jnp.swapaxes(pairs, 2, 3), pairs)
    rows, height, width, _ = pairs.shape
    return pairs.transpose(0, 2, 1, 3).reshape(rows * width, height * width)


def _unpack(state, pairs):
    """The matrix between all pixels."""
    (height, _), width = pairs.numbers.shape, state.shape[1]
    blocks = _Blocks(height * width, width)
    everyone = np.arange(height)
    for i in range(height):
        blocks.put([_unpack_block(state, pairs.numbers[i][None], (i > everyone)[None])])
    return blocks.arrays[0]


def propagate(steps: list[Step], prior, kind: str, dtype, progress=None) -> jax.Array:
    """Kernel matrix between the pixels after the last step.

    Parameters
    ----------
    steps : of `_axes.steps`, the last of them without the outside of the image.
    prior : see `covariance`.
    kind : "nngp" or "ntk".
    dtype : of the kernel.
    progress : called with ("kernel", pairs of pixels done, pairs in all).
    """
    total = sum(_pair_count(step.axes[0].new) * step.axes[1].new ** 2 for step in steps)
    done = 0

    def report(count):
        nonlocal done
        done = min(done + count, total)
        if progress:
            progress("kernel", done, total)

    gap, pairs, variance = covariance(prior, dtype)
    state = [gap, None]
    del gap
    for step in steps[:-1]:
        has_ntk = kind == "ntk" and (step.trained or state[1] is not None)
        wanted = ("gap", "ntk")[: 1 + has_ntk]
        out, pairs, variance = _run(step, state, pairs, variance, wanted, dtype, report)
        state = [out[0], out[1] if has_ntk else None]
        del out
    out, pairs, _ = _run(steps[-1], state, pairs, variance, (kind,), dtype, report)
    del state
    return _unpack(out[0], pairs)
