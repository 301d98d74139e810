r"""Posterior variance of the Gaussian process whose covariance is the kernel.

Ridge regression on pixels S is the posterior mean of a Gaussian process with covariance K observed
with noise of variance :math:`\tau = \lambda\,\overline{K_{xx}}`; its posterior variance, here at
unit scale and without the noise of an observation at x itself, is

.. math:: v(x) = K(x, x) - k_x^T (K_{SS} + \tau I)^{-1} k_x, \qquad k_x = K(S, x)

(Rasmussen & Williams 2006, Eq. 2.26). Of which model this is the posterior depends on the kernel.
With the NNGP it is exactly the Bayesian posterior of the infinitely wide network (Lee et al. 2018).
With the NTK it is the posterior of the process with that covariance, which is how the predictions
of infinitely wide networks trained to the end are spread *if* a fixed random function is added to
each so that it starts as a draw of that process (He, Lakshminarayanan & Teh 2020); networks trained
as they are spread otherwise (Lee et al. 2019), by what only their initial values do.

Three ways: `exact` by the Cholesky factor of a `Factorised` system; `iterated` by conjugate
gradients for a few chosen pixels of a `Preconditioned` one, to the solver's tolerance; `nearest` on
each pixel's m nearest observed ones alone, for all pixels of a large image.
"""

import dataclasses

import jax
import jax.numpy as jnp
import jax.scipy.linalg as jsl
import numpy as np
from jaxtyping import Float

from ntkmc import memory
from ntkmc._compat import enable_x64
from ntkmc.kernels.operator import KernelOperator, Pixels
from ntkmc.solvers._neighbours import NeighbourSearch
from ntkmc.solvers.cholesky import Factorised
from ntkmc.solvers.conjugate_gradient import Preconditioned
from ntkmc.solvers.result import Progress, SingularKernelError, check_pixels, check_values

BLOCK_BYTES = 2**26  # of the kernel between the observed pixels and a block of others
RIGHT_HAND_SIDES = 4  # solved for in one go: as many as an image has channels
BATCH = 2048  # local systems factorised in one go: 18 MB with 32 neighbours
INNERMOST = 8  # of the neighbours, whose surprise tells the scale around a pixel; see `Conditional`


def exact(
    prepared: Factorised,
    kernel: KernelOperator,
    pixels: Pixels,
    targets: Pixels,
    progress: Progress | None = None,
) -> Float[np.ndarray, " t"]:
    """Variance at targets by the Cholesky factor: n^2 operations a target.

    Parameters
    ----------
    prepared : what `Cholesky.prepare` made of this kernel and these pixels.
    kernel, pixels : as they were prepared; n observed pixels.
    targets : (rows, columns), each (t,): where the variance is wanted.
    progress : called with ("variance", targets done, targets in all).

    Raises
    ------
    ValueError : targets outside of the kernel's grid; pixels that were not prepared.
    """
    pixels, targets = check_pixels(pixels, kernel), check_pixels(targets, kernel)
    n = len(pixels[0])
    if n != len(prepared.matrix):
        raise ValueError(
            f"pixels are {n} and the prepared system is of {len(prepared.matrix)}: pass those it "
            "was prepared with"
        )
    block = max(1, BLOCK_BYTES // (8 * n))

    def variances(some):
        return _by_factor(kernel, prepared.factor, pixels, some)

    return _in_blocks(variances, targets, block, progress)


def iterated(
    prepared: Preconditioned, targets: Pixels, progress: Progress | None = None
) -> Float[np.ndarray, " t"]:
    """Variance at a few targets by conjugate gradients, without the kernel matrix.

    One system a target, four at a time, each solved to the solver's tolerance. The error of the
    variance is quadratic in that of the solution and upwards: it is e'(K + tau I)e.

    Parameters
    ----------
    prepared : what `ConjugateGradient.prepare` made of a kernel and n pixels.
    targets : (rows, columns), each (t,).
    progress : called with ("variance", targets done, targets in all).

    Raises
    ------
    ValueError : targets outside of the kernel's grid.
    """
    kernel, pixels = prepared.kernel, prepared.pixels
    targets = check_pixels(targets, kernel)

    def variances(some):
        right = np.asarray(kernel.dense(pixels, some), np.float64)
        weights = prepared.solve(right).weights
        prior = np.asarray(kernel.entries(some, some), np.float64)
        return prior - np.sum(right * weights, axis=0)

    return _in_blocks(variances, targets, RIGHT_HAND_SIDES, progress)


def _in_blocks(variances, targets, size, progress):
    total = len(targets[0])
    found = np.empty(total)
    size = min(size, total)
    with enable_x64():
        for start in range(0, total, size):
            # The last block reaches back, so that all are of one shape and compiled once.
            first = min(start, total - size)
            some = tuple(side[first : first + size] for side in targets)
            # Rounding can put a pixel that is certain just below zero.
            found[first : first + size] = np.maximum(np.asarray(variances(some)), 0)
            if progress:
                progress("variance", min(start + size, total), total)
    return found


@jax.jit
def _by_factor(kernel, factor, pixels, targets):
    rows = tuple(side[:, None] for side in pixels)
    right = kernel.entries(rows, targets).astype(factor.dtype)
    half = jsl.solve_triangular(factor, right, lower=True)
    return kernel.entries(targets, targets) - jnp.sum(half**2, axis=0)


@dataclasses.dataclass(frozen=True)
class Conditional:
    """Distribution of pixels given the m nearest observed ones, at unit scale.

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


def nearest(
    kernel: KernelOperator,
    pixels: Pixels,
    values,
    targets: Pixels,
    shift: float = 0.0,
    neighbours: int = 32,
    progress: Progress | None = None,
) -> Conditional:
    r"""Condition each target on its m nearest observed pixels only (Vecchia 1988).

    With :math:`L L^T = K_{NN} + \tau I` on the neighbours N, farthest first, the innovations are
    :math:`\epsilon = L^{-1} y_N`, and with :math:`w = L^{-1} K(N, x)` mean and variance are
    :math:`w^T \epsilon` and :math:`K(x, x) - w^T w`. Conditioning on less, the variance is never
    too small, and with all n pixels it is exact. A target that is observed is left out of its own
    neighbours: there this is leave-one-out prediction.

    Parameters
    ----------
    kernel : operator with `entries` and `shape`. The nearest pixels of a `GridKernel` are those
        most correlated with the target, because such a kernel need not decay with distance.
    pixels : (rows, columns), each (n,), observed.
    values : (n,) or (n, k) at these.
    targets : (rows, columns), each (t,).
    shift : tau, what the ridge adds to the diagonal (`solvers.result.shift_of`).
    neighbours : m; as many as there are where these are fewer.
    progress : called with ("uncertainty", targets done, targets in all).

    Raises
    ------
    ValueError : no neighbours asked for, pixels outside of the grid, wrong values.
    SingularKernelError : the kernel of some neighbours is not positive definite; names the target.
    """
    pixels, targets = check_pixels(pixels, kernel), check_pixels(targets, kernel)
    n, total = len(pixels[0]), len(targets[0])
    values = check_values(values, n).reshape(n, -1)
    if neighbours < 1:
        raise ValueError(f"neighbours was {neighbours}; pass at least 1")
    m, channels = min(neighbours, n), values.shape[1]
    size = min(BATCH, total)
    memory.require(
        8 * (total * (2 * channels + 1) + 3 * size * (m + 1) ** 2) + 100 * n,
        f"conditioning {total} pixels on {m} neighbours each",
        "ask for fewer pixels at a time, or fewer neighbours",
    )
    search = NeighbourSearch(kernel, pixels)
    # One more for neighbours that there are not.
    places = np.append(np.stack(pixels, axis=1), np.zeros((1, 2), np.int32), axis=0)
    values = np.append(values, np.zeros((1, channels)), axis=0)
    parts = []
    for start in range(0, total, size):
        # The last batch reaches back, so that all are of one shape.
        first = min(start, total - size)
        some = np.stack([side[first : first + size] for side in targets], axis=1)
        near = search(some, m)[:, ::-1]
        with enable_x64():
            found = _condition(kernel, near < n, places[near], values[near], some, shift)
        parts.append([np.asarray(part)[start - first :] for part in found])
        if progress:
            progress("uncertainty", min(start + size, total), total)
    mean, variance, surprise = (np.concatenate(part) for part in zip(*parts, strict=True))
    bad = np.flatnonzero(~np.isfinite(variance))
    if bad.size:
        row, column = targets[0][bad[0]], targets[1][bad[0]]
        raise SingularKernelError(
            f"the kernel of the {m} pixels nearest to ({row}, {column}) is not positive definite "
            f"({bad.size} of {total} pixels): pass a larger ridge, for instance 1e-4"
        )
    return Conditional(mean, variance, surprise)


@jax.jit
def _condition(kernel, present, near, values, targets, shift):
    rows, columns = near[..., 0], near[..., 1]
    matrix = kernel.entries(
        (rows[:, :, None], columns[:, :, None]), (rows[:, None, :], columns[:, None, :])
    ).astype(jnp.float64)
    # An absent neighbour becomes a row of the identity, which leaves the others as they are.
    matrix = jnp.where(present[:, :, None] & present[:, None, :], matrix, 0)
    matrix = matrix + jnp.where(present, shift, 1.0)[:, :, None] * jnp.eye(present.shape[1])
    here = (targets[:, 0], targets[:, 1])
    beside = kernel.entries((rows, columns), (here[0][:, None], here[1][:, None]))
    beside = jnp.where(present, beside.astype(jnp.float64), 0)[..., None]
    half = jax.lax.linalg.triangular_solve(
        jnp.linalg.cholesky(matrix),
        jnp.concatenate([beside, values], axis=-1),
        left_side=True,
        lower=True,
    )
    towards, innovations = half[..., 0], half[..., 1:]
    return (
        jnp.einsum("tm,tmk->tk", towards, innovations),
        jnp.maximum(kernel.entries(here, here) - jnp.sum(towards**2, axis=1), 0),
        jnp.sum(innovations[:, -INNERMOST:] ** 2, axis=1)
        / jnp.maximum(present[:, -INNERMOST:].sum(axis=1), 1)[:, None],
    )
