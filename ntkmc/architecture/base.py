"""What all layers of a network share."""

import dataclasses
import enum
import numbers
import operator
from dataclasses import dataclass
from typing import ClassVar

Shape = tuple[int, ...]
ByAxis = int | tuple[int, ...]
"""The same along each axis of an image, or one number an axis."""


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
    """What all layers share. Sizes are (height, width) in pixels, or of other axes than two."""

    by_axis: ClassVar[str | None] = None  # the field that may differ by axis
    role: ClassVar[Role] = Role.PASSIVE
    takes: ClassVar[Domain | None] = None  # None: any, and its outputs are as its inputs are
    gives: ClassVar[Domain | None] = None

    @property
    def axes(self) -> int | None:
        """How many axes an image has that it can take; None: any number."""
        value = getattr(self, self.by_axis) if self.by_axis else None
        return len(value) if isinstance(value, tuple) else None

    def along(self, axis: int) -> "Layer":
        """What it does along one axis, as a layer that is the same along each.

        Raises
        ------
        ArchitectureError
            If it is for images of fewer axes.
        """
        if self.axes is None or self.by_axis is None:
            return self
        if axis >= self.axes:
            raise ArchitectureError(
                f"{self!r} is for images of {self.axes} axes; pass one number for each axis, or "
                "one for all"
            )
        return self._with(getattr(self, self.by_axis)[axis])

    def _with(self, value: int) -> "Layer":
        """Itself with this along every axis."""
        return dataclasses.replace(self, **{self.by_axis or "": value})

    @property
    def reduction(self) -> ByAxis:
        """The factor by which each side shrinks (1: it does not). It must divide the side."""
        return 1

    @property
    def enlargement(self) -> ByAxis:
        """The factor by which each side grows (1: it does not)."""
        return 1

    def output_shape(self, shape: Shape) -> Shape:
        """Size of the output for an input of size ``shape``.

        Raises
        ------
        ArchitectureError
            If the layer cannot take an image of this size, or with so many axes.
        """
        if self.axes not in (None, len(shape)):
            raise ArchitectureError(
                f"the image is {spelled(shape)} here, and {self.by_axis} is for {self.axes} axes; "
                "pass one number for each axis, or one for all"
            )
        grow = one_an_axis(self.enlargement, len(shape))
        shrink = one_an_axis(self.reduction, len(shape))
        if any(side % factor for side, factor in zip(shape, shrink, strict=True)):
            by = self.reduction if isinstance(self.reduction, int) else spelled(self.reduction)
            raise ArchitectureError(
                f"the image is {spelled(shape)} here, and its sides must divide by {by}"
            )
        return tuple(side * up // down for side, up, down in zip(shape, grow, shrink, strict=True))


def one_an_axis(value: ByAxis, axes: int) -> tuple[int, ...]:
    """One number for each axis, where one is for all, too."""
    return (value,) * axes if isinstance(value, int) else value


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


def require_by_axis(layer: Layer, field: str, minimum: int) -> None:
    """Make a field an int, or a tuple of one int an axis, none less than 1; or refuse it."""
    value = getattr(layer, field)
    if not isinstance(value, tuple | list):
        return require_int(layer, field, minimum)
    integers = all(isinstance(v, numbers.Integral) and not isinstance(v, bool) for v in value)
    if not value or not integers or min(value) < 1 or max(value) < minimum:
        more = f", at least one of them {minimum}" if minimum > 1 else ""
        raise ArchitectureError(
            f"{type(layer).__name__}: {field} was {value!r}; pass one whole number for each axis "
            f"that is at least 1{more}"
        )
    object.__setattr__(layer, field, tuple(map(operator.index, value)))
    return None


def require_odd(layer: Layer, field: str) -> None:
    """Refuse an even side of a filter."""
    value = getattr(layer, field)
    if any(side % 2 == 0 for side in one_an_axis(value, 1)):
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
