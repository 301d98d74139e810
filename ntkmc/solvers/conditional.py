r"""Pixels conditioned on a few others each: one small system a pixel, all independent.

What is known of a pixel x given its neighbours N alone (Vecchia 1988), at unit scale: with
:math:`L L^T = K_{NN} + \tau I` the neighbours' innovations are :math:`\epsilon = L^{-1} y_N`, and
with :math:`w = L^{-1} K(N, x)` mean and variance are :math:`w^T \epsilon` and
:math:`K(x, x) - w^T w`. Conditioning on less, the variance is never too small, and with all n
observed pixels for neighbours it is exact.
"""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

BATCH = 2048  # systems factorised in one go: 18 MB with 32 neighbours
INNERMOST = 8  # of the neighbours, whose surprise tells the scale around a pixel; see `Conditional`


@dataclasses.dataclass(frozen=True)
class Conditional:
    """Distribution of pixels given m neighbours each, at unit scale.

    Attributes
    ----------
    mean : (t, k), of each of k channels.
    variance : (t,), without the noise of an observation.
    surprise : (t, k), mean square of the innermost eight neighbours' innovations: of what is new
        in each, standardised, once those farther out are known. Were the values drawn from the
        process with a covariance of s^2 K, its expectation would be s^2.
    """

    mean: Float[np.ndarray, "t k"]
    variance: Float[np.ndarray, " t"]
    surprise: Float[np.ndarray, "t k"]


def gather(pixels, values, targets, near):
    """Sets of pixels, (t, m + 1, 2), the target last; which are present; the neighbours' values.

    `near` has, for each target, indices into pixels (n, 2) and values (n, k), n for none.
    """
    points = np.concatenate([pixels.take(near, 0, mode="clip"), targets[:, None]], axis=1)
    return points.astype(np.int32), near < len(pixels), values.take(near, 0, mode="clip")


def with_noise(matrices, present, shift):
    """K + tau I within each set, (t, m, m), of the pixels that are present, (t, m).

    One that is absent becomes a row of the identity, which leaves the others as they are.
    """
    both = present[:, :, None] & present[:, None, :]
    diagonal = jnp.where(present, shift, 1.0).astype(matrices.dtype)
    identity = jnp.eye(diagonal.shape[1], dtype=matrices.dtype)
    return jnp.where(both, matrices, 0) + diagonal[..., None] * identity


@jax.jit
def condition(matrices, present, values, shift):
    """Mean, variance and surprise of a `Conditional`, NaN where K + tau I is not positive definite.

    Parameters
    ----------
    matrices : (t, m + 1, m + 1), kernel within each set: m neighbours, farthest first, the target.
    present : (t, m), False for neighbours that there are not.
    values : (t, m, k), float64, of the neighbours.
    shift : tau.
    """
    matrices = matrices.astype(values.dtype)
    right = jnp.concatenate([matrices[:, :-1, -1:], values], axis=-1)
    half = jax.lax.linalg.triangular_solve(
        jnp.linalg.cholesky(with_noise(matrices[:, :-1, :-1], present, shift)),
        jnp.where(present[..., None], right, 0),
        left_side=True,
        lower=True,
    )
    towards, innovations = half[..., 0], half[..., 1:]
    innermost = jnp.maximum(present[:, -INNERMOST:].sum(axis=1), 1)[:, None]
    return (
        jnp.einsum("tm,tmk->tk", towards, innovations),
        jnp.maximum(matrices[:, -1, -1] - jnp.sum(towards**2, axis=1), 0),
        jnp.sum(innovations[:, -INNERMOST:] ** 2, axis=1) / innermost,
    )
