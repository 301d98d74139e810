"""What a solver may ask of a kernel, and what its entries are enough for."""

from typing import Protocol, runtime_checkable

import jax
import numpy as np
from jax.typing import ArrayLike

from ntkmc import memory

Pixels = tuple[ArrayLike, ArrayLike]
"""Pixels as two integer arrays (or numbers): rows and columns."""


@runtime_checkable
class KernelOperator(Protocol):
    """A symmetric kernel between the pixels of an (H, W) grid, also a JAX pytree."""

    @property
    def shape(self) -> tuple[int, int]:
        """Sides of the grid."""
        ...

    @property
    def dtype(self) -> np.dtype:
        """Precision the kernel is known to."""
        ...

    @property
    def diagonal(self) -> jax.Array:
        """(H, W): K(x, x)."""
        ...

    @property
    def memory_bytes(self) -> int:
        """Bytes the kernel occupies."""
        ...

    def matvec(self, images: jax.Array) -> jax.Array:
        """Kernel matrix times images (..., H, W)."""
        ...

    def entries(self, pixels_a: Pixels, pixels_b: Pixels) -> jax.Array:
        """Kernel between pixels, broadcast."""
        ...

    def dense(self, pixels_a: Pixels, pixels_b: Pixels) -> jax.Array:
        """Kernel matrix between two lists of pixels."""
        ...


def rows_and_columns(pixels: Pixels, name: str = "pixels") -> tuple[ArrayLike, ArrayLike]:
    """The two of them, refused where they are not two, as a list of pairs is not.

    Raises
    ------
    ValueError
        Naming the argument and how to turn pairs into rows and columns.
    """
    try:
        rows, columns = pixels
    except (TypeError, ValueError):
        shape = getattr(pixels, "shape", None)
        was = f"{pixels!r:.60}" if shape is None else f"of shape {shape}"
        raise ValueError(
            f"{name} was {was}; pass (rows, columns), two integer arrays: of an array p of pairs, "
            "(p[:, 0], p[:, 1])"
        ) from None
    return rows, columns


def dense_matrix(kernel: KernelOperator, pixels_a: Pixels, pixels_b: Pixels) -> jax.Array:
    """Matrix of a kernel's entries between two lists of pixels, refused if it would not fit."""
    pixels_a = rows_and_columns(pixels_a, "pixels_a")
    pixels_b = rows_and_columns(pixels_b, "pixels_b")
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
