"""What the Gram builder does for a network: convolutions, the readout, and what follows it."""

from dataclasses import dataclass
from typing import NamedTuple

from ntkmc.architecture import (
    ArchitectureError,
    Conv,
    Dense,
    Domain,
    Downsample,
    Flatten,
    GlobalAvgPool,
    GroupConv,
    GroupPool,
    Identity,
    Layer,
    LiftingConv,
    Role,
    Sequential,
    check,
    check_structure,
)
from ntkmc.architecture.base import one_an_axis
from ntkmc.groups import PointGroup, point_group
from ntkmc.kernels.duals import HOMOGENEOUS

Shape = tuple[int, ...]


class Window(NamedTuple):
    """What a convolution reads along one axis: output o the inputs o stride - before + (0 .. size).

    `edge` says what lies beyond the edges: "none" (nothing is read there), "zero" or "wrap".
    """

    size: int
    stride: int
    before: int
    edge: str


class Step(NamedTuple):
    """A convolution (or a subsampling, which has no weights) and the activation after it."""

    windows: tuple[Window, Window]
    has_weights: bool
    activation: Layer


@dataclass(frozen=True)
class Plan:
    """A network as the Gram builder reads it.

    Attributes
    ----------
    sizes : of the image, and after each step.
    steps : from the image to what is pooled or flattened.
    group : the point group whose elements are pooled (C1 for a plain network).
    pools : whether all pixels are pooled; otherwise they are flattened.
    head : `Dense` layers and activations after that.
    """

    sizes: tuple[Shape, ...]
    steps: tuple[Step, ...]
    group: PointGroup
    pools: bool
    head: tuple[Layer, ...]

    @property
    def head_bends(self) -> bool:
        """Whether an activation follows the readout, which needs every image's own variance."""
        return any(layer.role is Role.ACTIVATION for layer in self.head)

    @property
    def pooled_is_homogeneous(self) -> bool:
        """Whether what is pooled or flattened is r times as much for r times an image."""
        return all(isinstance(step.activation, HOMOGENEOUS) for step in self.steps)

    @property
    def is_homogeneous(self) -> bool:
        """Whether the output is."""
        head = (layer for layer in self.head if layer.role is Role.ACTIVATION)
        return self.pooled_is_homogeneous and all(isinstance(layer, HOMOGENEOUS) for layer in head)


def plan_of(network: Sequential, shape: Shape) -> Plan:
    """Read a network for images of this shape.

    Raises
    ------
    ArchitectureError
        If the network cannot take such images or has no kernel; if it gives an image, not a vector;
        or if it has a layer that mixes pixels in a way that the builder does not follow.
    """
    sizes = check(network, shape)
    if check_structure(network) is not Domain.VECTOR:
        raise ArchitectureError(
            "the network gives an image for an image; end it in GlobalAvgPool() or Flatten(), then "
            "Dense(), or build a kernel between pixels (PeriodicKernel, GridKernel)"
        )
    layers = list(enumerate(network))
    end = next(i for i, layer in layers if isinstance(layer, Flatten | GlobalAvgPool))
    steps: list[Step] = []
    step_sizes, group, pooled = [shape], "C1", False
    for position, layer in layers[:end]:
        before = sizes[position - 1] if position else shape
        if isinstance(layer, GroupPool):
            pooled = True
        elif pooled and not isinstance(layer, Identity):
            raise _unread(position, layer, "it follows a GroupPool; put only a readout there")
        elif isinstance(layer, Conv | LiftingConv | GroupConv | Downsample):
            steps.append(Step(_windows(position, layer, before), _has_weights(layer), Identity()))
            step_sizes.append(sizes[position])
            group = getattr(layer, "group", group)
        elif layer.role is Role.ACTIVATION:
            steps[-1] = steps[-1]._replace(activation=layer)
        elif not isinstance(layer, Identity):
            raise _unread(position, layer, "pass a network without it")
    if not steps:  # pixels themselves are pooled
        nothing = Window(1, 1, 0, "none")
        steps, step_sizes = [Step((nothing, nothing), False, Identity())], [shape, shape]
    return Plan(
        tuple(step_sizes),
        tuple(steps),
        point_group(group),
        isinstance(network[end], GlobalAvgPool),
        tuple(layer for layer in network.layers[end + 1 :] if not isinstance(layer, Identity)),
    )


def _has_weights(layer: Layer) -> bool:
    return layer.role is Role.LINEAR and not isinstance(layer, Dense)


def _windows(position: int, layer: Layer, shape: Shape) -> tuple[Window, Window]:
    if isinstance(layer, Downsample):
        first, second = (Window(1, factor, 0, "none") for factor in one_an_axis(layer.factor, 2))
        return first, second
    if isinstance(layer, Conv):
        if layer.padding == "reflect":
            raise _unread(position, layer, 'pass padding="same" or "circular"')
        edge = "wrap" if layer.padding == "circular" else "zero"
        first, second = (
            Window(size, layer.stride, size // 2, edge if size > 1 else "none")
            for size in one_an_axis(layer.filter_size, 2)
        )
        return first, second
    reads = layer.window  # type: ignore[attr-defined]
    edge = {"VALID": "none", "SAME": "zero", "CIRCULAR": "wrap"}[reads.padding]
    first, second = (
        Window(size, stride, reads.edges(axis, side)[0], edge if size > 1 else "none")
        for axis, (size, stride, side) in enumerate(
            zip(reads.filter_shape, reads.strides, shape, strict=True)
        )
    )
    return first, second


def _unread(position: int, layer: Layer, advice: str) -> ArchitectureError:
    return ArchitectureError(
        f"layer {position} ({layer!r}): the Gram builder has no reading of it here; {advice}, or "
        "read the network with ntkmc.stax.from_architecture"
    )
