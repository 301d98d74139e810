"""A weighted sum of kernels: that of networks side by side, each on a prior of its own."""

import dataclasses
import math

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from ntkmc.kernels.operator import KernelOperator, Pixels, dense_matrix


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class WeightedKernel:
    r"""The kernel :math:`\sum_i w_i K_i` of networks side by side, :math:`\sum_i \sqrt{w_i} f_i`.

    `Parallel` says it of networks that share a prior; these need not.

    Attributes
    ----------
    kernels : at least one; a kernel may live on a larger grid than others.
    weights : (count,), positive.
    """

    kernels: tuple[KernelOperator, ...]
    weights: Float[Array, " count"]

    @property
    def shape(self) -> tuple[int, int]:
        """Sides of the grid that all kernels have."""
        rows, columns = zip(*(kernel.shape for kernel in self.kernels), strict=True)
        return min(rows), min(columns)

    @property
    def dtype(self) -> np.dtype:
        """Precision of the least precise kernel."""
        return min((kernel.dtype for kernel in self.kernels), key=lambda dtype: dtype.itemsize)

    @property
    def memory_bytes(self) -> int:
        """Bytes the kernels occupy."""
        return sum(kernel.memory_bytes for kernel in self.kernels)

    @property
    def common(self) -> float:
        """A c for which K - c 1 1^T is known to be positive semidefinite."""
        shares = [getattr(kernel, "common", 0.0) for kernel in self.kernels]
        return math.fsum(np.asarray(self.weights, np.float64) * shares)

    @property
    def diagonal(self) -> Float[Array, "H W"]:
        """K(x, x) of every pixel."""
        height, width = self.shape
        return self._sum(lambda kernel: kernel.diagonal[:height, :width])

    def matvec(self, images: Float[Array, "... H W"]) -> Float[Array, "... H W"]:
        """Apply the kernel matrix to one image or a stack of them."""
        height, width = self.shape

        def product(kernel):
            around = [(0, 0)] * (images.ndim - 2)
            below, right = kernel.shape[0] - height, kernel.shape[1] - width
            padded = jnp.pad(images, [*around, (0, below), (0, right)])
            return kernel.matvec(padded)[..., :height, :width]

        return self._sum(product)

    def entries(self, pixels_a: Pixels, pixels_b: Pixels) -> Float[Array, "..."]:
        """Kernel between pixels (rows, columns), broadcast against each other."""
        return self._sum(lambda kernel: kernel.entries(pixels_a, pixels_b))

    def within(self, points) -> Float[Array, "t s s"]:
        """Kernel between all pairs within each of t sets of s pixels, (t, s, 2)."""
        return self._sum(lambda kernel: between(kernel, points))

    def dense(self, pixels_a: Pixels, pixels_b: Pixels) -> Float[Array, "a b"]:
        """Kernel matrix between two lists of pixels.

        Raises
        ------
        NotEnoughMemoryError : the matrix would not fit.
        """
        return dense_matrix(self, pixels_a, pixels_b)

    def _sum(self, part):
        return sum(w * part(kernel) for w, kernel in zip(self.weights, self.kernels, strict=True))


def between(kernel, points) -> Float[Array | np.ndarray, "t s s"]:
    """What has `within` or `entries`, between all pairs of each of t sets of pixels.

    `points` are (t, s, axes), two for rows and columns.
    """
    if hasattr(kernel, "within"):
        return kernel.within(points)
    sides = [points[..., axis] for axis in range(points.shape[-1])]
    return kernel.entries(
        tuple(side[:, :, None] for side in sides), tuple(side[:, None, :] for side in sides)
    )
