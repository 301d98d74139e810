"""The point groups that map the square pixel grid to itself."""

import functools
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
from jaxtyping import Int

# A NumPy or JAX array: both know the operations of `PointGroup.act`.
AnyArray = TypeVar("AnyArray", bound=Any)

_QUARTER = np.array([[0, -1], [1, 0]])
_MIRROR = np.array([[1, 0], [0, -1]])


@dataclass(frozen=True)
class PointGroup:
    r"""A finite group of rotations and reflections about the centre of an image.

    An element r is a signed permutation matrix that acts on positions t = (row, column), counted
    from the centre, and on images as :math:`(\rho(r) f)(t) = f(r^{-1} t)`. Elements are known by
    their number; number 0 is the identity e.

    Attributes
    ----------
    name : str
        Schoenflies' name: C for rotations, D for rotations and reflections.
    matrices : tuple of tuples
        Each element's matrix, row by row.
    """

    name: str
    matrices: tuple[tuple[int, int, int, int], ...]

    def __len__(self) -> int:
        return len(self.matrices)

    def __str__(self) -> str:
        return self.name

    @property
    def exchanges_sides(self) -> bool:
        """Whether an element turns rows into columns: images must be square then."""
        return any(matrix[0] == 0 for matrix in self.matrices)

    @functools.cached_property
    def product(self) -> Int[np.ndarray, "order order"]:
        """The number of the element r q at [r, q]."""
        number = {matrix: i for i, matrix in enumerate(self.matrices)}
        squares = np.reshape(self.matrices, (-1, 2, 2))
        return np.array([[number[_flat(r @ q)] for q in squares] for r in squares])

    @functools.cached_property
    def inverse(self) -> Int[np.ndarray, " order"]:
        """The number of the inverse of each element."""
        return np.argmin(self.product, axis=1)  # where the product is e, number 0

    @functools.cached_property
    def relative(self) -> Int[np.ndarray, "order order"]:
        """The number of r' r^-1 at [r, r']: all that a kernel between two elements depends on."""
        return self.product[:, self.inverse].T

    def act(self, x: AnyArray, element: int, axes: tuple[int, int] = (0, 1)) -> AnyArray:
        """Turn an array: rho(r) applied to a pair of its axes, rows and columns.

        Element 1 of C4 is ``numpy.rot90``, that of D1 is ``numpy.fliplr``.
        """
        matrix = self.matrices[element]
        if matrix[0] == 0:
            x = x.swapaxes(*axes)
        index = [slice(None)] * x.ndim
        for axis, row in zip(axes, (matrix[:2], matrix[2:]), strict=True):
            if sum(row) < 0:
                index[axis] = slice(None, None, -1)
        return x[tuple(index)]


def _flat(matrix: np.ndarray) -> tuple[int, int, int, int]:
    (a, b), (c, d) = matrix.tolist()
    return a, b, c, d


def _generate(name: str, rotations: int, reflections: bool) -> PointGroup:
    """Powers of one rotation and, after them, each of them behind the mirror."""
    turn = np.linalg.matrix_power(_QUARTER, 4 // rotations)
    turned = [np.linalg.matrix_power(turn, i) for i in range(rotations)]
    mirrored = [matrix @ _MIRROR for matrix in turned] if reflections else []
    return PointGroup(name, tuple(_flat(matrix) for matrix in turned + mirrored))


POINT_GROUPS: dict[str, PointGroup] = {
    name: _generate(name, int(name[1]), name[0] == "D")
    for name in ("C1", "C2", "C4", "D1", "D2", "D4")
}


def point_group(name: str) -> PointGroup:
    """The group of this name.

    C1 has the identity only, C2 half turns, C4 quarter turns; D1, D2 and D4 have these and the
    reflections that go with them, D1 the one that exchanges left and right. Together with
    translations C4 is p4, and D4 is p4m (Cohen and Welling, "Group equivariant convolutional
    networks", 2016).

    Raises
    ------
    ValueError
        For any other name. Other rotations do not map pixels to pixels.
    """
    if not isinstance(name, str) or name not in POINT_GROUPS:
        raise ValueError(
            f"group was {name!r}; pass one of {', '.join(POINT_GROUPS)}: no other rotation maps "
            "pixels to pixels, and there is no interpolation here"
        )
    return POINT_GROUPS[name]
