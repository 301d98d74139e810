r"""A preconditioner made exact on the constant vector.

Pixels that never met have one constant kernel c between them, so that K has an eigenvalue that
grows with their number, close to the constant vector 1. A pixel's few nearest neighbours tell the
mean of an image badly: a sparse inverse of K itself takes the more iterations, the more receptive
fields an image holds (512 x 512 pixels, four levels: 40). The sparse inverse P of K - c 11' does
not know of the mean, and the rest is this: with :math:`u = K 1` and :math:`e = 1^T K 1`,

.. math:: M = (I - 1 u^T / e)\, P\, (I - u 1^T / e) + 1 1^T / e

is symmetric positive definite where P is, and has :math:`M K 1 = 1` (balancing, Mandel 1993;
limited memory preconditioners, Gratton, Sartenaer, Tshimanga 2011).
"""

import dataclasses

import jax
import jax.numpy as jnp

from ntkmc.solvers._system import System
from ntkmc.solvers.sparse_inverse import SparseInverse


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Balanced:
    """M of this module.

    Attributes
    ----------
    factor : P.
    image : (n, 1), u.
    energy : e.
    """

    factor: SparseInverse
    image: jax.Array
    energy: jax.Array

    @classmethod
    def of(cls, factor: SparseInverse, system: System) -> "Balanced":
        """Takes one product with the system's matrix, in float64."""
        return cls(factor, *_constant(system))

    @jax.jit
    def __call__(self, vectors):
        """M times vectors (n, k)."""
        share = jnp.sum(vectors, axis=0) / self.energy
        inner = self.factor(vectors - self.image * share)
        return inner - jnp.sum(self.image * inner, axis=0) / self.energy + share


@jax.jit
def _constant(system):
    ones = jnp.ones((len(system.layout.pixels[0]), 1), jnp.float64)
    image = system.apply_exactly(ones)
    return image, jnp.sum(image)
