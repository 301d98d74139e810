r"""Regression of one column of a table on all others, with kernels between rows.

Arrays are padded to a few sizes, so that columns and tables share what is compiled; a padded
training row has :math:`K = I` and the value zero, and no part in anything.
"""

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from ntkmc.completion.row_kernels import (
    FAMILIES,
    Rows,
    diagonal,
    kernel,
    kernel_and_slopes,
    replaced,
    sides,
)

RIDGES = np.logspace(-4, 1, 14)
"""To choose from, relative to the mean of the kernel's diagonal."""


class Problem(NamedTuple):
    """A column and what it is regressed on.

    Attributes
    ----------
    rows : all rows of the table.
    observed : (n,), those in which the column is, padded with any.
    real : (n,), False for padding.
    values : (n,), of the column, less their mean; zero for padding.
    span : (f,), the range of each feature.
    """

    rows: Rows
    observed: Int[Array | np.ndarray, " n"]
    real: Bool[Array | np.ndarray, " n"]
    values: Float[Array | np.ndarray, " n"]
    span: Float[Array | np.ndarray, " f"]


class Solution(NamedTuple):
    """The regression.

    Attributes
    ----------
    alpha : (n,), dual coefficients.
    errors : (n,), of each observed value, less its prediction from the others.
    shares : (n,), of the variance of each observed value, what is left if the others are known.
    predicted : (m,), for all rows.
    """

    alpha: Float[Array | np.ndarray, " n"]
    errors: Float[Array | np.ndarray, " n"]
    shares: Float[Array | np.ndarray, " n"]
    predicted: Float[Array | np.ndarray, " m"]


@functools.partial(jax.jit, static_argnames="size")
def choose(
    problem: Problem, weights: Float[Array | np.ndarray, " f"], size: int
) -> tuple[Int[Array, " k"], Float[Array, "c n"]]:
    """The best ridge of each family, and the leave-one-out errors with it, of `size` rows.

    Exact, from one eigendecomposition a family.
    """
    real, values = problem.real[:size], problem.values[:size]
    rows = _take(problem.rows, problem.observed[:size])
    best, errors = [], []
    for family in FAMILIES:
        K, _ = _kernel(family, rows, real, weights, problem.span)
        spectrum, vectors = jnp.linalg.eigh(K)
        inverse = 1 / (jnp.maximum(spectrum, 0)[:, None] + jnp.asarray(RIDGES))
        alpha = vectors @ (inverse * (vectors.T @ values)[:, None])
        apart = alpha / (jnp.square(vectors) @ inverse)
        at = jnp.argmin(jnp.sum(jnp.square(apart), axis=0))
        best.append(at)
        errors.append(apart[:, at])
    return jnp.stack(best), jnp.stack(errors)


@functools.partial(jax.jit, static_argnames="family")
def solve(
    family: str,
    problem: Problem,
    weights: Float[Array | np.ndarray, " f"],
    ridge: Float[Array, ""] | float,
) -> Solution:
    """Solve, with exact leave-one-out errors, and predict all rows."""
    rows, same = _training(problem)
    K, scale = _kernel(family, rows, problem.real, weights, problem.span)
    factor = jnp.linalg.cholesky(K + ridge * jnp.eye(len(K)))
    inverse = jax.scipy.linalg.solve_triangular(factor, jnp.eye(len(factor)), lower=True)
    precision = jnp.sum(jnp.square(inverse), axis=0)
    whitened = inverse.T @ (inverse @ problem.values)
    alpha = whitened / scale
    its = sides(family, problem.rows, rows, weights, problem.span)

    return Solution(
        alpha,
        whitened / precision,
        jnp.clip(1 / (precision * (jnp.diagonal(K) + ridge)), 0, 1),
        kernel(family, its, same) @ alpha,
    )


@functools.partial(jax.jit, static_argnames="family")
def slopes(
    family: str,
    problem: Problem,
    alpha: Float[Array | np.ndarray, " n"],
    weights: Float[Array | np.ndarray, " f"],
) -> Float[Array, "m f"]:
    """Derivatives of the predictions for all rows with respect to their features."""
    rows, same = _training(problem)
    its = sides(family, problem.rows, rows, weights, problem.span)
    _, by_near, by_left = kernel_and_slopes(family, its, same)
    by_near = by_near * alpha
    here, there = problem.rows.x * weights, rows.x * weights
    if family == "values":
        return weights * (by_near @ there + 2 * here * (by_left @ alpha)[:, None])
    its = jax.lax.map(
        lambda both: jnp.sum(by_near * jnp.sign(both[0][:, None] - both[1]), axis=1),
        (here.T, there.T),
    )
    return weights * its.T


@functools.partial(jax.jit, static_argnames="family")
def predict_replaced(
    family: str,
    rows: Rows,
    new: Float[Array | np.ndarray, "m f"],
    training: Rows,
    alpha: Float[Array | np.ndarray, " n"],
    weights: Float[Array | np.ndarray, " f"],
    span: Float[Array | np.ndarray, " f"],
) -> Float[Array, "m f"]:
    """Predictions for rows in which one feature is replaced, for each of the features.

    No row may be a training row.
    """
    its = sides(family, rows, training, weights, span)
    never = jnp.zeros((1, 1), bool)

    def one(feature: tuple[Array, Array, Array]) -> Float[Array, " m"]:
        its_new = replaced(family, its, *feature)
        return jnp.sum(kernel(family, its_new, never) * alpha, axis=1)

    return jax.lax.map(one, ((rows.x * weights).T, (new * weights).T, (training.x * weights).T)).T


@functools.partial(jax.jit, static_argnames="family")
def predict(
    family: str,
    rows: Rows,
    training: Rows,
    alpha: Float[Array | np.ndarray, " n"],
    weights: Float[Array | np.ndarray, " f"],
    span: Float[Array | np.ndarray, " f"],
) -> Float[Array, " m"]:
    """Predictions for rows that are no training rows."""
    its = sides(family, rows, training, weights, span)
    return kernel(family, its, jnp.zeros((1, 1), bool)) @ alpha


@functools.partial(jax.jit, static_argnames="family")
def factorise(
    family: str,
    training: Rows,
    real: Bool[Array | np.ndarray, " n"],
    weights: Float[Array | np.ndarray, " f"],
    span: Float[Array | np.ndarray, " f"],
    ridge: Float[Array, ""] | float,
) -> tuple[Float[Array, "n n"], Float[Array, ""]]:
    """The Cholesky factor of the training rows' kernel, and what the kernel was divided by."""
    K, scale = _kernel(family, training, real, weights, span)
    return jnp.linalg.cholesky(K + ridge * jnp.eye(len(K))), scale


@functools.partial(jax.jit, static_argnames="family")
def left_share(
    family: str,
    rows: Rows,
    training: Rows,
    real: Bool[Array | np.ndarray, " n"],
    weights: Float[Array | np.ndarray, " f"],
    span: Float[Array | np.ndarray, " f"],
    ridge: Float[Array, ""] | float,
    factor: Float[Array, "n n"],
    scale: Float[Array, ""],
) -> Float[Array, " m"]:
    """The share of the variance of a value that is left when the training rows are known."""
    its = sides(family, rows, training, weights, span)
    across = kernel(family, its, jnp.zeros((1, 1), bool)) * real / scale
    half = jax.scipy.linalg.solve_triangular(factor, across.T, lower=True)
    prior = diagonal(family, its) / scale + ridge
    return jnp.clip(1 - jnp.sum(jnp.square(half), axis=0) / prior, 0, 1)


def _training(problem):
    """The training rows, and where (m, n) a row is one of them."""
    same = jnp.arange(len(problem.rows.x))[:, None] == problem.observed
    return _take(problem.rows, problem.observed), same


def _take(rows: Rows, which: Int[Array | np.ndarray, " n"]) -> Rows:
    return Rows(rows.x[which], rows.error[which])


def _kernel(family, rows, real, weights, span):
    """Divided by the mean of its diagonal, which comes second; the identity for padding."""
    eye = jnp.eye(len(real), dtype=bool)
    K = kernel(family, sides(family, rows, rows, weights, span), eye)
    scale = jnp.sum(jnp.where(real, jnp.diagonal(K), 0)) / jnp.maximum(real.sum(), 1)
    return jnp.where(real[:, None] & real, K / scale, eye), scale
