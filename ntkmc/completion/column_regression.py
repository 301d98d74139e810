r"""Regression of one column of a table on all others, with kernels between rows.

Arrays are padded to a few sizes, so that columns and tables share what is compiled; a padded
training row has :math:`K = I` and the value zero, and no part in anything.
"""

import functools
from typing import NamedTuple, TypeVar

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from ntkmc.completion.row_kernels import (
    Rows,
    Sides,
    diagonal,
    kernel,
    kernel_and_slopes,
    replaced,
    sides,
)
from ntkmc.solvers.whiten import whiten

RIDGES = np.logspace(-4, 1, 14)
"""To choose from, relative to the mean of the kernel's diagonal."""

# Of conjugate gradients: the predictions of 4,096 rows, of columns with little and much noise, are
# as far from those of a factorisation as the relative residual says; 10 to 30 steps are usual.
_RTOL = 1e-3
_STEPS = 300
_CENTRES = 1024
_JITTER = 1e-8  # of their kernel, beside its diagonal

_NEVER = np.zeros((1, 1), bool)  # is a row a training row


class Training(NamedTuple):
    """What a column is regressed on, and how rows are compared for that.

    Attributes
    ----------
    rows : in which the column was observed, padded with any.
    real : (n,), False for padding.
    weights : (f,), of the features.
    span : (f,), the range of each feature.
    """

    rows: Rows
    real: Bool[Array | np.ndarray, " n"]
    weights: Float[Array | np.ndarray, " f"]
    span: Float[Array | np.ndarray, " f"]

    def compared(self, family: str, rows: Rows) -> Sides:
        """Other rows with them."""
        return sides(family, rows, self.rows, self.weights, self.span)


class Solution(NamedTuple):
    """The regression.

    Attributes
    ----------
    alpha : (n,), dual coefficients.
    errors : (n,), of each observed value, less its prediction from the others.
    shares : (n,), of the variance of each observed value, what is left if the others are known.
    """

    alpha: Float[Array | np.ndarray, " n"]
    errors: Float[Array | np.ndarray, " n"]
    shares: Float[Array | np.ndarray, " n"]


@functools.partial(jax.jit, static_argnames="family")
def gram(family: str, training: Training) -> tuple[Float[Array, "n n"], Float[Array, ""]]:
    """The training rows' kernel, divided by the mean of its diagonal, which comes second."""
    real = training.real
    eye = jnp.eye(len(real), dtype=bool)
    K = kernel(family, training.compared(family, training.rows), eye)
    scale = jnp.sum(jnp.where(real, jnp.diagonal(K), 0)) / jnp.maximum(real.sum(), 1)
    return jnp.where(real[:, None] & real, K / scale, eye), scale


@jax.jit
def choose(
    K: Float[Array, "n n"], values: Float[Array | np.ndarray, " n"]
) -> tuple[Int[Array, ""], Float[Array, " n"]]:
    """The best of the ridges by leave-one-out, and the errors with it.

    Exact, from one eigendecomposition.

    Parameters
    ----------
    K : of `gram`.
    values : of the column, less their mean; zero for padding.
    """
    spectrum, vectors = jnp.linalg.eigh(K)
    inverse = 1 / (jnp.maximum(spectrum, 0)[:, None] + jnp.asarray(RIDGES))
    alpha = vectors @ (inverse * (vectors.T @ values)[:, None])
    apart = alpha / (jnp.square(vectors) @ inverse)
    best = jnp.argmin(jnp.sum(jnp.square(apart), axis=0))
    return best, apart[:, best]


@jax.jit
def whitener(K: Float[Array, "n n"], ridge: Float[Array, ""] | float) -> Float[Array, "n n"]:
    """What whitens the kernel with the ridge on its diagonal; see `whiten`."""
    return whiten(K + ridge * jnp.eye(len(K)))


@jax.jit
def coefficients(
    K: Float[Array, "n n"],
    scale: Float[Array, ""],
    values: Float[Array | np.ndarray, " n"],
    noise: Float[Array | np.ndarray, " n"],
) -> Float[Array, " n"]:
    """Dual coefficients, with a ridge for each row; arguments as of `gram` and `choose`."""
    factor = jnp.linalg.cholesky(K + jnp.diag(noise))
    return jax.scipy.linalg.cho_solve((factor, True), values) / scale


def solve(
    K: Float[Array, "n n"],
    scale: Float[Array, ""],
    values: Float[Array | np.ndarray, " n"],
    ridge: Float[Array, ""] | float,
) -> Solution:
    """Solve, with exact leave-one-out errors; arguments as of `gram` and `choose`."""
    # Two programs: `whitener` takes long to compile, and others need it, too.
    return _solved(K, whitener(K, ridge), scale, values, ridge)


@jax.jit
def _solved(K, W, scale, values, ridge):
    precision = jnp.sum(jnp.square(W), axis=0)
    alpha = W.T @ (W @ values)
    shares = 1 / (precision * (jnp.diagonal(K) + ridge))
    return Solution(alpha / scale, alpha / precision, jnp.clip(shares, 0, 1))


T = TypeVar("T")


def single(its: T) -> T:
    """Arrays in float32, half the time: to choose, to correct, to predict where it is enough."""
    return jax.tree.map(lambda a: a.astype(np.float32) if a.dtype == np.float64 else a, its)


@functools.partial(jax.jit, static_argnames="family")
def solve_iteratively(
    family: str,
    training: Training,
    values: Float[Array | np.ndarray, " n"],
    noise: Float[Array | np.ndarray, " n"],
) -> tuple[Float[Array, " n"], Float[Array, ""]]:
    r"""Dual coefficients by conjugate gradients, for thousands of rows.

    The first c training rows are centres, which give all rows coordinates, :math:`\Phi = K_{nc}
    W_c^T`. The preconditioner is the inverse of :math:`\Phi \Phi^T + D`, D the diagonal of what is
    left of the kernel, and the noise.

    Parameters
    ----------
    noise : of each row, relative to the mean of the kernel's diagonal.

    Returns
    -------
    alpha : (n,).
    residual : relative to the values.
    """
    K, scale = gram(family, training)
    c = min(_CENTRES, len(K))
    eye = jnp.eye(c)
    coordinates = K[:, :c] @ whiten(K[:c, :c] + _JITTER * eye).T
    left = noise + jnp.maximum(jnp.diagonal(K) - jnp.sum(jnp.square(coordinates), axis=1), 0)
    across = coordinates / left[:, None]
    V = whiten(eye + across.T @ coordinates)

    def product(v: Array) -> Array:
        return K @ v + noise * v

    def inverse(v: Array) -> Array:
        return v / left - across @ (V.T @ (V @ (across.T @ v)))

    alpha = jax.scipy.sparse.linalg.cg(product, values, tol=_RTOL, maxiter=_STEPS, M=inverse)[0]
    rest = jnp.linalg.norm(product(alpha) - values) / jnp.linalg.norm(values)
    return alpha / scale, rest


@functools.partial(jax.jit, static_argnames="family")
def _across(family, rows, training):
    # A program of its own, as it takes long to compile: for predictions and for variances.
    return kernel(family, training.compared(family, rows), _NEVER)


def predict(
    family: str, rows: Rows, training: Training, alpha: Float[Array | np.ndarray, " n"]
) -> Float[Array, " m"]:
    """Predictions for rows that are no training rows."""
    return _across(family, rows, training) @ alpha


@functools.partial(jax.jit, static_argnames="family")
def predict_replaced(
    family: str,
    rows: Rows,
    new: Float[Array | np.ndarray, "m f"],
    training: Training,
    alpha: Float[Array | np.ndarray, " n"],
) -> Float[Array, "m f"]:
    """Predictions for rows in which one feature is replaced, for each of the features.

    No row may be a training row.
    """
    its = training.compared(family, rows)

    def one(feature: tuple[Array, Array, Array]) -> Float[Array, " m"]:
        return jnp.sum(kernel(family, replaced(family, its, *feature), _NEVER) * alpha, axis=1)

    weighted = ((side * training.weights).T for side in (rows.x, new, training.rows.x))
    return jax.lax.map(one, tuple(weighted)).T


@functools.partial(jax.jit, static_argnames="family")
def slopes(
    family: str,
    rows: Rows,
    same: Bool[Array | np.ndarray, "m n"],
    training: Training,
    alpha: Float[Array | np.ndarray, " n"],
) -> Float[Array, "m f"]:
    """Derivatives of predictions for rows with respect to their features.

    `same` is where a row is a training row.
    """
    weights = jnp.asarray(training.weights)
    _, by_near, by_left = kernel_and_slopes(family, training.compared(family, rows), same)
    by_near = by_near * alpha
    here, there = rows.x * weights, training.rows.x * weights
    if family == "values":
        return weights * (by_near @ there + 2 * here * (by_left @ alpha)[:, None])
    its = jax.lax.map(
        lambda both: jnp.sum(by_near * jnp.sign(both[0][:, None] - both[1]), axis=1),
        (here.T, there.T),
    )
    return weights * its.T


def left_share(
    family: str,
    rows: Rows,
    training: Training,
    W: Float[Array, "n n"],
    scale: Float[Array, ""],
    ridge: Float[Array, ""] | float,
) -> Float[Array, " m"]:
    """The share of the variance of a value that is left when the training rows are known."""
    return _left_share(family, rows, training, _across(family, rows, training), W, scale, ridge)


@functools.partial(jax.jit, static_argnames="family")
def _left_share(family, rows, training, across, W, scale, ridge):
    prior = diagonal(family, training.compared(family, rows)) / scale + ridge
    its = across * training.real / scale
    return jnp.clip(1 - jnp.sum(jnp.square(its @ W.T), axis=1) / prior, 0, 1)
