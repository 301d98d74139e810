"""The kernels between two lists of images, all pairs of pixels at once for one distance."""

import functools
import math
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from ntkmc.architecture import Identity
from ntkmc.kernels._gram_lines import Lines, lines
from ntkmc.kernels._gram_plan import Plan, Step, Window
from ntkmc.kernels.duals import (
    HOMOGENEOUS,
    apply_dual_of_sides,
    dual_side,
    dual_variance,
)


class _Level(NamedTuple):
    """What a step needs of one side's images, each (h, w, n)."""

    half: jax.Array  # half the variance, before the activation, of an image of length one
    half_after: jax.Array  # from an Erf on of the image as it is
    inside: jax.Array  # 1, and 0 where places beyond the image are gathered
    side: tuple[jax.Array, ...]  # for the dual activation


@functools.partial(jax.jit, static_argnames=("plan", "with_ntk", "as_pairs", "stores"))
def block(a, b, real, *, plan: Plan, with_ntk: bool, as_pairs: bool, stores: str):
    r"""Gap and NTK at the readout, for all pairs of images, or for pairs in order.

    The NNGP travels as its *gap* :math:`(k_{xx} + k_{x'x'}) / 2 - k_{xx'}`, which begins as half
    a squared difference of pixels and is zero between equal patches to the last bit: correlations
    near one, where the derivative of a dual activation has infinite slope, lose nothing.

    Parameters
    ----------
    a, b : images (n1, h, w, channels) of length one and their lengths (n1,); and of n2.
    real : the number True, which the compiler must not know (see `_stored`).
    as_pairs : whether n1 = n2 and only the pairs of the same number are wanted.
    stores : how the steps are kept apart: "branch" or "barrier".

    Returns
    -------
    (2, n1, n2) or (1, n1, n2) without `with_ntk`; (., 1, n1) `as_pairs`. Of images of length one,
    if no activation tells lengths (`Plan.pooled_is_homogeneous`).
    """
    rows, columns = (
        lines(tuple(size[axis] for size in plan.sizes), tuple(s.windows[axis] for s in plan.steps))
        for axis in (0, 1)
    )
    if not plan.pools and len(plan.group) == 1:
        rows, columns = rows.none_apart(), columns.none_apart()
    store = functools.partial(_stored, real=real, how=stores)
    (image_a, image_b), (length_a, length_b) = (
        [jnp.moveaxis(side[part], 0, -1) for side in (a, b)] for part in (0, 1)
    )
    levels_a, _ = _levels(plan, image_a, length_a)
    side_a = _expand((image_a, levels_a), -2 if as_pairs else -1)

    def element(number):
        turned = [plan.group.act(image_b, r) for r in range(len(plan.group))]
        image = jnp.stack(turned)[number] if len(turned) > 1 else turned[0]
        levels_b, _ = _levels(plan, image, length_b)
        side_b = _expand((image, levels_b), -2)
        matrix = jnp.asarray(plan.group.matrices)[number]
        gap, ntk = _sum_of_lines(plan, rows, columns, side_a, side_b, matrix, with_ntk, store)
        return jnp.stack([gap, ntk] if with_ntk else [gap])

    if len(plan.group) == 1:
        return element(0)
    return jax.lax.map(element, jnp.arange(len(plan.group))).mean(axis=0)


@functools.partial(jax.jit, static_argnames="plan")
def variances(images, lengths, *, plan: Plan):
    """Mean over the pixels at the readout of each image's variances, (n,).

    Group elements turn the pixels and leave it as it is.
    """
    return _levels(plan, jnp.moveaxis(images, 0, -1), lengths)[1]


def _levels(plan: Plan, image, length) -> tuple[tuple[_Level, ...], jax.Array]:
    """Variances of every pixel before and after each activation, and their mean at the readout."""
    variance = jnp.mean(jnp.square(image), axis=2)
    levels = []
    for step, size in zip(plan.steps, plan.sizes[1:], strict=True):
        variance = _convolved(variance, step.windows, size)
        after = dual_variance(step.activation, variance, length)
        side = dual_side(step.activation, variance, length)
        levels.append(_Level(variance / 2, after / 2, jnp.ones_like(variance), side))
        variance = after
        if not isinstance(step.activation, HOMOGENEOUS):
            length = 1.0  # from here on it is in the numbers
    return tuple(levels), variance.mean(axis=(0, 1))


def _convolved(variance, windows, size):
    """Box filter of a map (h, w, n)."""
    for axis, (window, outputs) in enumerate(zip(windows, size, strict=True)):
        reads = np.arange(outputs)[:, None] * window.stride - window.before
        reads = reads + np.arange(window.size)
        side = variance.shape[axis]
        if window.edge == "wrap":
            reads = reads % side
        outside = (reads < 0) | (reads >= side)
        taps = jnp.take(_with_zeros(variance, (axis,)), np.where(outside, side, reads), axis=axis)
        variance = taps.mean(axis=axis + 1)
    return variance


def _with_zeros(values, axes=(0, 1)):
    """One more row and column, of zeros: what is gathered beyond the image."""
    return jnp.pad(values, [(0, axis in axes) for axis in range(values.ndim)])


def _expand(maps, axis):
    return jax.tree.map(lambda values: _with_zeros(jnp.expand_dims(values, axis)), maps)


def _stored(function: Callable, *operands, real, how: str):
    """`function` of the operands, computed once and written to memory.

    What reads it is a filter, in nine places, and XLA would compute it again in each of them. It
    does not look across the branches of a condition; on a CPU it drops barriers before it decides,
    and on a GPU a condition would wait for the host.
    """
    if how == "barrier":
        return jax.lax.optimization_barrier(function(*operands))
    empty = jax.eval_shape(function, *operands)
    return jax.lax.cond(real, function, lambda *_: jnp.zeros(empty.shape, empty.dtype), *operands)


def _sum_of_lines(plan, rows: Lines, columns: Lines, side_a, side_b, matrix, with_ntk, store):
    """Means at the readout of gap and NTK, over all distances and all slots."""

    def at_row(total, row):
        # Columns to the front: a gather along another axis than the first is several times slower.
        lines_a, lines_b = (
            jax.tree.map(lambda rows: jnp.moveaxis(rows, 1, 0), _gather(side, places))
            for side, places in ((side_a, row[0]), (side_b, row[1]))
        )

        def at_column(total, column):
            maps_a, maps_b = _gather(lines_a, column[0]), _gather(lines_b, column[1])
            end_a, end_b = ((row[i][-1], column[i][-1]) for i in (0, 1))
            weights = _weights(plan, end_a, end_b, matrix).T[:, :, None, None]
            return _one_distance(plan, maps_a, maps_b, weights, total, with_ntk, store), None

        of_row = jax.lax.scan(at_column, zeros, (columns.a, columns.b))[0]
        return total + of_row.sum(axis=0), None

    # Sums of sums of some thirty numbers: one sum of a million would lose digits.
    slots = columns.a[-1].shape[1], rows.a[-1].shape[1]
    pairs = np.broadcast_shapes(*(image.shape[-2:] for image in (side_a[0], side_b[0])))
    dtype = side_a[0].dtype
    zeros = jnp.zeros((*slots, *pairs), jnp.result_type(dtype, 1j) if with_ntk else dtype)
    total = jax.lax.scan(at_row, zeros[0], (rows.a, rows.b))[0].sum(axis=0)
    return jnp.real(total), jnp.imag(total)


def _gather(side, places):
    """What the image and every level's maps hold at each level's places along the first axis."""
    image, levels = side

    def take(values, at):
        return jnp.take(values, at, axis=0, mode="clip")

    return take(image, places[0]), tuple(
        jax.tree.map(functools.partial(take, at=at), level)
        for level, at in zip(levels, places[1:], strict=True)
    )


def _one_distance(plan, maps_a, maps_b, weights, total, with_ntk, store):
    (image_a, levels_a), (image_b, levels_b) = maps_a, maps_b
    channels = image_a.shape[2]

    def half_squared_difference(image_a, image_b):
        differences = (image_a[:, :, c] - image_b[:, :, c] for c in range(channels))
        return sum(jnp.square(d) for d in differences) * (0.5 / channels)

    def of_step(position, state, level_a, level_b):
        masks = _masks(plan, position)
        return _step(state, level_a, level_b, plan.steps[position], with_ntk, masks)

    def add_last(state, level_a, level_b, weights, total):
        state = of_step(last, state, level_a, level_b)
        parts = (jnp.real(state), jnp.imag(state)) if with_ntk else (state,)
        # Where nothing is read a slot may hold anything, NaN too.
        counted = [jnp.where(weights > 0, weights * part, 0) for part in parts]
        return total + (jax.lax.complex(*counted) if with_ntk else counted[0])

    state, last = store(half_squared_difference, image_a, image_b), len(plan.steps) - 1
    for position in range(last):
        inner = functools.partial(of_step, position)
        state = store(inner, state, levels_a[position], levels_b[position])
    # Into the sum at once: one array less to write and to read.
    return store(add_last, state, levels_a[last], levels_b[last], weights, total)


def _masks(plan: Plan, position: int) -> bool:
    """Whether the next step reads places beyond the edges, which are zeros."""
    following = plan.steps[position + 1 : position + 2]
    return any(window.edge == "zero" for step in following for window in step.windows)


def _step(state, level_a: _Level, level_b: _Level, step: Step, with_ntk: bool, masks: bool):
    """A convolution and an activation. Gap and NTK are the parts of one complex number.

    XLA then makes both in one pass over memory; as two arrays each would be computed for itself.
    """
    state = _filtered(state, step.windows)
    factor = 1 / math.prod(window.size for window in step.windows)
    gap = jnp.real(state) * factor
    ntk = jnp.imag(state) * factor if jnp.iscomplexobj(state) else jnp.zeros_like(gap)
    if step.has_weights:
        ntk = ntk + (level_a.half + level_b.half - gap)
    if not isinstance(step.activation, Identity):
        gap, slope = apply_dual_of_sides(step.activation, gap, level_a.side, level_b.side)
        ntk = ntk * slope
    if masks:
        inside = level_a.inside * level_b.inside > 0
        gap = jnp.where(inside, gap, level_a.half_after + level_b.half_after)
        ntk = jnp.where(inside, ntk, 0)
    return jax.lax.complex(gap, ntk) if with_ntk else gap


def _filtered(state, windows: tuple[Window, Window]):
    """Sums over windows of the slots before, whose axes are columns and rows."""
    for axis, window in enumerate(windows[::-1]):
        slots = (state.shape[axis] - window.size) // window.stride + 1
        reach = (slots - 1) * window.stride + 1
        taps = [
            jax.lax.slice_in_dim(state, first, first + reach, window.stride, axis)
            for first in range(window.size)
        ]
        state = sum(taps[1:], start=taps[0])
    return state


def _weights(plan: Plan, end_a, end_b, matrix):
    """What each slot of the last level counts in the readout, (slots, slots)."""
    (height, width) = plan.sizes[-1]
    (row_a, column_a), (row_b, column_b) = end_a, end_b
    rows = (row_a < height) & (row_b < height)
    columns = (column_a < width) & (column_b < width)
    counts = rows[:, None] & columns
    if plan.pools:
        return counts / (height * width) ** 2
    # Of a flattened network the pairs that the group's element maps to each other, counted in
    # half pixels from the centre.
    y, x = (2 * t - side + 1 for t, side in ((row_a[:, None], height), (column_a, width)))
    y_b, x_b = (2 * t - side + 1 for t, side in ((row_b[:, None], height), (column_b, width)))
    meets = (y_b == matrix[0] * y + matrix[1] * x) & (x_b == matrix[2] * y + matrix[3] * x)
    return (counts & meets) / (height * width)
