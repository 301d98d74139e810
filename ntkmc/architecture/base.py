"""What all layers of a network share."""

import enum
import numbers
import operator
from dataclasses import dataclass
from typing import ClassVar

Shape = tuple[int, ...]


class ArchitectureError(ValueError):
    """A network, or one of its layers, that cannot be built or cannot take an image."""


class Role(enum.Enum):
    """What a layer does to the distribution of the values it is given, at infinite width.

    The dual activation of a nonlinearity is an expectation over Gaussians, and it is the sum over
    the channels of a layer with weights that makes values Gaussian.
    """

    LINEAR = "has weights: its outputs are Gaussian"
    ACTIVATION = "nonlinear: needs Gaussian inputs, and its outputs are not"
    PASSIVE = "neither: its outputs are as its inputs were"


class Domain(enum.Enum):
    """What the values of a layer are indexed by, besides the channel."""

    IMAGE = "pixels"
    GROUP = "pixels and elements of a point group"
    VECTOR = "channels alone"


@dataclass(frozen=True)
class Layer:
    """What all layers share. Sizes are (height, width) in pixels."""

    role: ClassVar[Role] = Role.PASSIVE
    takes: ClassVar[Domain | None] = None  # None: any, and its outputs are as its inputs are
    gives: ClassVar[Domain | None] = None

    @property
    def reduction(self) -> int:
        """The factor by which each side shrinks (1: it does not). It must divide the side."""
        return 1

    @property
    def enlargement(self) -> int:
        """The factor by which each side grows (1: it does not)."""
        return 1

    def output_shape(self, shape: Shape) -> Shape:
        """Size of the output for an input of size ``shape``.

        Raises
        ------
        ArchitectureError
            If the layer cannot take an image of this size.
        """
        grow, shrink = self.enlargement, self.reduction
        if any(side % shrink for side in shape):
            raise ArchitectureError(
                f"the image is {spelled(shape)} here, and its sides must divide by {shrink}"
            )
        return tuple(side * grow // shrink for side in shape)


def spelled(shape: Shape) -> str:
    """Such as "256 x 384"."""
    return " x ".join(map(str, shape))


def require_int(layer: Layer, field: str, minimum: int) -> None:
    """Make a field an int, or refuse it."""
    value = getattr(layer, field)
    integer = isinstance(value, numbers.Integral) and not isinstance(value, bool)
    if not integer or value < minimum:
        raise ArchitectureError(
            f"{type(layer).__name__}: {field} was {value!r}; "
            f"pass a whole number that is at least {minimum}"
        )
    object.__setattr__(layer, field, operator.index(value))


def require_odd(layer: Layer, field: str) -> None:
    """Refuse an even side of a filter."""
    value = getattr(layer, field)
    if value % 2 == 0:
        raise ArchitectureError(
            f"{type(layer).__name__}: {field} was {value}; pass an odd number, so that the filter "
            "has a centre"
        )


def require_choice(layer: Layer, field: str, choices: tuple[str, ...]) -> None:
    """Refuse what is none of the choices."""
    value = getattr(layer, field)
    if value not in choices:
        raise ArchitectureError(
            f"{type(layer).__name__}: {field} was {value!r}; pass one of {', '.join(choices)}"
        )
