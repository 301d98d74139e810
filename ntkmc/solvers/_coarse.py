r"""A coarse correction: what a preconditioner of near neighbours cannot know.

A sparse inverse factor ties each pixel to near ones only, and gets the lowest frequencies wrong:
with a constant between far pixels, as these kernels have, the more pixels the worse. With Z the
indicators of a few blocks of the image and :math:`E = Z^T K Z`, the balanced preconditioner

.. math:: Z E^{-1} Z^T + Q F Q^T, \qquad Q = I - Z E^{-1} (K Z)^T,

inverts K on the span of Z and leaves the rest to the factor F (Mandel 1993; "BNN" in Tang, Nabben,
Vuik, Erlangga 2009). It takes one product with the kernel for each block, once.
"""

import dataclasses
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np

BLOCKS = 6  # along each axis, at most; on 544 x 544 pixels more cost more than they save
BLOCK_SIDE = 64  # pixels
TOGETHER = 4  # products computed in one go


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Balanced:
    """The factor with its coarse correction, applied to vectors (n, k).

    Attributes
    ----------
    factor : the preconditioner of near neighbours.
    block : (n,) int32, the block of each pixel.
    products : (n, blocks), K Z.
    cholesky : (blocks, blocks), of E.
    """

    factor: Callable
    block: jax.Array
    products: jax.Array
    cholesky: jax.Array

    def __call__(self, vectors):
        start = self._solve(jax.ops.segment_sum(vectors, self.block, len(self.cholesky)))
        rest = self.factor(vectors - self.products @ start)
        return rest + (start - self._solve(self.products.T @ rest))[self.block]

    def _solve(self, sums):
        return jax.scipy.linalg.cho_solve((self.cholesky, True), sums)


def correct(system, factor: Callable, pixels, shape: tuple[int, int]) -> Callable:
    """The preconditioner `factor` of `system.apply`, corrected on blocks of a grid.

    It is left as it is where the kernel is not positive definite on the blocks, to rounding.
    """
    counts = [int(np.clip(length // BLOCK_SIDE, 2, BLOCKS)) for length in shape]
    rows, columns = (
        side * count // length for side, count, length in zip(pixels, counts, shape, strict=True)
    )
    used, block = np.unique(rows * counts[1] + columns, return_inverse=True)
    block = block.astype(np.int32)
    parts = [
        _products(system, block, np.arange(start, start + TOGETHER))
        for start in range(0, len(used), TOGETHER)
    ]
    products = jnp.concatenate(parts, axis=1)[:, : len(used)]
    coarse = jax.ops.segment_sum(products, block, len(used))
    cholesky = jnp.linalg.cholesky((coarse + coarse.T) / 2)
    if not np.isfinite(cholesky).all():
        return factor
    return Balanced(factor, jnp.asarray(block), products, cholesky)


@jax.jit
def _products(system, block, numbers):
    return system.apply((block[:, None] == numbers).astype(float))
