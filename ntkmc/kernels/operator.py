"""What a solver may ask of a kernel."""

from typing import Protocol, runtime_checkable

import jax
import numpy as np
from jax.typing import ArrayLike

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
