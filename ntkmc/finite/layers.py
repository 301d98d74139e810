"""What each layer of an architecture does to the values of a network of finite width.

Images are (batch, height, width, channels), as flax has them, signals and volumes have one axis or
three in place of two; after a lifting convolution there is an axis for the elements of the group
before the channels, and vectors are (batch, channels).
"""

import itertools
import math

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float

from ntkmc._random import normal_initializer
from ntkmc.architecture import (
    ArchitectureError,
    Conv,
    Downsample,
    Erf,
    Flatten,
    GlobalAvgPool,
    GroupPool,
    Identity,
    Layer,
    LeakyRelu,
    Relu,
    Upsample,
)
from ntkmc.architecture.base import one_an_axis

PARAMETERIZATIONS = ("ntk", "standard")

_PAD_MODES = {"circular": "wrap", "same": "constant", "reflect": "reflect"}
_VARIANCE_FLOOR = 1e-5


class Convolution(nnx.Module):
    r"""A convolution without bias, and batch normalization after it where that is asked for.

    With :math:`n = k^2 c` inputs to each output, a filter of side k over c channels, both
    parameterizations begin as the same random function,

    .. math:: \frac{1}{\sqrt n} \sum_{a, c} w_{a c}\, x_{i + a, c}, \quad w \sim N(0, 1)
              \qquad\text{or}\qquad
              \sum_{a, c} w_{a c}\, x_{i + a, c}, \quad w \sim N(0, 1 / n),

    "ntk" and "standard". They train differently: the tangent kernel of the first has a limit as the
    width grows (Jacot, Gabriel and Hongler 2018), that of the second grows with the width.

    Parameters
    ----------
    layer : Conv
    in_channels, out_channels : int
    parameterization : {"ntk", "standard"}
    batch_norm : bool
    axes : int
        Of the image.
    rngs : nnx.Rngs
    """

    def __init__(
        self,
        layer: Conv,
        in_channels: int,
        out_channels: int,
        *,
        parameterization: str,
        batch_norm: bool,
        axes: int,
        rngs: nnx.Rngs,
    ):
        sizes = one_an_axis(layer.filter_size, axes)
        std, self.scale = weight_scales(math.prod(sizes) * in_channels, parameterization)
        self.layer = layer
        self.conv = nnx.Conv(
            in_channels,
            out_channels,
            sizes,
            strides=layer.stride,
            padding="VALID",
            use_bias=False,
            kernel_init=normal_initializer(std),
            rngs=rngs,
        )
        self.norm = BatchNorm(out_channels) if batch_norm else None

    def __call__(self, x: Float[Array, "n *sides c"]) -> Float[Array, "n *others d"]:
        """Pad, convolve, scale, normalise."""
        reach = [size // 2 for size in one_an_axis(self.layer.filter_size, x.ndim - 2)]
        edges = ((0, 0), *zip(reach, reach, strict=True), (0, 0))
        # The scale belongs to the smaller of the two arrays, the weights; but flax has them.
        y = self.scale * self.conv(jnp.pad(x, edges, _PAD_MODES[self.layer.padding]))
        return y if self.norm is None else self.norm(y)


class DenseLayer(nnx.Module):
    """A matrix of weights without bias, in the parameterizations of `Convolution`.

    Parameters
    ----------
    in_channels, out_channels : int
    parameterization : {"ntk", "standard"}
    batch_norm : bool
    rngs : nnx.Rngs
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        parameterization: str,
        batch_norm: bool,
        rngs: nnx.Rngs,
    ):
        std, self.scale = weight_scales(in_channels, parameterization)
        self.linear = nnx.Linear(
            in_channels,
            out_channels,
            use_bias=False,
            kernel_init=normal_initializer(std),
            rngs=rngs,
        )
        self.norm = BatchNorm(out_channels) if batch_norm else None

    def __call__(self, x: Float[Array, "n c"]) -> Float[Array, "n d"]:
        """Multiply, scale, normalise."""
        y = self.scale * self.linear(x)
        return y if self.norm is None else self.norm(y)


def weight_scales(summed: int, parameterization: str) -> tuple[float, float]:
    """Standard deviation of weights, and the factor before a sum of so many of their products."""
    root = 1 / math.sqrt(summed)
    return (1.0, root) if parameterization == "ntk" else (root, 1.0)


class BatchNorm(nnx.Module):
    r"""Each channel, over batch and pixels, to mean 0 and variance 1; then scaled and shifted.

    .. math:: y = \gamma\, \frac{x - \bar x}{\sqrt{\overline{(x - \bar x)^2} + 10^{-5}}} + \beta

    The network is always given the same feature prior, so that there is nothing to average over
    batches and training and prediction are one function: unlike ``nnx.BatchNorm`` this keeps no
    running statistics.
    """

    def __init__(self, channels: int):
        self.gain = nnx.Param(jnp.ones(channels))
        self.shift = nnx.Param(jnp.zeros(channels))

    def __call__(self, x: Float[Array, "*places c"]) -> Float[Array, "*places c"]:
        """Normalise."""
        # Over the elements of a group too, so that a turned image is treated as it was before.
        places = tuple(range(x.ndim - 1))
        centred = x - x.mean(axis=places)
        variance = (centred**2).mean(axis=places)
        return (
            self.gain[...] * centred * jax.lax.rsqrt(variance + _VARIANCE_FLOOR) + self.shift[...]
        )


def apply_layer(
    layer: Layer, x: Float[Array, "n *places c"], circular: bool, axes: int
) -> Float[Array, "n *others d"]:
    """A layer without weights.

    Parameters
    ----------
    layer : any but a convolution and `Dense`.
    x : an image, or what else the layer takes.
    circular : whether what lies beyond an edge is the opposite edge, for bilinear upsampling.
    axes : of the image.
    """
    sides = range(1, 1 + axes)
    match layer:
        case Relu():
            return math.sqrt(2) * jax.nn.relu(x)
        case LeakyRelu(negative_slope=slope):
            return math.sqrt(2 / (1 + slope**2)) * jnp.where(x > 0, x, slope * x)
        case Erf():
            return jax.scipy.special.erf(x)
        case Identity():
            return x
        case Downsample(factor=factor):
            steps = one_an_axis(factor, axes)
            return x[(slice(None), *(slice(None, None, step) for step in steps))]
        case Upsample(factor=factor, method="nearest"):
            return _nearest(x, one_an_axis(factor, axes))
        case Upsample(factor=factor, method="bilinear"):
            for axis, its in zip(sides, one_an_axis(factor, axes), strict=True):
                x = _bilinear(x, its, axis, circular) if its > 1 else x
            return x
        case GroupPool():
            return x.mean(axis=3)
        case Flatten():
            return x.reshape(len(x), -1)
        case GlobalAvgPool():
            return x.mean(axis=tuple(sides))
    raise ArchitectureError(f"{layer!r} has no finite-width reading")


def _nearest(x, factors):
    n, *sides, c = x.shape
    apart = x.reshape(n, *(part for side in sides for part in (side, 1)), c)
    each = list(zip(sides, factors, strict=True))
    spread = jnp.broadcast_to(apart, (n, *itertools.chain(*each), c))
    return spread.reshape(n, *(side * factor for side, factor in each), c)


def _bilinear(x, factor, axis, circular):
    """Interpolate one axis; phase b of each pixel stands at (b + 1/2) / factor - 1/2 from it.

    Written with slices of the padded image and not as a gather, whose transpose, the gradient, is a
    scatter: much slower.
    """
    side = x.shape[axis]
    edges = [(0, 0)] * x.ndim
    edges[axis] = (1, 1)
    padded = jnp.pad(x, edges, "wrap" if circular else "edge")

    def shifted(start):
        return jax.lax.slice_in_dim(padded, start, start + side, axis=axis)

    phases = []
    for b in range(factor):
        place = (b + 0.5) / factor - 0.5
        low = math.floor(place)
        weight = place - low
        phases.append((1 - weight) * shifted(1 + low) + weight * shifted(min(2 + low, 2)))
    stacked = jnp.stack(phases, axis=axis + 1)
    return stacked.reshape(*x.shape[:axis], side * factor, *x.shape[axis + 1 :])
