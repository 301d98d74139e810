"""Fast low-rank tensor completion (FaLRTC), in JAX."""

import dataclasses
import functools
from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from ntkmc import memory
from ntkmc._compat import enable_x64
from ntkmc.baselines.low_rank import spectral_map
from ntkmc.baselines.means import mean_over_cell
from ntkmc.responses import Indices, Responses
from ntkmc.solvers.blas import one_thread

_START = 1.0  # of the threshold, in units of the largest singular value: everything is smoothed
_DECAYING = 0.8  # share of the iterations in which it falls


@dataclasses.dataclass(frozen=True)
class TensorResult:
    """A completed tensor.

    Attributes
    ----------
    tensor : observed entries as they were.
    iterations : steps taken.
    change : relative change of the last step.
    """

    tensor: Float[np.ndarray, "a b c"]
    iterations: int
    change: float


def complete_tensor(
    tensor: Float[np.ndarray, "a b c"],
    observed: Bool[np.ndarray, "a b c"],
    *,
    alpha: Sequence[float] = (1.0, 1.0, 1.0),
    smoothing: float = 1e-4,
    iterations: int = 200,
    tol: float = 0.0,
    dtype: str = "float64",
) -> TensorResult:
    r"""The tensor of least weighted nuclear norms that agrees with the observed entries.

    Minimises over the missing entries, with :math:`X_{(i)}` the unfolding along axis i,

    .. math:: \sum_i \alpha_i \max_{\|Y_i\| \le 1} \Big( \langle X_{(i)}, Y_i \rangle
              - \tfrac12 \tau_i \|Y_i\|_F^2 \Big)
              = \sum_i \alpha_i \sum_k h_{\tau_i}(\sigma_k(X_{(i)})), \qquad
              h_\tau(s) = \begin{cases} s^2 / 2 \tau & s \le \tau \\ s - \tau / 2 & s > \tau
              \end{cases},

    the nuclear norms smoothed at a threshold :math:`\tau_i` (the paper's :math:`\mu_i / \alpha_i`).
    The gradient :math:`\sum_i (\alpha_i / \tau_i)\, U_i \min(\Sigma_i, \tau_i) V_i^T` has the
    Lipschitz constant :math:`\sum_i \alpha_i / \tau_i`, so Nesterov's accelerated steps need no
    line search; the thresholds fall from the largest singular value of each unfolding to
    ``smoothing`` times that.

    Parameters
    ----------
    tensor : entries that are not observed are not read, and may be NaN.
    observed : True where an entry is observed.
    alpha : weights of the three unfoldings, divided by their sum; zero leaves one out.
    smoothing : the last threshold, relative to the largest singular value. Also what the result is
        accurate to, relative to the tensor: the smoothed minimum is not the exact one.
    iterations : most steps to take.
    tol : stops where a step changes the tensor by less than this, relatively.
    dtype : "float64", or "float32", which takes half the time and loses singular values below 3e-4
        of the largest.

    Raises
    ------
    ValueError
        For weights, a smoothing or a tensor that make no sense.

    References
    ----------
    Liu, Musialski, Wonka and Ye, "Tensor completion for estimating missing values in visual data",
    IEEE Transactions on Pattern Analysis and Machine Intelligence 35 (2013), algorithm 3 (there
    with a line search, and another schedule of the thresholds).
    """
    weights = _weights(alpha)
    if not 0 < smoothing < 1:
        raise ValueError(f"smoothing was {smoothing}; pass a number between 0 and 1")
    if iterations < 1:
        raise ValueError(f"iterations was {iterations}; pass at least 1")
    if tensor.shape != observed.shape or not observed.any():
        raise ValueError(
            f"tensor is {tensor.shape} and observed {observed.shape} with {int(observed.sum())} "
            "True; pass one mask of the tensor's shape with something observed"
        )
    if not np.isfinite(tensor[observed]).all():
        raise ValueError("the tensor is not finite where it is observed; mark it as missing there")
    memory.require(
        8 * 10 * tensor.size, f"completing a tensor {tensor.shape}", "leave out genes or drugs"
    )
    if dtype not in ("float32", "float64"):
        raise ValueError(f"dtype was {dtype!r}; pass 'float64' or 'float32'")
    with enable_x64(), one_thread():
        completed, steps, change = _minimise(
            jnp.asarray(np.where(observed, tensor, 0), dtype),
            jnp.asarray(observed),
            weights,
            smoothing,
            iterations,
            tol,
        )
        return TensorResult(np.asarray(completed, np.float64), int(steps), float(change))


def falrtc(
    observed: Responses,
    drug: Indices,
    cell: Indices,
    alpha: Sequence[float] = (1.0, 0.01, 1.0),
    smoothing: float = 0.03,
    iterations: int = 12,
    dtype: str = "float32",
) -> Float[np.ndarray, "n genes"]:
    """`complete_tensor` of drug x gene x cell line, at the pairs that are asked for.

    The mean over the cell line where a drug has no profile at all, of which low rank knows nothing.

    Parameters
    ----------
    observed : Responses
    drug, cell : (n,)
        The pairs to impute.
    alpha : of drugs, genes and cell lines; as in Hodos et al. (2018).
    smoothing, iterations, dtype : see `complete_tensor`. Profiles are noisy: a few steps,
        as in Hodos et al., are better than many.
    """
    tensor = observed.tensor()
    known = ~np.isnan(tensor)
    # Drugs and cell lines without profiles: zeros change no singular value, and the compiled
    # program's shape is the same however few profiles of a table are observed.
    drugs = np.bincount(observed.drug, minlength=observed.number_of_drugs) > 0
    cells = np.bincount(observed.cell, minlength=observed.number_of_cells) > 0
    empty = ~(drugs[:, None, None] & cells)
    filled = complete_tensor(
        np.where(empty, 0, tensor),
        known | empty,
        alpha=alpha,
        smoothing=smoothing,
        iterations=iterations,
        dtype=dtype,
    ).tensor
    imputed = mean_over_cell(observed, drug, cell)
    has = drugs[drug] & cells[cell]
    imputed[has] = filled[drug[has], :, cell[has]]
    return imputed


@functools.partial(jax.jit, static_argnames=("weights", "smoothing", "iterations", "tol"))
def _minimise(values, observed, weights, smoothing, iterations, tol):
    start = jnp.where(observed, values, values.sum() / observed.sum())
    largest = [_unfolded_norm(start, axis) for axis in range(start.ndim)]
    decay = smoothing ** (1 / max(1.0, _DECAYING * iterations - 1))

    def step(state):
        count, _, now, before, momentum = state
        threshold = _START * jnp.maximum(decay ** count.astype(now.dtype), smoothing)
        rate = sum(w / (threshold * s) for w, s in zip(weights, largest, strict=True) if w)
        following = (1 + jnp.sqrt(1 + 4 * momentum**2)) / 2
        ahead = now + (momentum - 1) / following * (now - before)
        slope = sum(
            w * _gradient(ahead, axis, threshold * s)
            for axis, (w, s) in enumerate(zip(weights, largest, strict=True))
            if w
        )
        new = jnp.where(observed, values, ahead - slope / rate)
        change = jnp.linalg.norm((new - now).ravel()) / jnp.linalg.norm(now.ravel())
        return count + 1, change, new, now, following

    def going_on(state):
        # Not before the thresholds have fallen: until then small steps mean nothing.
        falling = state[0] < _DECAYING * iterations
        return (state[0] < iterations) & (falling | (state[1] > tol))

    infinite, one = jnp.asarray(jnp.inf, start.dtype), jnp.ones((), start.dtype)
    first = (jnp.zeros((), int), infinite, start, start, one)
    count, change, completed, *_ = jax.lax.while_loop(going_on, step, first)
    return completed, count, change


def _gradient(tensor: Float[Array, "a b c"], axis: int, threshold) -> Float[Array, "a b c"]:
    """Of the smoothed nuclear norm of one unfolding: U min(S / threshold, 1) V^T."""

    def scale(singular):
        return jnp.where(singular < threshold, 1 / threshold, 1 / jnp.maximum(singular, threshold))

    unfolded, shape = _unfold(tensor, axis)
    return jnp.moveaxis(spectral_map(unfolded, scale)[0].reshape(shape), 0, axis)


def _unfolded_norm(tensor, axis):
    unfolded, _ = _unfold(tensor, axis)
    return spectral_map(unfolded, jnp.ones_like)[1][-1]


def _unfold(tensor, axis):
    moved = jnp.moveaxis(tensor, axis, 0)
    return moved.reshape(moved.shape[0], -1), moved.shape


def _weights(alpha) -> tuple[float, ...]:
    weights = np.asarray(alpha, np.float64)
    if weights.shape != (3,) or (weights < 0).any() or not weights.sum() > 0:
        raise ValueError(f"alpha was {alpha}; pass three weights, none negative, not all zero")
    return tuple((weights / weights.sum()).tolist())
