"""What the layers that resample an image share: linear maps of one spatial axis each.

A layer that maps every spatial axis linearly, without weights of its own, x -> L x, maps each
covariance between pixels to L K L' on the pair of axes that belongs to that axis (the Proposition
of the matrix-completion paper's SI appendix L). L has one or two nonzeros in a row here, so it is
kept as those.
"""

import numbers
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from ntkmc._neural_tangents import neural_tangents as nt

# init_fn, apply_fn, kernel_fn and mask_fn, as `supports_masking` takes them.
LayerFns = tuple[Callable, Callable, Callable, Callable]


class AxisMap(NamedTuple):
    """A linear map of one axis: output i is the sum over t of weights[i, t] x[source[i, t]]."""

    source: np.ndarray  # (outputs, taps)
    weights: np.ndarray | None = None  # (outputs, taps); None: one tap, of weight one

    def __call__(self, x: jax.Array, axis: int) -> jax.Array:
        """Apply to one axis of an array."""
        taps = [jnp.take(x, index, axis) for index in self.source.astype(np.int32).T]
        if self.weights is None:
            return taps[0]
        shape = [1] * x.ndim
        shape[axis] = -1
        weights = jnp.asarray(self.weights.T, x.dtype)
        return sum(w.reshape(shape) * tap for w, tap in zip(weights, taps, strict=True))

    def visible(self, x: jax.Array, axis: int) -> jax.Array:
        """Which outputs are made of at least one visible input (x is True where visible)."""
        if self.weights is None:
            return self(x, axis)
        return self(x.astype(jnp.float32), axis) > 0  # no weight is negative


# The map of an axis from its length.
AxisMapOf = Callable[[int], AxisMap]


def require_whole(layer: str, name: str, value: Any, minimum: int) -> int:
    """The argument as an int, or one clear error."""
    whole = isinstance(value, numbers.Integral) and not isinstance(value, bool)
    if not whole or value < minimum:
        raise ValueError(
            f"{layer}: {name} was {value!r}; pass a whole number that is at least {minimum}"
        )
    return int(value)


def layer_fns(
    layer: str,
    axis_map_of: AxisMapOf,
    batch_axis: int,
    channel_axis: int,
    diagonal_spatial: Any = None,
) -> LayerFns:
    """Functions of a layer that applies the same kind of map to every spatial axis.

    Parameters
    ----------
    layer : its name, for messages.
    axis_map_of : gives the map of an axis from its length.
    batch_axis, channel_axis : the axes of the inputs that are not spatial.
    diagonal_spatial : neural-tangents' `Diagonal` requirement; None for a map that selects pixels,
        so that what is enough for the layers around it is enough for it.
    """
    require = {} if diagonal_spatial is None else {"diagonal_spatial": diagonal_spatial}

    def spatial_axes(ndim: int) -> list[int]:
        return [a for a in range(ndim) if a not in (batch_axis % ndim, channel_axis % ndim)]

    def axis_maps(shape) -> list[AxisMap]:  # sides may be NumPy integers, from other layers
        sides = [shape[axis] for axis in spatial_axes(len(shape))]
        if any(side is None or side < 1 for side in sides):
            raise ValueError(
                f"{layer}: the shape of the inputs was {tuple(shape)}; "
                "pass one whose spatial sides are known, for they decide those of the outputs"
            )
        return [axis_map_of(int(side)) for side in sides]

    def apply_maps(x, apply: Callable = AxisMap.__call__):
        for axis, axis_map in zip(spatial_axes(x.ndim), axis_maps(x.shape), strict=True):
            x = apply(axis_map, x, axis)
        return x

    def init_fn(rng, input_shape):
        output_shape = list(input_shape)
        maps = axis_maps(input_shape)
        for axis, axis_map in zip(spatial_axes(len(input_shape)), maps, strict=True):
            output_shape[axis] = len(axis_map.source)
        return tuple(output_shape), ()

    def apply_fn(params, inputs, **kwargs):
        return apply_maps(inputs)

    def mask_fn(mask, input_shape):
        # A mask may have sides of length one, which stand for all pixels.
        shape = list(mask.shape)
        for axis in spatial_axes(mask.ndim):
            shape[axis] = input_shape[axis]
        return ~apply_maps(~jnp.broadcast_to(mask, shape), AxisMap.visible)

    @nt.stax.requires(batch_axis=batch_axis, channel_axis=channel_axis, **require)
    def kernel_fn(k, **kwargs):
        maps1, maps2 = axis_maps(k.shape1), axis_maps(k.shape2)
        cov_ndim = 1 if k.diagonal_batch else 2

        def resample(mat, batch_ndim, left, right):
            if mat is None or mat.ndim == 0:  # no second batch; an NTK before the first weights
                return mat
            if k.is_reversed and not k.diagonal_spatial:
                left, right = left[::-1], right[::-1]
            for i, pair in enumerate(zip(left, right, strict=True)):
                if k.diagonal_spatial:
                    mat = pair[0](mat, batch_ndim + i)
                else:
                    mat = pair[0](mat, batch_ndim + 2 * i)
                    mat = pair[1](mat, batch_ndim + 2 * i + 1)
            return mat

        return k.replace(
            cov1=resample(k.cov1, cov_ndim, maps1, maps1),
            cov2=resample(k.cov2, cov_ndim, maps2, maps2),
            nngp=resample(k.nngp, 2, maps1, maps2),
            ntk=resample(k.ntk, 2, maps1, maps2),
        )

    return init_fn, apply_fn, kernel_fn, mask_fn
