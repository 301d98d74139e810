"""A network of finite width, as a `flax.nnx` module."""

import functools
import math
import numbers
import operator
from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float

from ntkmc.architecture import (
    ArchitectureError,
    Conv,
    Dense,
    Flatten,
    GroupConv,
    LiftingConv,
    Network,
    Parallel,
    Role,
    Sequential,
    Upsample,
    check,
    check_structure,
    weighted_branches,
)
from ntkmc.architecture.base import ByAxis
from ntkmc.finite.group_convolution import GroupConvolution
from ntkmc.finite.layers import PARAMETERIZATIONS, Convolution, DenseLayer, apply_layer
from ntkmc.groups import missing


class FiniteNetwork(nnx.Module):
    """An architecture with so many channels a layer; made by `from_architecture`.

    Attributes
    ----------
    network : Sequential, what is computed.
    width, in_channels, out_channels, skip_channels : int, channels of each part.
    sigmoid : bool, whether the output is a probability.
    axes : int, of the images.
    convolutions : the layers with weights, in order, `Dense` ones too.
    skips : 1x1 convolutions, one for each subsampling, from the finest; empty without any.
    """

    def __init__(
        self,
        network: Sequential,
        width: int,
        in_channels: int,
        out_channels: int,
        *,
        parameterization: str,
        batch_norm: bool,
        sigmoid: bool,
        skip_channels: int,
        shape: tuple[int, ...] | None,
        axes: int,
        rngs: nnx.Rngs,
    ):
        self.network = network
        self.width = width
        self.in_channels = in_channels
        self.out_channels = out_channels
        self.skip_channels = skip_channels
        self.sigmoid = sigmoid
        self.axes = axes

        sizes = [shape, *check(network, shape, axes=axes)] if shape is not None else []
        options: dict[str, Any] = {"parameterization": parameterization, "axes": axes, "rngs": rngs}
        convolutions, skips = [], []
        open_skips: list[ByAxis] = []
        last = max(i for i, layer in enumerate(network) if layer.role is Role.LINEAR)
        channels = in_channels
        for position, layer in enumerate(network):
            if layer.reduction != 1 and skip_channels:
                skips.append(
                    _with_weights(
                        Conv(1), channels, skip_channels, batch_norm=batch_norm, **options
                    )
                )
                open_skips.append(layer.reduction)
            if layer.role is Role.LINEAR:
                out = out_channels if position == last else width
                normalise = batch_norm and position != last
                convolutions.append(
                    _with_weights(layer, channels, out, batch_norm=normalise, **options)
                )
                channels = out
            if isinstance(layer, Flatten):
                channels *= math.prod(sizes[position])
            if isinstance(layer, Upsample) and skip_channels:
                _close(open_skips, position, layer, before_last=position < last)
                channels += skip_channels
        if open_skips:
            raise ArchitectureError(
                f"skip_channels was {skip_channels}, and {len(open_skips)} of the subsamplings "
                "have no upsampling to connect to; pass skip_channels=0 or as much upsampling"
            )
        self.convolutions = nnx.List(convolutions)
        self.skips = nnx.List(skips)

    @property
    def parts(self) -> tuple["FiniteNetwork", ...]:
        """Itself: what stands side by side in a `ParallelNetwork`."""
        return (self,)

    def __call__(self, features: Float[Array, "n *sides c"]) -> Float[Array, "n *places d"]:
        """Output for a batch of feature priors or other images, channels last.

        Raises
        ------
        ArchitectureError : the sides do not fit the network, or the channels, or there are values
            that are NaN or infinite (where they are known: under `jax.jit` outputs are NaN).
        """
        *sides, channels = features.shape[1:]
        check(self.network, tuple(sides), axes=self.axes)
        if channels != self.in_channels:
            raise ArchitectureError(
                f"features have {channels} channels and the network was made for "
                f"{self.in_channels}; pass as many, or a network with in_channels={channels}"
            )
        if missing.is_known(features):
            raise ArchitectureError(
                "features hold values that are NaN or infinite; fill in or drop such pixels first"
            )
        circular = self.network.is_circular
        convolutions, skips = iter(self.convolutions), iter(self.skips)
        branches, activation, x = [], None, features
        for layer in self.network:
            if layer.reduction != 1 and self.skip_channels:
                branch = next(skips)(x)
                if activation is not None:
                    branch = apply_layer(activation, branch, circular, self.axes)
                branches.append(branch)
            x = (
                next(convolutions)(x)
                if layer.role is Role.LINEAR
                else apply_layer(layer, x, circular, self.axes)
            )
            if layer.role is Role.ACTIVATION:
                activation = layer
            if isinstance(layer, Upsample) and self.skip_channels:
                x = jnp.concatenate([x, branches.pop()], axis=-1)
        return nnx.sigmoid(x) if self.sigmoid else x


class ParallelNetwork(nnx.Module):
    """Networks side by side, their outputs added; made by `from_architecture`.

    Attributes
    ----------
    network : Parallel, what is computed.
    width, in_channels, out_channels : int, channels of each part of each branch.
    sigmoid : bool, whether the output is a probability.
    axes : int, of the images.
    branches : the networks, without a sigmoid.
    """

    def __init__(
        self,
        network: Parallel,
        width: int,
        in_channels: int,
        out_channels: int,
        *,
        sigmoid,
        axes,
        **each,
    ):
        self.network = network
        self.width = width
        self.in_channels = in_channels
        self.out_channels = out_channels
        self.sigmoid = sigmoid
        self.axes = axes
        sizes = width, in_channels, out_channels
        self.branches = nnx.List(
            FiniteNetwork(branch, *sizes, sigmoid=False, axes=axes, **each)
            for branch in network.branches
        )

    @property
    def parts(self) -> tuple[FiniteNetwork, ...]:
        """The branches."""
        return tuple(self.branches)

    def __call__(self, features: Float[Array, "n *sides c"]) -> Float[Array, "n *places d"]:
        """Output for a batch of feature priors, channels last."""
        check(self.network, features.shape[1:-1], axes=self.axes)
        outputs = (
            math.sqrt(weight) * branch(features)
            for weight, branch in zip(self.network.weights, self.branches, strict=True)
        )
        total = functools.reduce(operator.add, outputs)
        return nnx.sigmoid(total) if self.sigmoid else total


def from_architecture(
    network: Network,
    width: int,
    in_channels: int,
    out_channels: int = 1,
    *,
    parameterization: str = "ntk",
    batch_norm: bool = False,
    sigmoid: bool = False,
    skip_channels: int = 0,
    shape: tuple[int, ...] | None = None,
    axes: int = 2,
    rngs: nnx.Rngs,
) -> FiniteNetwork | ParallelNetwork:
    """Read an architecture as a network of finite width.

    As drawn, without batch normalization, a sigmoid or skip connections, its tangent kernel under
    the "ntk" parameterization converges to that of ``ntkmc.stax.from_architecture`` (and so to
    `PeriodicKernel`'s, where there is one) as ``width`` grows. Those three have no kernel here;
    they are what the paper's finite networks have.

    Parameters
    ----------
    network : Sequential or Parallel
    width : int
        Channels of every layer with weights but the last.
    in_channels, out_channels : int
        Channels of the feature prior, or whatever the images are, and of the output.
    parameterization : {"ntk", "standard"}
        Where the scale of the weights is: see `Convolution`.
    batch_norm : bool
        Normalise after every convolution but the last.
    sigmoid : bool
        End in a sigmoid, so that the output lies between 0 and 1.
    skip_channels : int
        Where positive: at each level what is about to be subsampled also goes through a 1x1
        convolution to so many channels (and the normalization and activation in use), and is
        concatenated to what the matching upsampling gives, as in the deep image prior (Ulyanov,
        Vedaldi and Lempitsky 2018).
    shape : (int, int), optional
        Height and width of the images. Needed where there is a `Flatten`, whose vectors are as long
        as the images are large.
    axes : int
        Of the images: 1 for signals, 3 for volumes, with filters and factors the same along each.
        Group convolutions are for pictures.
    rngs : nnx.Rngs
        Draws the weights, such as ``nnx.Rngs(0)``.

    Returns
    -------
    FiniteNetwork or ParallelNetwork
        A function of features (n, H, W, in_channels) to (n, H', W', out_channels), or to
        (n, out_channels) where pixels are pooled or flattened.

    Raises
    ------
    ArchitectureError
        If the network has no finite-width reading, or an argument is not what is described above.

    Examples
    --------
    >>> from flax import nnx
    >>> from ntkmc import autoencoder
    >>> module = from_architecture(autoencoder(2), width=64, in_channels=32, rngs=nnx.Rngs(0))
    >>> module(jax.numpy.ones((1, 16, 16, 32))).shape
    (1, 16, 16, 1)
    """
    check_structure(network)
    if shape is not None:
        check(network, shape, axes=axes)
    elif any(
        isinstance(layer, Flatten) for _, branch in weighted_branches(network) for layer in branch
    ):
        raise ArchitectureError(
            "the network has a Flatten, whose vectors are as long as the images are large; pass "
            "shape=(height, width)"
        )
    for name, value, least in (
        ("width", width, 1),
        ("in_channels", in_channels, 1),
        ("out_channels", out_channels, 1),
        ("skip_channels", skip_channels, 0),
        ("axes", axes, 1),
    ):
        integer = isinstance(value, numbers.Integral) and not isinstance(value, bool)
        if not integer or value < least:
            raise ArchitectureError(
                f"{name} was {value!r}; pass a whole number that is at least {least}"
            )
    if parameterization not in PARAMETERIZATIONS:
        raise ArchitectureError(
            f"parameterization was {parameterization!r}; pass one of {', '.join(PARAMETERIZATIONS)}"
        )
    make: Callable = ParallelNetwork if isinstance(network, Parallel) else FiniteNetwork
    return make(
        network,
        width,
        in_channels,
        out_channels,
        parameterization=parameterization,
        batch_norm=batch_norm,
        sigmoid=sigmoid,
        skip_channels=skip_channels,
        shape=shape,
        axes=axes,
        rngs=rngs,
    )


def _with_weights(layer: Any, in_channels: int, out_channels: int, *, axes: int, **options):
    """The module of a layer that has weights."""
    match layer:
        case LiftingConv() | GroupConv():
            if axes != 2:
                raise ArchitectureError(f"axes was {axes}, and {layer!r} is for pictures, with two")
            return GroupConvolution(layer, in_channels, out_channels, **options)
        case Dense():
            return DenseLayer(in_channels, out_channels, **options)
    return Convolution(layer, in_channels, out_channels, axes=axes, **options)


def _close(open_skips: list[ByAxis], position: int, layer: Upsample, before_last: bool) -> None:
    """Match an upsampling with the last subsampling that is not matched yet."""
    place = f"layer {position} ({layer!r})"
    if not open_skips or open_skips[-1] != layer.factor:
        factor = f"by {open_skips[-1]}" if open_skips else "left"
        raise ArchitectureError(
            f"{place}: no skip connection leads here, as there is no subsampling by "
            f"{layer.factor} to match ({factor}); pass skip_channels=0"
        )
    if not before_last:
        raise ArchitectureError(
            f"{place}: no convolution follows, and the output of a skip connection would be the "
            "network's; end in a Conv or pass skip_channels=0"
        )
    open_skips.pop()
