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

import jax
import jax.numpy as jnp
import jax.scipy.linalg as jsl
import numpy as np
from jaxtyping import Float

from ntkmc import memory
from ntkmc._compat import enable_x64
from ntkmc.kernels.operator import KernelOperator, Pixels
from ntkmc.kernels.weighted import between
from ntkmc.solvers._neighbours import NeighbourSearch
from ntkmc.solvers.cholesky import Factorised
from ntkmc.solvers.conditional import (
    Conditional,
    batch_size,
    batches,
    condition,
    gather,
    with_noise,
)
from ntkmc.solvers.conjugate_gradient import Preconditioned
from ntkmc.solvers.result import Progress, SingularKernelError, check_pixels, check_values

BLOCK_BYTES = 2**26  # of the kernel between the observed pixels and a block of others
RIGHT_HAND_SIDES = 4  # solved for in one go: as many as an image has channels


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
    found = np.empty(len(targets[0]))
    with enable_x64():
        for some in batches(found.size, size, "variance", progress):
            there = tuple(side[some] for side in targets)
            # Rounding can put a pixel that is certain just below zero.
            found[some] = np.maximum(np.asarray(variances(there)), 0)
    return found


@jax.jit
def _by_factor(kernel, factor, pixels, targets):
    rows = tuple(side[:, None] for side in pixels)
    right = kernel.entries(rows, targets).astype(factor.dtype)
    half = jsl.solve_triangular(factor, right, lower=True)
    return kernel.entries(targets, targets) - jnp.sum(half**2, axis=0)


def nearest(
    kernel: KernelOperator,
    pixels: Pixels,
    values,
    targets: Pixels,
    shift: float = 0.0,
    neighbours=32,
    progress: Progress | None = None,
) -> Conditional:
    """Condition each target on its m nearest observed pixels only: see `solvers.conditional`.

    A target that is observed is left out of its own neighbours: there this is leave-one-out
    prediction.

    Parameters
    ----------
    kernel : operator with `entries` and `shape`. The nearest pixels of a `GridKernel` are those
        most correlated with the target, because such a kernel need not decay with distance.
    pixels : (rows, columns), each (n,), observed; of signals and volumes, an array an axis.
    values : (n,) or (n, k) at these.
    targets : (rows, columns), each (t,).
    shift : tau, what the ridge adds to the diagonal (`solvers.result.shift_of`).
    neighbours : m, as many as there are where these are fewer; or (t, m) indices into `pixels` of
        the neighbours to take instead, nearest first, n for none.
    progress : called with ("uncertainty", targets done, targets in all).

    Raises
    ------
    ValueError : no neighbours, or not those of t targets; pixels outside of the grid, wrong values.
    SingularKernelError : the kernel of some neighbours is not positive definite; names the target.
    """
    pixels, targets = check_pixels(pixels, kernel), check_pixels(targets, kernel)
    n, total = len(pixels[0]), len(targets[0])
    values = check_values(values, n).reshape(n, -1)
    given = np.asarray(neighbours)
    m, channels = given.shape[-1] if given.ndim else min(neighbours, n), values.shape[1]
    if m < 1 or (given.ndim and (given.shape[:-1] != (total,) or given.min() < 0)):
        raise ValueError(
            f"neighbours was {f'of shape {given.shape}' if given.ndim else neighbours}; pass at "
            f"least 1, or indices from 0 of shape ({total}, m)"
        )
    memory.require(
        8 * (total * (2 * channels + 1) + 3 * min(batch_size(), total) * (m + 1) ** 2) + 100 * n,
        f"conditioning {total} pixels on {m} neighbours each",
        "ask for fewer pixels at a time, or fewer neighbours",
    )
    search = None if given.ndim else NeighbourSearch(kernel, pixels)
    observed, there = np.stack(pixels, axis=1), np.stack(targets, axis=1)
    found = Conditional(np.empty((total, channels)), np.empty(total), np.empty((total, channels)))
    for some in batches(total, batch_size(), "uncertainty", progress):
        near = search(there[some], m) if search else given[some]
        points, present, near_values = gather(observed, values, there[some], near[:, ::-1])
        with enable_x64():
            # Two programs: as one, XLA computes kernels again for each of their uses.
            its = condition(_between(kernel, points), present, near_values, shift)
        found.mean[some], found.variance[some] = its.mean, its.variance
        found.surprise[some] = its.surprise
    bad = np.flatnonzero(~np.isfinite(found.variance))
    if bad.size:
        first = tuple(int(side[bad[0]]) for side in targets)
        raise SingularKernelError(
            f"the kernel of the {m} pixels nearest to {first} is not positive definite "
            f"({bad.size} of {total} pixels): pass a larger ridge, for instance 1e-4"
        )
    return found


def nearest_weights(
    kernel: KernelOperator, pixels: Pixels, targets: Pixels, shift: float, neighbours
) -> Float[np.ndarray, "t m"]:
    r"""What the value of each neighbour counts in the mean of `nearest`.

    .. math:: w = (K_{NN} + \tau I)^{-1} K(N, x),

    so that the mean is :math:`w^T y_N`.

    Parameters
    ----------
    kernel, pixels, targets, shift : as for `nearest`.
    neighbours : (t, m) indices into `pixels`, n for none.

    Returns
    -------
    In the neighbours' order, float64; 0 for none.

    Raises
    ------
    NotEnoughMemoryError : predicted before it is allocated.
    """
    observed, there = np.stack(pixels, axis=1), np.stack(targets, axis=1)
    total, m = np.shape(neighbours)
    memory.require(
        8 * (total * m + 4 * min(batch_size(), total) * (m + 1) ** 2),
        f"weights of {m} neighbours of {total} pixels each",
        "ask for fewer pixels",
    )
    found = np.empty((total, m))
    for some in batches(total, batch_size()):
        near = neighbours[some][:, ::-1]
        points, present, _ = gather(observed, observed, there[some], near)
        with enable_x64():
            matrices = _between(kernel, points).astype(float)
            system = np.asarray(with_noise(matrices[:, :-1, :-1], present, shift))
        # As Cholesky's factor does for `nearest`: the kernel is symmetric but for rounding.
        system = (system + system.transpose(0, 2, 1)) / 2
        right = np.where(present[..., None], matrices[:, :-1, -1:], 0)
        found[some] = np.linalg.solve(system, right)[:, ::-1, 0]
    return found


@jax.jit
def _between(kernel, points):
    return between(kernel, points)
