"""The inverse of a Cholesky factor, which uses all cores."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

_DIRECT = 160  # rows


def whiten(matrix: Float[Array, "n n"]) -> Float[Array, "n n"]:
    r"""The inverse of the Cholesky factor of a positive definite matrix.

    By halves: of :math:`\begin{pmatrix} A & B^T \\ B & C \end{pmatrix}` with :math:`W_A A W_A^T =
    I`, :math:`F = B W_A^T` and W of :math:`C - F F^T`, it is :math:`\begin{pmatrix} W_A & 0 \\ -W F
    W_A & W \end{pmatrix}`. Nearly all of it is matrix products, which XLA shares among cores, as it
    does neither a factorisation nor a triangular solve on a CPU: half their time at 1,024 rows.

    Returns
    -------
    W : (n, n), lower triangular, :math:`W^T W` the inverse of the matrix; NaN where that is not
        positive definite.
    """
    n = len(matrix)
    if n <= _DIRECT or n % 2:
        factor = jnp.linalg.cholesky(matrix)
        return jax.scipy.linalg.solve_triangular(factor, jnp.eye(n, dtype=factor.dtype), lower=True)
    half = n // 2
    first = whiten(matrix[:half, :half])
    across = matrix[half:, :half] @ first.T
    second = whiten(matrix[half:, half:] - across @ across.T)
    return jnp.block([[first, jnp.zeros_like(first)], [-second @ (across @ first), second]])
