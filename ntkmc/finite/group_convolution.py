"""Group convolutions of finite width."""

import math

import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float

from ntkmc._random import normal
from ntkmc.architecture import GroupConv, LiftingConv
from ntkmc.finite.layers import BatchNorm, weight_scales
from ntkmc.groups.convolution import convolve, lift


class GroupConvolution(nnx.Module):
    """A `LiftingConv` or `GroupConv` without bias, and batch normalization where asked for.

    Equivariant to rounding: turning the image turns the output and permutes its orientations.
    Parameterizations are those of `Convolution`, with as many inputs to an output as the filter has
    pixels, elements of the group (after the lifting) and channels.

    Parameters
    ----------
    layer : LiftingConv or GroupConv
    in_channels, out_channels : int
    parameterization : {"ntk", "standard"}
    batch_norm : bool
    rngs : nnx.Rngs
    """

    def __init__(
        self,
        layer: LiftingConv | GroupConv,
        in_channels: int,
        out_channels: int,
        *,
        parameterization: str,
        batch_norm: bool,
        rngs: nnx.Rngs,
    ):
        elements = () if isinstance(layer, LiftingConv) else (len(layer.point_group),)
        summed = (*elements, layer.filter_size, layer.filter_size, in_channels)
        std, self.scale = weight_scales(math.prod(summed), parameterization)
        self.layer = layer
        shape = (*summed, out_channels)
        self.kernel = nnx.Param(std * normal(rngs.params(), shape, jnp.float32))
        self.norm = BatchNorm(out_channels) if batch_norm else None

    def __call__(self, x: Float[Array, "n h w *elements c"]) -> Float[Array, "n i j order d"]:
        """Convolve, scale, normalise."""
        forward = lift if isinstance(self.layer, LiftingConv) else convolve
        y = forward(x, self.scale * self.kernel[...], self.layer.window)
        return y if self.norm is None else self.norm(y)
