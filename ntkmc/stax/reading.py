"""A network of `ntkmc.architecture` as a layer of neural-tangents."""

import math
from collections.abc import Callable, Iterator

from ntkmc._neural_tangents import neural_tangents as nt
from ntkmc.architecture import (
    ArchitectureError,
    Conv,
    Dense,
    Downsample,
    Erf,
    Flatten,
    GlobalAvgPool,
    GroupConv,
    GroupPool,
    Identity,
    Layer,
    LeakyRelu,
    LiftingConv,
    Network,
    Parallel,
    Relu,
    Role,
    Sequential,
    Upsample,
    check_structure,
    weighted_branches,
)
from ntkmc.architecture.base import one_an_axis
from ntkmc.stax import group_conv, group_pool, lifting_conv
from ntkmc.stax.bilinear_upsample import BilinearUpsample
from ntkmc.stax.nearest_upsample import NearestUpsample
from ntkmc.stax.reflect_pad import ReflectPad
from ntkmc.stax.subsample import Subsample

Triple = tuple[Callable, Callable, Callable]


def from_architecture(network: Network, width: int = 512) -> Triple:
    """Read a network as neural-tangents' triple.

    NTK parameterization, weights of variance one, no biases; `Relu` and `LeakyRelu` are scaled so
    that their dual activation is 1 at 1. Images (batch, H, W, channels) with any number of
    channels, such as the feature prior's, become (batch, H', W', 1), or (batch, 1) where pixels are
    pooled or flattened.

    Parameters
    ----------
    network : Sequential or Parallel
    width : int
        Channels of every layer with weights but the last, which has one. The kernel is that of
        infinite width whatever it is.

    Returns
    -------
    (init_fn, apply_fn, kernel_fn)
        As from `stax.serial`; put it into another one to go on::

            stax.serial(stax.from_architecture(network), stax.CompletionReadout(rows, columns))

    Raises
    ------
    ArchitectureError
        For a network that has no kernel, as `ntkmc.architecture.check_structure` says, or a
        ``width`` that is no whole number or below 1.

    Notes
    -----
    Sides that a stride or a `Downsample` does not divide are rounded up here; the other readings
    refuse them. ``kernel_fn`` holds (H W)^2 numbers several times over: for the kernels of large
    images see `ntkmc.kernels`.
    """
    if isinstance(width, bool) or not isinstance(width, int) or width < 1:
        raise ArchitectureError(
            f"from_architecture: width was {width!r}; pass a whole number that is at least 1"
        )
    check_structure(network)
    if isinstance(network, Parallel):
        branches = [_branch(branch, width, w) for w, branch in weighted_branches(network)]
        return nt.stax.serial(
            nt.stax.FanOut(len(branches)), nt.stax.parallel(*branches), nt.stax.FanInSum()
        )
    return _branch(network, width)


def _branch(network: Sequential, width: int, weight: float = 1.0) -> Triple:
    """One network; ``weight`` multiplies its kernel."""
    last = max(i for i, layer in enumerate(network) if layer.role is Role.LINEAR)
    layers: list[Triple] = []
    for position, layer in enumerate(network):
        channels = 1 if position == last else width
        scale = math.sqrt(weight) if position == last else 1.0
        layers.extend(_read(layer, channels, network.is_circular, scale))
    return nt.stax.serial(*layers)


def _read(layer: Layer, channels: int, circular: bool, scale: float) -> Iterator[Triple]:
    match layer:
        case Conv(filter_size, stride, padding):
            filter_shape = one_an_axis(filter_size, 2)
            if padding == "reflect":
                yield ReflectPad(_same(layer, filter_size) // 2)
                yield nt.stax.Conv(channels, filter_shape, padding="VALID", W_std=scale)
            else:
                yield nt.stax.Conv(channels, filter_shape, padding=padding.upper(), W_std=scale)
            # Not the convolution's own strides, which would not keep filters centred.
            if stride > 1:
                yield Subsample(stride)
        case Relu():
            yield _leaky_relu(0.0)
        case LeakyRelu(negative_slope):
            yield _leaky_relu(negative_slope)
        case Identity():
            yield nt.stax.Identity()
        case LiftingConv() | GroupConv():
            lifts = isinstance(layer, LiftingConv)
            convolution = lifting_conv.LiftingConv if lifts else group_conv.GroupConv
            window = layer.window
            yield convolution(
                channels,
                window.filter_shape,
                window.strides,
                window.padding,
                layer.group,
                W_std=scale,
            )
        case GroupPool():
            yield group_pool.GroupPool()
        case Flatten():
            yield nt.stax.Flatten()
        case GlobalAvgPool():
            yield nt.stax.GlobalAvgPool()
        case Dense():
            yield nt.stax.Dense(channels, W_std=scale, b_std=None)
        case Erf():
            yield nt.stax.Erf()
        case Downsample(factor):
            yield Subsample(_same(layer, factor))
        case Upsample(factor, "nearest"):
            yield NearestUpsample(_same(layer, factor))
        case Upsample(factor, "bilinear"):
            boundary = "circular" if circular else "edge"
            yield BilinearUpsample(_same(layer, factor), boundary=boundary)
        case _:
            raise ArchitectureError(f"{layer!r} has no reading for neural-tangents")


def _same(layer, value) -> int:
    """What the layers of `ntkmc.stax` have the same along both axes."""
    if len(set(one_an_axis(value, 2))) > 1:
        raise ArchitectureError(
            f"{layer!r} differs by axis, and its layer in ntkmc.stax does not; pass one number, or "
            "read the network with PeriodicKernel or ntkmc.finite"
        )
    return one_an_axis(value, 2)[0]


def _leaky_relu(slope: float) -> Triple:
    scale = math.sqrt(2 / (1 + slope**2))
    return nt.stax.ABRelu(scale * slope, scale)
