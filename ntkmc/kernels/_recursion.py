"""The layer-by-layer recursion of a periodic kernel, on the rows that `_pairs` describes.

Every array has one axis for each axis of the image, two for a picture and three for a volume.
"""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np

from ntkmc.architecture import Conv, Downsample, Sequential, Upsample
from ntkmc.kernels import _pairs
from ntkmc.kernels.duals import apply_dual, dual_variance

_FEWEST, _MOST = 16, 1024  # rows that arrays are padded to
Axes = tuple[_pairs.Pairs, ...]
"""Pairs of each axis."""


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class State:
    """NNGP and NTK of every combination of rows, one an axis, `padded`, after some layers.

    `gap` is (k_xx + k_x'x') / 2 - k_xx' rather than the NNGP itself, so that 1 - correlation keeps
    its relative accuracy in float32; `variance` is k_xx for each pair of (kept) far phases.
    """

    gap: jax.Array
    ntk: jax.Array
    variance: jax.Array


def padded(rows: int) -> int:
    """So many rows for as many or fewer, so that small tables of all sizes share what is compiled.

    A power of two; more than 1,024 are what they are.
    """
    return max(_FEWEST, 1 << (rows - 1).bit_length()) if rows <= _MOST else rows


def _padded(array: np.ndarray, size: int) -> np.ndarray:
    """With zeros behind: rows of weight zero, or indices of the first."""
    return np.pad(array, [(0, size - len(array)), *[(0, 0)] * (array.ndim - 1)])


def initial(same: float, different: float, dtype, axes: int) -> State:
    gap = np.zeros((padded(2),) * axes, dtype)
    gap[(slice(2),) * axes] = same - different
    gap[(0,) * axes] = 0  # the same along every axis: the same position
    variance = np.zeros((padded(1),) * axes, dtype)
    variance[(0,) * axes] = same
    return State(*jax.device_put((gap, np.zeros_like(gap), variance)))


@functools.partial(jax.jit, static_argnames="axis")
def _one_axis(matrix, index, weights, axis):
    """L along an axis, L sparse with these weights at these columns."""
    others = [other for other in range(matrix.ndim) if other != axis]
    taps = (jnp.take(matrix, column, axis=axis, mode="clip") for column in index.T)
    return sum(jnp.expand_dims(w, others) * tap for w, tap in zip(weights.T, taps, strict=True))


def _all_axes(array, maps):
    # Several programs on purpose: in one, XLA fuses them and computes the first once for each tap
    # of the second.
    for axis, (index, weights) in enumerate(maps):
        array = _one_axis(array, index, weights, axis=axis)
    return array


def at(array, rows):
    """The array at these rows of each axis."""
    for axis, its in enumerate(rows):
        array = array[(slice(None),) * axis + (its,)]
    return array


def _pair_variances(variance, phases):
    """k_xx and k_x'x' of every pair, from the rows' (kept) phases of x and of x' on each axis."""
    return tuple(at(variance, p) for p in zip(*phases, strict=True))


def _linear(state, rows, positions, same_rows, phases, is_conv):
    moved = State(
        _all_axes(state.gap, rows),
        _all_axes(state.ntk, rows),
        _all_axes(state.variance, positions),
    )
    return _settle(moved, same_rows, phases, is_conv) if is_conv or same_rows is not None else moved


@functools.partial(jax.jit, static_argnames="is_conv")
def _settle(state, same_rows, phases, is_conv):
    """What a linear layer does besides moving values: variances, and its weights' tangents."""
    gap, ntk, variance = state.gap, state.ntk, state.variance
    if same_rows is not None:
        # Interpolation mixes a position with its neighbours, which lowers its variance by the gap
        # left at d = 0.
        excess = at(gap, same_rows)
        variance = variance - excess
        excess_a, excess_b = _pair_variances(excess, phases)
        gap = gap - (excess_a + excess_b) / 2
    if is_conv:
        var_a, var_b = _pair_variances(variance, phases)
        ntk = ntk + (var_a + var_b) / 2 - gap
    return State(gap, ntk, variance)


@functools.partial(jax.jit, static_argnames="layer")
def _activation(state, phases, layer):
    gap, slope = apply_dual(layer, state.gap, *_pair_variances(state.variance, phases))
    return State(gap, state.ntk * slope, dual_variance(layer, state.variance))


@jax.jit
def nngp(state: State, phases) -> jax.Array:
    """The NNGP kernel itself."""
    var_a, var_b = _pair_variances(state.variance, phases)
    return (var_a + var_b) / 2 - state.gap


def _kept_phase(x, period):
    """Where the phase of position `x` is among the upper half of the phases that are kept."""
    p, low = x % period, period // 2
    return np.where(p < low, period - 1 - p, p) - low


def pair_phases(pairs: Axes) -> tuple[tuple[np.ndarray, np.ndarray], ...]:
    """Of each axis, for each row, `padded`: the far phases of its two positions."""
    return tuple(_phases(each) for each in pairs)


def _phases(pairs):
    x, d = pairs.members()
    size, period = padded(pairs.rows), pairs.far_period
    return _padded(_kept_phase(x, period), size), _padded(_kept_phase(x + d, period), size)


def propagate(
    network: Sequential, same: float, different: float, dtype, axes: int
) -> tuple[Axes, State]:
    """Run the recursion through all layers of a network that `PeriodicKernel` accepts.

    Returns
    -------
    pairs : of each axis, of the last layer.
    state : `padded`.
    """
    pairs: Axes = (_pairs.Pairs(),) * axes
    state = initial(same, different, dtype, axes)
    for layer in network:
        if isinstance(layer, Downsample):
            continue  # before any upsampling: "same" and "different" are all there is
        if not isinstance(layer, Conv | Upsample):
            state = _activation(state, pair_phases(pairs), layer)
            continue
        own = [layer.along(axis) for axis in range(axes)]
        new = tuple(_pairs.after(each, old) for each, old in zip(own, pairs, strict=True))
        maps = [_maps(*each, dtype) for each in zip(own, pairs, new, strict=True)]
        rows, positions, same_rows = zip(*maps, strict=True)
        interpolates = isinstance(layer, Upsample) and layer.method == "bilinear"
        state = _linear(
            state,
            rows,
            positions,
            same_rows if interpolates else None,
            pair_phases(new),
            is_conv=isinstance(layer, Conv),
        )
        pairs = new
    return pairs, state


def _maps(layer, old, new, dtype):
    """Along one axis: what new rows and phases are made of, and the row of each phase itself."""
    size, phases = padded(new.rows), padded(new.far_half)
    rows = _pairs.row_map(layer, old, new)
    kept = np.arange(new.far_period - new.far_half, new.far_period)
    taps = _pairs.position_taps(layer, kept)
    positions = np.stack([_kept_phase(x, old.far_period) for x, _ in taps], axis=1)
    weights = np.stack([w for _, w in taps], axis=1).astype(dtype)
    return (
        (_padded(rows.index, size), _padded(rows.weights.astype(dtype), size)),
        (_padded(positions, phases), _padded(weights, phases)),
        _padded(new.row(kept, 0 * kept), phases),
    )
