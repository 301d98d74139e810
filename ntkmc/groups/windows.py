"""Where a convolution that respects a point group reads and writes."""

import numbers
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ntkmc.groups.point_groups import PointGroup, point_group

PADDINGS = ("VALID", "SAME", "CIRCULAR")

Shape = tuple[int, int]


@dataclass(frozen=True)
class Window:
    """A centred filter, its strides, and what it reads beyond the edges of an image.

    Made by `make_window`, which refuses what the group does not map to itself.

    Attributes
    ----------
    filter_shape, strides : (rows, columns)
    padding : "VALID" (outputs only where the whole filter lies within the image), "SAME" (zeros
        beyond the edges) or "CIRCULAR" (the opposite edge)
    group : PointGroup
    """

    filter_shape: Shape
    strides: Shape
    padding: str
    group: PointGroup

    def outputs(self, shape: Shape) -> Shape:
        """Rows and columns of the output for an image of this shape.

        Raises
        ------
        ValueError
            If the group does not map the image, or the places of the outputs, to themselves, or if
            there would be none.
        """
        height, width = shape
        if self.group.exchanges_sides and height != width:
            raise ValueError(
                f"the image is {height} x {width} and {self.group} exchanges rows and columns; "
                "pass square images, or one of the groups C1, C2, D1, D2"
            )
        counts = [self._count(axis, side) for axis, side in enumerate(shape)]
        for axis, (side, count) in enumerate(zip(shape, counts, strict=True)):
            if count < 1:
                raise ValueError(
                    f"the image is {height} x {width}, less than the filter, "
                    f"{self.filter_shape[0]} x {self.filter_shape[1]}; pass larger images"
                )
            if len(self.group) > 1 and not self._is_centred(axis, side):
                larger = next(n for n in range(side, 4 * side + 99) if self._is_centred(axis, n))
                raise ValueError(
                    f"stride {self.strides[axis]} with padding {self.padding} does not treat both "
                    f"ends of a side of {side} pixels alike, which {self.group} exchanges; "
                    f"pass stride 1, or sides that are symmetric (the next is {larger})"
                )
        return counts[0], counts[1]

    def edges(self, axis: int, side: int) -> tuple[int, int]:
        """How many pixels are read beyond either end of the rows (0) or columns (1)."""
        if self.padding == "VALID":
            return 0, 0
        size, stride = self.filter_shape[axis], self.strides[axis]
        total = max((self._count(axis, side) - 1) * stride + size - side, 0)
        return total // 2, total - total // 2

    def _count(self, axis: int, side: int) -> int:
        size, stride = self.filter_shape[axis], self.strides[axis]
        reach = size - 1 if self.padding == "VALID" else 0
        return -(-(side - reach) // stride) if side > reach else 0

    def _is_centred(self, axis: int, side: int) -> bool:
        """Whether the middle of the outputs is the middle of the image."""
        first = self.filter_shape[axis] // 2 - self.edges(axis, side)[0]
        last = first + (self._count(axis, side) - 1) * self.strides[axis]
        return first + last == side - 1


def make_window(
    layer: str,
    filter_shape: Sequence[int],
    strides: Sequence[int] | None,
    padding: str,
    group: str,
) -> Window:
    """A window from a layer's arguments.

    Parameters
    ----------
    layer : its name, for messages.
    filter_shape, strides, padding, group : as in `Window`; strides of None are 1.

    Raises
    ------
    ValueError
        Naming the argument, if it is not as described there, if a side of the filter is even, or if
        the filter or the strides are not the same for rows and columns and the group exchanges
        them.
    """
    try:
        found = point_group(group)
    except ValueError as error:
        raise ValueError(f"{layer}: {error}") from None
    sizes = _pair(layer, "filter_shape", filter_shape)
    steps = _pair(layer, "strides", (1, 1) if strides is None else strides)
    if not all(size % 2 for size in sizes):
        raise ValueError(
            f"{layer}: filter_shape was {sizes}; pass odd sides, so that the filter has a centre"
        )
    if padding not in PADDINGS:
        raise ValueError(
            f"{layer}: padding was {padding!r}; pass one of {', '.join(map(repr, PADDINGS))}"
        )
    for name, (rows, columns) in (("filter_shape", sizes), ("strides", steps)):
        if found.exchanges_sides and rows != columns:
            raise ValueError(
                f"{layer}: {name} was {(rows, columns)} and {found} exchanges rows and columns; "
                "pass the same number twice, or one of the groups C1, C2, D1, D2"
            )
    return Window(sizes, steps, padding, found)


def _pair(layer: str, name: str, value: Any) -> Shape:
    def whole(number):
        return isinstance(number, numbers.Integral) and not isinstance(number, bool)

    sequence = isinstance(value, Sequence) and len(value) == 2
    if not sequence or not all(whole(n) and n >= 1 for n in value):
        raise ValueError(f"{layer}: {name} was {value!r}; pass two whole numbers, at least 1")
    return int(value[0]), int(value[1])
