"""Layers that respect the symmetries of the pixel grid."""

from dataclasses import dataclass
from typing import ClassVar

from typing_extensions import override

from ntkmc.architecture.base import (
    ArchitectureError,
    Domain,
    Layer,
    Role,
    Shape,
    require_choice,
    require_int,
    require_odd,
)
from ntkmc.groups import PADDINGS, POINT_GROUPS, PointGroup, Window, make_window

GROUP_PADDINGS = tuple(padding.lower() for padding in PADDINGS)


@dataclass(frozen=True)
class _SymmetricConv(Layer):
    role: ClassVar[Role] = Role.LINEAR

    filter_size: int
    stride: int = 1
    padding: str = "valid"
    group: str = "C4"

    def __post_init__(self):
        require_int(self, "filter_size", minimum=1)
        require_odd(self, "filter_size")
        require_int(self, "stride", minimum=1)
        require_choice(self, "padding", GROUP_PADDINGS)
        require_choice(self, "group", tuple(POINT_GROUPS))

    @property
    def point_group(self) -> PointGroup:
        """The group itself."""
        return POINT_GROUPS[self.group]

    @property
    def window(self) -> Window:
        """What the convolution reads, and where its outputs are."""
        sides, strides = (self.filter_size,) * 2, (self.stride,) * 2
        return make_window(type(self).__name__, sides, strides, self.padding.upper(), self.group)

    @override
    def output_shape(self, shape: Shape) -> Shape:
        try:
            height, width = shape
            return self.window.outputs((height, width))
        except ValueError as error:
            raise ArchitectureError(str(error)) from None


@dataclass(frozen=True)
class LiftingConv(_SymmetricConv):
    """A convolution with an odd square filter in every orientation, without bias.

    The first layer of an equivariant network: to turn the image turns the output and permutes its
    orientations. `GroupConv` and activations follow, and `GroupPool` ends it. What is computed is
    said in `ntkmc.stax.LiftingConv`.

    Parameters
    ----------
    filter_size : int
        Side of the filter in pixels, odd.
    stride : int
        Above 1, sides for which the outputs are not placed symmetrically are refused.
    padding : {"valid", "same", "circular"}
        "valid" has outputs only where the whole filter lies within the image. Beyond the edge there
        are zeros for "same", and the opposite edge for "circular".
    group : {"C1", "C2", "C4", "D1", "D2", "D4"}
        The point group, see `ntkmc.groups.point_group`. Images must be square for C4 and D4, and
        may be rectangles for the others.
    """

    takes: ClassVar[Domain | None] = Domain.IMAGE
    gives: ClassVar[Domain | None] = Domain.GROUP


@dataclass(frozen=True)
class GroupConv(_SymmetricConv):
    """A convolution over pixels and orientations, without bias, of what `LiftingConv` gave.

    What is computed is said in `ntkmc.stax.GroupConv`.

    Parameters
    ----------
    filter_size, stride, padding, group
        As in `LiftingConv`; the group must be the same.
    """

    takes: ClassVar[Domain | None] = Domain.GROUP
    gives: ClassVar[Domain | None] = Domain.GROUP


@dataclass(frozen=True)
class GroupPool(Layer):
    """The mean over the orientations: an image again, which turns as the network's input turns."""

    takes: ClassVar[Domain | None] = Domain.GROUP
    gives: ClassVar[Domain | None] = Domain.IMAGE
