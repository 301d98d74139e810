"""Singular values of wide matrices by their Gram matrix, as low-rank completion needs them."""

from collections.abc import Callable

import jax.numpy as jnp
from jaxtyping import Array, Float


def spectral_map(
    matrix: Float[Array, "n m"], scale: Callable[[Array], Array]
) -> tuple[Float[Array, "n m"], Float[Array, " k"]]:
    r"""U diag(s scale(s)) V^T of a matrix U diag(s) V^T, and the singular values s, ascending.

    From the eigenvectors of the smaller of the two Gram matrices: with n <= m,
    :math:`U \mathrm{diag}(scale(s)) U^T A`, which takes :math:`O(n^2 m)` once, where a singular
    value decomposition takes some twenty times that. Singular values below about 1e-8 of the
    largest (3e-4 in float32) are lost in rounding; ``scale`` should not depend on them.

    Parameters
    ----------
    matrix : float64 or float32.
    scale : of singular values, elementwise; finite at zero.
    """
    wide = matrix if matrix.shape[0] <= matrix.shape[1] else matrix.T
    values, vectors = jnp.linalg.eigh(wide @ wide.T)
    singular = jnp.sqrt(jnp.maximum(values, 0))
    mapped = (vectors * scale(singular)) @ (vectors.T @ wide)
    return (mapped if wide is matrix else mapped.T), singular
