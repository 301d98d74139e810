"""What a solver may ask of a kernel, and what its entries are enough for."""

from typing import Protocol, runtime_checkable

import jax
import numpy as np
from jax.typing import ArrayLike

from ntkmc import memory

Pixels = tuple[ArrayLike, ...]
"""Pixels as one integer array (or number) an axis: rows and columns, or three for a volume."""


@runtime_checkable
class KernelOperator(Protocol):
    """A symmetric kernel between the pixels of a grid, (H, W) mostly, also a JAX pytree."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Sides of the grid."""
        ...

    @property
    def dtype(self) -> np.dtype:
        """Precision the kernel is known to."""
        ...

    @property
    def diagonal(self) -> jax.Array:
        """K(x, x), of the shape of the grid."""
        ...

    @property
    def memory_bytes(self) -> int:
        """Bytes the kernel occupies."""
        ...

    def matvec(self, images: jax.Array) -> jax.Array:
        """Kernel matrix times images (..., *shape)."""
        ...

    def entries(self, pixels_a: Pixels, pixels_b: Pixels) -> jax.Array:
        """Kernel between pixels, broadcast."""
        ...

    def dense(self, pixels_a: Pixels, pixels_b: Pixels) -> jax.Array:
        """Kernel matrix between two lists of pixels."""
        ...


def coordinates(pixels: Pixels, name: str = "pixels", axes: int = 2) -> Pixels:
    """One array an axis, refused where they are not as many, as a list of pairs is not.

    Raises
    ------
    ValueError
        Naming the argument and how to turn pairs into rows and columns.
    """
    try:
        sides = tuple(pixels)
    except TypeError:
        sides = ()
    if len(sides) != axes:
        shape = getattr(pixels, "shape", None)
        was = f"{pixels!r:.60}" if shape is None else f"of shape {shape}"
        wanted = "(rows, columns), two" if axes == 2 else f"one for each axis, {axes}"
        each = ", ".join(f"p[:, {axis}]" for axis in range(axes))
        raise ValueError(
            f"{name} was {was}; pass {wanted} integer arrays: of an array p of "
            f"{'pairs' if axes == 2 else 'positions'}, ({each})"
        )
    return sides


def dense_matrix(kernel: KernelOperator, pixels_a: Pixels, pixels_b: Pixels) -> jax.Array:
    """Matrix of a kernel's entries between two lists of pixels, refused if it would not fit."""
    axes = len(kernel.shape)
    pixels_a = coordinates(pixels_a, "pixels_a", axes)
    pixels_b = coordinates(pixels_b, "pixels_b", axes)
    sizes = np.size(pixels_a[0]), np.size(pixels_b[0])
    memory.require(
        (kernel.dtype.itemsize + 8) * sizes[0] * sizes[1],
        f"a dense {sizes[0]} x {sizes[1]} kernel matrix",
        "ask for fewer pixels at a time, or use matvec, which needs no matrix of these",
    )
    # Lists become NumPy arrays: to make JAX's of them compiles a program for each length.
    sides = [
        tuple(side if isinstance(side, jax.Array) else np.asarray(side) for side in pixels)
        for pixels in (pixels_a, pixels_b)
    ]
    return _entries(kernel, *sides)


@jax.jit
def _entries(kernel, pixels_a, pixels_b):
    rows = tuple(side[:, None] for side in pixels_a)
    return kernel.entries(rows, tuple(side[None, :] for side in pixels_b))
