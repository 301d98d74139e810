"""The layer-by-layer recursion of a periodic kernel, on the rows that `_pairs` describes."""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np

from ntkmc.architecture import Conv, Downsample, Upsample
from ntkmc.kernels import _pairs
from ntkmc.kernels.duals import apply_dual, dual_variance


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class State:
    """NNGP and NTK between every pair of rows, after some layers.

    `gap` is (k_xx + k_x'x') / 2 - k_xx' rather than the NNGP itself, so that 1 - correlation keeps
    its relative accuracy in float32; `variance` is k_xx for each pair of (kept) far phases.
    """

    gap: jax.Array
    ntk: jax.Array
    variance: jax.Array


def initial(same: float, different: float, dtype) -> State:
    apart = same - different
    gap = np.array([[0, apart], [apart, apart]], dtype)
    return State(*jax.device_put((gap, np.zeros_like(gap), np.full((1, 1), same, dtype))))


@functools.partial(jax.jit, static_argnames="axis")
def _one_axis(matrix, index, weights, axis):
    """L M (axis 0) or M L' (axis 1), L sparse with these weights at these columns."""
    taps = (jnp.take(matrix, column, axis=axis, mode="clip") for column in index.T)
    return sum(jnp.expand_dims(w, 1 - axis) * tap for w, tap in zip(weights.T, taps, strict=True))


def _both_axes(matrix, index, weights):
    # Two programs on purpose: in one, XLA fuses them and computes the first once for each tap of
    # the second.
    return _one_axis(_one_axis(matrix, index, weights, axis=0), index, weights, axis=1)


def _pair_variances(variance, phases):
    """k_xx and k_x'x' for every pair of rows, from the rows' (kept) phases of x and of x'."""
    return tuple(variance[p][:, p] for p in phases)


def _linear(state, rows, positions, same_rows, phases, is_conv):
    moved = State(
        _both_axes(state.gap, *rows),
        _both_axes(state.ntk, *rows),
        _both_axes(state.variance, *positions),
    )
    return _settle(moved, same_rows, phases, is_conv) if is_conv or same_rows is not None else moved


@functools.partial(jax.jit, static_argnames="is_conv")
def _settle(state, same_rows, phases, is_conv):
    """What a linear layer does besides moving values: variances, and its weights' tangents."""
    gap, ntk, variance = state.gap, state.ntk, state.variance
    if same_rows is not None:
        # Interpolation mixes a position with its neighbours, which lowers its variance by the gap
        # left at d = 0.
        excess = gap[same_rows][:, same_rows]
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


def pair_phases(pairs: _pairs.Pairs) -> tuple[np.ndarray, np.ndarray]:
    """For each row, the far phases of its two positions."""
    x, d = pairs.members()
    return _kept_phase(x, pairs.far_period), _kept_phase(x + d, pairs.far_period)


def propagate(network, same: float, different: float, dtype) -> tuple[_pairs.Pairs, State]:
    """Run the recursion through all layers of a network that `PeriodicKernel` accepts."""
    pairs, state = _pairs.Pairs(), initial(same, different, dtype)
    for layer in network:
        if isinstance(layer, Downsample):
            continue  # before any upsampling: "same" and "different" are all there is
        if not isinstance(layer, Conv | Upsample):
            state = _activation(state, pair_phases(pairs), layer)
            continue
        new = _pairs.after(layer, pairs)
        rows = _pairs.row_map(layer, pairs, new)
        kept = np.arange(new.far_period - new.far_half, new.far_period)
        taps = _pairs.position_taps(layer, kept)
        positions = (
            np.stack([_kept_phase(x, pairs.far_period) for x, _ in taps], axis=1),
            np.stack([w for _, w in taps], axis=1).astype(dtype),
        )
        interpolates = isinstance(layer, Upsample) and layer.method == "bilinear"
        same_rows = new.row(kept, 0 * kept) if interpolates else None
        state = _linear(
            state,
            (rows.index, rows.weights.astype(dtype)),
            positions,
            same_rows,
            pair_phases(new),
            is_conv=isinstance(layer, Conv),
        )
        pairs = new
    return pairs, state
