r"""Pixels conditioned on a few others each: one small system a pixel, all independent.

What is known of a pixel x given its neighbours N alone (Vecchia 1988), at unit scale: with
:math:`L L^T = K_{NN} + \tau I` the neighbours' innovations are :math:`\epsilon = L^{-1} y_N`, and
with :math:`w = L^{-1} K(N, x)` mean and variance are :math:`w^T \epsilon` and
:math:`K(x, x) - w^T w`. Conditioning on less, the variance is never too small, and with all n
observed pixels for neighbours it is exact.
"""

import dataclasses
from collections.abc import Iterator

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Int

from ntkmc.solvers.result import Progress

# Systems factorised in one go. On a CPU few, so that their memory is used again: larger parts go
# back to the system, and fresh memory takes half of the time with 2048.
_BATCH = {"cpu": 256, "others": 2048}
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


def batch_size() -> int:
    """Systems that are factorised in one go."""
    return _BATCH.get(jax.default_backend(), _BATCH["others"])


def batches(
    total: int, size: int, stage: str = "", progress: Progress | None = None
) -> Iterator[slice | Int[np.ndarray, " b"]]:
    """Parts of a range, told to progress when done; the last reaches back.

    All are of one length, so that what takes them is compiled once; where there are fewer than
    `size`, of a power of two, some of them repeated, so that it is compiled for few lengths.
    """
    if total < size:
        yield cycled(total, size)
        if progress:
            progress(stage, total, total)
        return
    for stop in range(size, total + size, size):
        stop = min(stop, total)
        yield slice(stop - size, stop)
        if progress:
            progress(stage, stop, total)


def cycled(total: int, largest: int) -> Int[np.ndarray, " b"]:
    """0 ... total - 1, begun anew up to a power of two, or `largest` if that is less."""
    return np.arange(min(largest, 1 << (total - 1).bit_length())) % total


def condition(matrices, present, values, shift) -> Conditional:
    """What the neighbours say; NaN where K + tau I is not positive definite.

    Parameters
    ----------
    matrices : (t, m + 1, m + 1), kernel within each set: m neighbours, farthest first, the target.
    present : (t, m), False for neighbours that there are not.
    values : (t, m, k), float64, of the neighbours.
    shift : tau.
    """
    total, size, channels = len(matrices), batch_size(), values.shape[-1]
    if total <= size:
        return Conditional(*map(np.asarray, _condition(matrices, present, values, shift)))
    found = Conditional(np.empty((total, channels)), np.empty(total), np.empty((total, channels)))
    for some in batches(total, size):
        parts = _condition(matrices[some], present[some], values[some], shift)
        found.mean[some], found.variance[some], found.surprise[some] = parts
    return found


@jax.jit
def _condition(matrices, present, values, shift):
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
