"""The layer-by-layer recursion over all pairs of pixels, block by block.

A linear layer is a sparse map of the pairs of rows (see `_grid_state`), then one of the pairs of
columns (j, j'); a block of pairs of rows of the result needs few of the old ones. So besides an old
and a new state only temporaries of a block are in memory.
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np

from ntkmc._compat import enable_x64
from ntkmc.kernels._axes import AxisMap, Step
from ntkmc.kernels._grid_state import BLOCK_BYTES, Blocks, RowPairs, covariance, unpack
from ntkmc.kernels.duals import apply_dual, dual_variance

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


_dual_variance = jax.jit(dual_variance, static_argnums=0)


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
    columns = jax.device_put((columns[0].astype(np.int32), columns[1].astype(dtype)))

    count = block_pairs(len(first), max(across.new, across.old), dtype.itemsize)
    blocks = Blocks(len(first), count)
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
            variance = np.asarray(_dual_variance(step.activation, variance))
    return blocks.arrays, RowPairs.of(first, second), variance


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
    return unpack(out[0], pairs)
