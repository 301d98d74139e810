"""The layer-by-layer recursion over all pairs of pixels, block by block.

A kernel between the pixels (i, j) and (i', j') is a matrix with a row for each pair (i, i') and a
column for each pair (j, j'): a linear layer is then L T L' with sparse L, as in `_recursion`, and a
block of rows of the result needs few rows of T. So besides the old and the new state only
temporaries of a block are in memory.
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np

from ntkmc._compat import enable_x64
from ntkmc.kernels._axes import Step
from ntkmc.kernels.duals import apply_dual, dual_variance

BLOCK_BYTES = 2**25  # of one array of a block; each takes a few of them
TEMPORARIES = 12  # arrays of a block at the largest moment, some of them of two layers' sizes


def block_rows(new: int, other: int, itemsize: int) -> int:
    """How many i a block has, of `new` along this axis and `other` along the second one."""
    return min(new, max(1, BLOCK_BYTES // (new * other**2 * itemsize)))


def predicted_bytes(steps: list[Step], kind: str, itemsize: int) -> int:
    """Largest moment of `propagate`: an old and a new state, and the temporaries of a block."""
    kinds = 1 if kind == "nngp" else 2
    largest = 0
    for number, step in enumerate(steps):
        before = 1 if number == 0 else kinds  # the covariance alone
        after = 1 if number == len(steps) - 1 else kinds
        rows, columns = step.axes
        state = before * (rows.old * columns.old) ** 2 + after * (rows.new * columns.new) ** 2
        count = block_rows(rows.new, columns.new, itemsize)
        block = count * rows.new * max(columns.new, columns.old) ** 2
        largest = max(largest, state + TEMPORARIES * block)
    return largest * itemsize


@functools.partial(jax.jit, static_argnames=("dtype",))
def _covariance_block(first, prior, dtype):
    """Gap of the pixels in row `first` from all others, (i', j, j')."""
    if isinstance(prior, tuple):
        same, different, inside = prior
        i, j = (jnp.arange(n) for n in inside.shape)
        equal = (i == first)[:, None, None] & (j[:, None] == j)
        k = jnp.where(equal, same, different) * inside[first][None, :, None] * inside[:, None, :]
        variance = same * inside
    else:
        k = jnp.einsum("cj,cik->ijk", prior[:, first], prior) / len(prior)
        variance = jnp.mean(prior**2, axis=0)
    gap = (variance[first][None, :, None] + variance[:, None, :]) / 2 - k
    own = jnp.arange(variance.shape[1])
    return jnp.maximum(gap, 0).at[first, own, own].set(0).astype(dtype)


def covariance(prior, dtype) -> tuple[jax.Array, np.ndarray]:
    """Gap, as pairs of rows by pairs of columns, and variances of the input.

    In float64: the gap of two pixels that are nearly alike is a small difference.

    Parameters
    ----------
    prior : (channels, rows, columns) features, or (C1, C2, inside) for infinitely many
        independent ones, `inside` being 1 on the image and 0 outside.
    """
    shape = prior[2].shape if isinstance(prior, tuple) else prior.shape[1:]
    gap = jnp.zeros((shape[0] ** 2, shape[1] ** 2), dtype)
    with enable_x64():
        prior = jax.tree.map(jnp.asarray, prior)
        for first in range(shape[0]):
            block = _covariance_block(first, prior, dtype).reshape(shape[0], -1)
            gap = _write(gap, block, first * shape[0]).block_until_ready()
    if isinstance(prior, tuple):
        return gap, prior[0] * np.asarray(prior[2])
    return gap, np.mean(np.asarray(prior) ** 2, axis=0)


@functools.partial(jax.jit, donate_argnums=0)
def _write(out, block, start):
    return jax.lax.dynamic_update_slice(out, block, (start,) + (0,) * (out.ndim - 1))


# Two programs on purpose: in one, XLA fuses them and computes the first once for each tap of the
# second.
@functools.partial(jax.jit, static_argnames="axis")
def _move(matrix, index, weights, axis):
    """L M (axis 0) or M L' (axis 1), L sparse with these weights at these columns."""
    taps = (jnp.take(matrix, column, axis=axis, mode="clip") for column in index.T)
    return sum(jnp.expand_dims(w, 1 - axis) * tap for w, tap in zip(weights.T, taps, strict=True))


@functools.partial(jax.jit, static_argnames=("trained", "activation", "wanted"))
def _finish(gap, ntk, variances, lost, trained, activation, wanted):
    """What a step does besides moving values, for a block of pixels in rows i.

    Parameters
    ----------
    gap, ntk : moved; the NTK is None while it is zero, or if nobody asks for it.
    variances : after the linear layers, (i, j) and (i', j').
    lost : what interpolation took from them, (i, j) and (i', j'), and which (i, i', j, j') are one
        pixel twice; None without interpolation.
    trained, activation : the step's.
    wanted : which of "gap", "ntk" and "nngp" to return.
    """
    (count, width), (height, _) = (variance.shape for variance in variances)
    a, b = (slice(None), None, slice(None), None), (None, slice(None), None, slice(None))
    var_a, var_b = variances[0][a], variances[1][b]
    gap = gap.reshape(count, height, width, width)
    if lost is not None:
        gap = jnp.where(lost[2], 0, gap - (lost[0][a] + lost[1][b]) / 2)
    gap = jnp.maximum(gap, 0)
    if ntk is not None:
        ntk = ntk.reshape(gap.shape)
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
    return tuple(results[name].reshape(count * height, width**2) for name in wanted)


@functools.partial(jax.jit, static_argnames="shape")
def _by_pixel(block, shape):
    """Rows (i, i') and columns (j, j') to rows (i, j) and columns (i', j')."""
    height, width = shape
    block = block.reshape(-1, height, width, width).transpose(0, 2, 1, 3)
    return block.reshape(-1, height * width)


def _move_variances(step, gap, variance, dtype):
    """Variances after the linear layers of a step, and what interpolation takes from them."""
    along, across = step.axes
    variance = (variance[along.positions] * along.weights[:, :, None]).sum(axis=1)
    variance = (variance[:, across.positions] * across.weights).sum(axis=2)
    if along.shared:
        return variance, None
    # Interpolation mixes a pixel with its neighbours, which lowers its variance by the gap of the
    # pixels it reads.
    lost = gap
    for number, axis in enumerate(step.axes):
        index, weights = axis.pairs(np.arange(axis.new), np.arange(axis.new))
        lost = _move(lost, index, weights.astype(dtype), number)
    return variance - np.asarray(lost, np.float64), np.asarray(lost)


def _same_pixel(rows, height, width):
    """Which (i, i', j, j') of the rows i are one pixel twice."""
    same_row = rows[:, None, None, None] == np.arange(height)[:, None, None]
    return same_row & np.eye(width, dtype=bool)


def _run(step, state, variance, wanted, dtype, report):
    """One step of the recursion: the arrays that are wanted, and the variances."""
    (along, across), (gap, ntk) = step.axes, state
    height, width = along.new, across.new
    variance, lost = _move_variances(step, gap, variance, dtype)
    narrow = variance.astype(dtype)
    count = block_rows(height, width, dtype.itemsize)
    column_map = _map(across, np.arange(width), dtype)
    final = wanted[0] in ("nngp", "ntk")
    out = None
    for start in [*range(0, height - count, count), height - count]:  # the last may overlap
        rows = np.arange(start, start + count)
        row_map = _map(along, rows, dtype)
        moved = [
            None if m is None else _move(_move(m, *row_map, axis=0), *column_map, axis=1)
            for m in (gap, ntk)
        ]
        blocks = _finish(
            *moved,
            (narrow[rows], narrow),
            None if lost is None else (lost[rows], lost, _same_pixel(rows, height, width)),
            trained=step.trained,
            activation=step.activation,
            wanted=wanted,
        )
        if final:
            blocks = [_by_pixel(block, (height, width)) for block in blocks]
        per_row = len(blocks[0]) // count
        if out is None:
            out = [jnp.zeros((height * per_row, block.shape[1]), dtype) for block in blocks]
        out = [_write(o, block, start * per_row) for o, block in zip(out, blocks, strict=True)]
        # One block after another: work in a queue already holds its memory.
        jax.block_until_ready(out)
        report(count * height * width**2)
    if step.activation is not None:
        with enable_x64():
            variance = np.asarray(dual_variance(step.activation, jnp.asarray(variance)))
    return out, variance


def _map(axis, xs, dtype):
    """Pairs of these positions with all others, as `_move` takes them."""
    index, weights = axis.pairs(np.repeat(xs, axis.new), np.tile(np.arange(axis.new), len(xs)))
    return index, weights.astype(dtype)


def propagate(steps: list[Step], prior, kind: str, dtype, progress=None) -> jax.Array:
    """Kernel matrix between the pixels of the last step.

    Parameters
    ----------
    steps : of `_axes.steps`, the last of them without the outside of the image.
    prior : see `covariance`.
    kind : "nngp" or "ntk".
    dtype : of the kernel.
    progress : called with ("kernel", pairs of pixels done, pairs in all).
    """
    total = sum((step.axes[0].new * step.axes[1].new) ** 2 for step in steps)
    done = 0

    def report(count):
        nonlocal done
        done = min(done + count, total)
        if progress:
            progress("kernel", done, total)

    gap, variance = covariance(prior, dtype)
    state = [gap, None]
    del gap
    for step in steps[:-1]:
        has_ntk = kind == "ntk" and (step.trained or state[1] is not None)
        out, variance = _run(step, state, variance, ("gap", "ntk")[: 1 + has_ntk], dtype, report)
        state = [out[0], out[1] if has_ntk else None]
        del out
    return _run(steps[-1], state, variance, (kind,), dtype, report)[0][0]
