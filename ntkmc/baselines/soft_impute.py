"""Soft-impute: matrix completion by repeated shrinkage of the singular values."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from ntkmc import memory
from ntkmc._compat import enable_x64
from ntkmc.baselines.low_rank import spectral_map
from ntkmc.baselines.means import mean_over_cell
from ntkmc.responses import Indices, Responses, compact_places
from ntkmc.solvers.blas import one_thread


def soft_impute(
    matrix: Float[np.ndarray, "n m"],
    shrinkage: float = 0.1,
    iterations: int = 100,
    tol: float = 1e-4,
) -> Float[np.ndarray, "n m"]:
    r"""The matrix X of least shrunken distance to the observed entries.

    It minimises, over the observed entries,

    .. math:: \tfrac12 \sum_{ij} (X_{ij} - Y_{ij})^2 + \lambda \|X\|_*,

    by :math:`X \leftarrow U (\Sigma - \lambda)_+ V^T` of the matrix whose missing entries are X's.

    Parameters
    ----------
    matrix : NaN where missing. Centre it first: missing entries begin at zero.
    shrinkage : lambda, relative to the largest singular value of the matrix with zeros in it (at 1
        the result is zero).
    iterations : most steps to take.
    tol : stops where a step changes X by less, relatively.

    Returns
    -------
    (n, m) : X, the shrunken entries where they are observed too.

    References
    ----------
    Mazumder, Hastie and Tibshirani, "Spectral regularization algorithms for learning large
    incomplete matrices", Journal of Machine Learning Research 11 (2010), algorithm 1.
    """
    if not 0 <= shrinkage <= 1:
        raise ValueError(f"soft_impute: shrinkage was {shrinkage}; pass a number between 0 and 1")
    if iterations < 1:
        raise ValueError(f"soft_impute: iterations was {iterations}; pass at least 1")
    memory.require(8 * 6 * matrix.size, f"completing a matrix {matrix.shape}", "pass fewer columns")
    observed = ~np.isnan(matrix)
    with enable_x64(), one_thread():
        return np.asarray(
            _iterate(jnp.asarray(np.nan_to_num(matrix)), observed, shrinkage, iterations, tol)
        )


def soft_impute_responses(
    observed: Responses,
    drug: Indices,
    cell: Indices,
    shrinkage: float = 0.2,
    iterations: int = 60,
    tol: float = 1e-3,
) -> Float[np.ndarray, "n genes"]:
    """`soft_impute` of drugs x (gene, cell line), less the mean over each cell line.

    Parameters
    ----------
    observed : Responses
    drug, cell : (n,)
        The pairs to impute.
    shrinkage, iterations, tol : see `soft_impute`.
    """
    compact = observed.compact()
    lines = np.arange(compact.number_of_cells)
    centres = mean_over_cell(compact, lines, lines)
    # Every iterate's profiles of a cell line are sums of those observed in it, so that coordinates
    # in an orthonormal basis of these, as many as there are profiles, stand for all genes.
    blocks, bases = [], []
    for line, centre in enumerate(centres):
        rows = np.flatnonzero(compact.cell == line)
        basis, coordinates = np.linalg.qr((compact.profiles[rows] - centre).T)
        block = np.full((compact.number_of_drugs, basis.shape[1]), np.nan)
        block[compact.drug[rows]] = coordinates.T
        blocks.append(block)
        bases.append(basis)
    filled = soft_impute(np.concatenate(blocks, axis=1), shrinkage, iterations, tol)
    ends = np.cumsum([0, *(basis.shape[1] for basis in bases)])
    imputed = mean_over_cell(observed, drug, cell)
    rows, lines, known = compact_places(observed, drug, cell)
    for line, basis in enumerate(bases):
        asked = np.flatnonzero(known)[lines == line]
        coordinates = filled[rows[lines == line], ends[line] : ends[line + 1]]
        imputed[asked] = coordinates @ basis.T + centres[line]
    return imputed


@functools.partial(jax.jit, static_argnames="iterations")
def _iterate(values, observed, shrinkage, iterations, tol):
    largest = spectral_map(values, jnp.ones_like)[1][-1]

    def scale(singular):
        kept = jnp.maximum(singular - shrinkage * largest, 0)
        return jnp.where(kept > 0, kept / jnp.where(kept > 0, singular, 1), 0)

    def step(state):
        count, _, now = state
        new, _ = spectral_map(jnp.where(observed, values, now), scale)
        size = jnp.maximum(jnp.linalg.norm(now), jnp.finfo(now.dtype).tiny)
        return count + 1, jnp.linalg.norm(new - now) / size, new

    def going_on(state):
        return (state[0] < iterations) & (state[1] > tol)

    first = (jnp.zeros((), int), jnp.asarray(jnp.inf), jnp.zeros_like(values))
    return jax.lax.while_loop(going_on, step, first)[2]
