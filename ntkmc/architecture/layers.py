"""The layers a network is made of, as plain data.

A layer is a frozen dataclass: it compares and hashes by value (so it can be a static argument of
``jax.jit``) and says nothing about how it is computed. What *is* said here is what every reading
needs to agree on: how a layer changes the size of an image, and which part it plays.

To add a layer: write its dataclass, and list it in ``LAYERS`` under the name YAML gives it.
"""

import math
import numbers
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import ClassVar

from typing_extensions import override

from ntkmc.architecture.base import (
    ArchitectureError,
    ByAxis,
    Domain,
    Layer,
    Role,
    Shape,
    one_an_axis,
    require_by_axis,
    require_choice,
    require_int,
    require_odd,
    spelled,
)
from ntkmc.architecture.group_layers import GroupConv, GroupPool, LiftingConv
from ntkmc.architecture.heads import Dense, Flatten, GlobalAvgPool

PADDINGS = ("circular", "same", "reflect")
UPSAMPLINGS = ("nearest", "bilinear", "bilinear_align_corners")


@dataclass(frozen=True)
class Conv(Layer):
    """A convolution with an odd filter, without bias.

    Parameters
    ----------
    filter_size : int or tuple of int
        Side of the filter in pixels, odd; one for each axis where they differ.
    stride : int
        Outputs are computed at the rows and columns that are 0 modulo ``stride``, which must divide
        the sides of the image.
    padding : {"circular", "same", "reflect"}
        What lies beyond the edge: the opposite edge, zeros, or the mirrored image (the edge pixel
        itself not repeated). All three keep the size.
    """

    role: ClassVar[Role] = Role.LINEAR
    takes: ClassVar[Domain | None] = Domain.IMAGE
    by_axis: ClassVar[str | None] = "filter_size"

    filter_size: ByAxis
    stride: int = 1
    padding: str = "circular"

    def __post_init__(self):
        require_by_axis(self, "filter_size", minimum=1)
        require_int(self, "stride", minimum=1)
        require_choice(self, "padding", PADDINGS)
        require_odd(self, "filter_size")

    @property
    @override
    def reduction(self) -> int:
        return self.stride

    @override
    def output_shape(self, shape: Shape) -> Shape:
        after = super().output_shape(shape)
        reach = [size // 2 for size in one_an_axis(self.filter_size, len(shape))]
        small = any(side <= beyond for side, beyond in zip(shape, reach, strict=True))
        if self.padding == "reflect" and small:
            raise ArchitectureError(
                f"the image is {spelled(shape)} here, too small to reflect {max(reach)} pixel(s) "
                "at its edges"
            )
        return after


@dataclass(frozen=True)
class Relu(Layer):
    """``sqrt(2) max(x, 0)``; the factor makes its dual activation 1 at 1."""

    role: ClassVar[Role] = Role.ACTIVATION


@dataclass(frozen=True)
class LeakyRelu(Layer):
    """``c max(x, a x)`` with ``c^2 = 2 / (1 + a^2)``, which makes its dual activation 1 at 1.

    Parameters
    ----------
    negative_slope : float
        The slope ``a`` where x is negative, in (-1, 1): at -1 and 1 it would be ``|x|`` and ``x``.
    """

    role: ClassVar[Role] = Role.ACTIVATION

    negative_slope: float = 0.01

    def __post_init__(self):
        slope = self.negative_slope
        number = isinstance(slope, numbers.Real) and not isinstance(slope, bool)
        if not number or not -1 < slope < 1:
            raise ArchitectureError(
                f"LeakyRelu: negative_slope was {slope!r}; pass a number between -1 and 1"
            )
        object.__setattr__(self, "negative_slope", float(slope))


@dataclass(frozen=True)
class Identity(Layer):
    """``x``: a linear network is written with it in the place of an activation."""


@dataclass(frozen=True)
class Erf(Layer):
    """The error function ``erf(x)``, unnormalised."""

    role: ClassVar[Role] = Role.ACTIVATION


@dataclass(frozen=True)
class Downsample(Layer):
    """Keeps the rows and columns that are 0 modulo ``factor``, which must divide the sides.

    Parameters
    ----------
    factor : int or tuple of int
        At least 2; one for each axis where they differ, 1 where all is kept.
    """

    takes: ClassVar[Domain | None] = Domain.IMAGE
    by_axis: ClassVar[str | None] = "factor"

    factor: ByAxis = 2

    def __post_init__(self):
        require_by_axis(self, "factor", minimum=2)

    @override
    def _with(self, value: int) -> Layer:
        return super()._with(value) if value > 1 else Identity()

    @property
    @override
    def reduction(self) -> ByAxis:
        return self.factor


@dataclass(frozen=True)
class Upsample(Layer):
    """Multiplies the sides by ``factor``.

    Parameters
    ----------
    factor : int or tuple of int
        At least 2; one for each axis where they differ, 1 where nothing is done.
    method : {"nearest", "bilinear", "bilinear_align_corners"}
        ``nearest`` repeats each pixel ``factor`` times. ``bilinear`` interpolates with the
        half-pixel convention (PyTorch's ``align_corners=False``): output ``i`` stands at
        ``(i + 1/2) / factor - 1/2`` in units of input pixels. Beyond the edge it reads the opposite
        edge in a network whose convolutions are circular, and repeats the edge pixel in any other.
        ``bilinear_align_corners`` (PyTorch's ``align_corners=True``; the paper's appendix L) lays
        the corner pixels on each other: of n pixels, output ``i`` stands at
        ``i (n - 1) / (factor n - 1)``, never beyond the edge. It does not commute with shifts.
    """

    takes: ClassVar[Domain | None] = Domain.IMAGE
    by_axis: ClassVar[str | None] = "factor"

    factor: ByAxis = 2
    method: str = "nearest"

    def __post_init__(self):
        require_by_axis(self, "factor", minimum=2)
        require_choice(self, "method", UPSAMPLINGS)

    @override
    def _with(self, value: int) -> Layer:
        return super()._with(value) if value > 1 else Identity()

    @property
    @override
    def enlargement(self) -> ByAxis:
        return self.factor


@dataclass(frozen=True)
class Sequential:
    """Layers applied one after the other.

    Parameters
    ----------
    layers : iterable of Layer or Sequential
        A ``Sequential`` among them is replaced by its layers, so that two networks are equal when
        they apply the same layers. Positions in messages count from 0, as in ``network[0]``.
    """

    layers: tuple[Layer, ...]

    def __init__(self, layers: Iterable["Layer | Sequential"]):
        object.__setattr__(self, "layers", tuple(_flatten(layers)))

    def __iter__(self) -> Iterator[Layer]:
        return iter(self.layers)

    def __len__(self) -> int:
        return len(self.layers)

    def __getitem__(self, index: int) -> Layer:
        return self.layers[index]

    @property
    def axes(self) -> int | None:
        """How many axes the images have that its first layer with a say takes; None: any number."""
        return next((layer.axes for layer in self.layers if layer.axes is not None), None)

    def along(self, axis: int) -> "Sequential":
        """What it does along one axis of an image: where its layers differ by axis, those of it."""
        return Sequential(layer.along(axis) for layer in self.layers)

    @property
    def side_multiple(self) -> int:
        """The smallest m such that every image whose sides are multiples of m passes.

        Group convolutions, which ask for other sides, are not counted.
        """
        axes = range(self.axes or 1)
        return math.lcm(*(_side_multiple(self.along(axis).layers) for axis in axes))

    @property
    def is_circular(self) -> bool:
        """Whether every convolution pads circularly: the network then commutes with shifts."""
        convolutions = (x for x in self.layers if isinstance(x, Conv | LiftingConv | GroupConv))
        return all(layer.padding == "circular" for layer in convolutions)


LAYERS: dict[str, type[Layer]] = {
    "conv": Conv,
    "relu": Relu,
    "leaky_relu": LeakyRelu,
    "identity": Identity,
    "erf": Erf,
    "downsample": Downsample,
    "upsample": Upsample,
    "lifting_conv": LiftingConv,
    "group_conv": GroupConv,
    "group_pool": GroupPool,
    "flatten": Flatten,
    "global_avg_pool": GlobalAvgPool,
    "dense": Dense,
}


def _side_multiple(layers) -> int:
    multiple, up, down = 1, 1, 1
    for layer in layers:
        down *= layer.reduction
        multiple = math.lcm(multiple, down // math.gcd(up, down))
        up *= layer.enlargement
    return multiple


def _flatten(layers: Iterable[Layer | Sequential]) -> Iterator[Layer]:
    position = 0
    for layer in layers:
        for inner in layer if isinstance(layer, Sequential) else (layer,):
            if not isinstance(inner, Layer):
                raise ArchitectureError(f"layer {position}: {_not_a_layer(inner)}")
            yield inner
            position += 1


def _not_a_layer(candidate: object) -> str:
    if isinstance(candidate, type) and issubclass(candidate, Layer):
        return f"{candidate.__name__} is the class; pass an instance, {candidate.__name__}(...)"
    names = ", ".join(layer.__name__ for layer in LAYERS.values())
    return f"{candidate!r} is not a layer; pass one of {names}"
