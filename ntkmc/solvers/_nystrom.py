r"""The part of a kernel that its leading eigenvectors make, from a subsample of the points.

On s points S the matrix K_SS has eigenvalues :math:`\lambda_1 \ge \lambda_2 \ge \dots` and vectors
:math:`e_i`, which extend to functions of norm one (Nyström),

.. math:: \psi_i(x) = \lambda_i^{-1/2} \sum_{j \in S} e_{ij}\, k(x_j, x).

Taking from the kernel what the first q of them have beyond the next,

.. math:: k_P(x, x') = k(x, x') - \sum_{i \le q} (1 - \lambda_{q+1} / \lambda_i)\,
          \psi_i(x)\, \psi_i(x') = k(x, x') - k(x, S) F F^T k(S, x'), \qquad
          F_i = \sqrt{(1 - \lambda_{q+1} / \lambda_i) / \lambda_i}\; e_i,

leaves a kernel with a nearly flat spectrum (Ma & Belkin 2017, arXiv 1703.10622; 2018,
arXiv 1806.06144). How fast descent with it may go is told by two numbers, over all n points:
:math:`\max_x k_P(x, x)` and the largest eigenvalue of :math:`k_P` over n.
"""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import scipy.linalg

from ntkmc.solvers.result import SingularKernelError

BLOCK_BYTES = 2**24  # of kernel entries made at a time: larger blocks were slower on a CPU


@dataclasses.dataclass(frozen=True)
class Flattened:
    """A kernel without the part of its leading eigenvectors.

    Attributes
    ----------
    factor : (s, q), F; the subsample is the first s points.
    diagonal : the largest :math:`k_P(x, x)` of all points.
    largest : a bound on the largest eigenvalue of the matrix of :math:`k_P`, over n.
    """

    factor: jax.Array
    diagonal: float
    largest: float


def flatten(kernel, points, shift: float, subsample: int, eigenvectors: int) -> Flattened:
    r"""Take the leading eigenvectors out of K + shift I.

    The eigenvalue is bounded by parts. Within the subsample it is known, :math:`\lambda_{q+1}`. For
    the rest R it is measured on another sample H of as many points, which the eigenvectors have not
    seen; the mean of what such samples give is never less than :math:`\lambda_1(R) / |R|`, since
    the largest eigenvalue is convex. And eigenvalues of sums of points add at most:

    .. math:: \lambda_1 \le \lambda_{q+1} + \frac{n - s}{|H|}\, \lambda_1(k_P(H, H)).

    (The eigenvalue :math:`\lambda_{q+1} n / s` that Nyström's method alone would give is too
    small, by three times where image kernels were tried, as the subsample's eigenvectors fit
    it better than the rest.)

    Parameters
    ----------
    kernel : operator with `dense` and `entries`.
    points : (rows, columns) of n pixels, in random order.
    shift : added to the diagonal.
    subsample, eigenvectors : s <= n and q < s; fewer where the kernel's rank is less.

    Raises
    ------
    SingularKernelError : the kernel is not positive semidefinite, or zero.
    """
    n, s = len(points[0]), subsample
    chosen = first(points, s)
    matrix = np.asarray(kernel.dense(chosen, chosen), np.float64) + shift * np.eye(s)
    size = np.abs(np.diag(matrix)).max()
    # The leading ones, largest first, and the one that comes next.
    values, vectors = scipy.linalg.eigh(
        matrix, subset_by_index=[s - 1 - eigenvectors, s - 1], overwrite_a=True
    )
    values, vectors = values[::-1], vectors[:, ::-1]
    noise = np.finfo(kernel.dtype).eps * np.sqrt(s)
    if not values[0] > noise * size:
        raise SingularKernelError(
            f"the kernel's largest eigenvalue on {s} of {n} points is {values[0]:.1e}, no more "
            f"than rounding beside a diagonal of up to {size:.1e} in size: it is not "
            "positive semidefinite, or zero; pass another kernel"
        )
    tail = max(values[-1], noise * values[0])
    kept = values[:-1] > tail
    values, vectors = values[:-1][kept], vectors[:, :-1][:, kept]
    factor = jnp.asarray(vectors * np.sqrt((1 - tail / values) / values), kernel.dtype)
    whole, left = (float(largest) for largest in _largest_diagonal(kernel, points, factor, shift))
    bound = tail
    if n > s:
        bound += (n - s) * _largest_unseen(kernel, points, shift, factor)
    return Flattened(factor, max(left, noise * whole), bound / n)


def first(points, s: int):
    """The first s of some points."""
    return points[0][:s], points[1][:s]


@jax.jit
def _largest_diagonal(kernel, points, factor, shift):
    """The largest K(x, x) and the largest k_P(x, x) = K(x, x) - |k(x, S) F|^2."""
    n, s = len(points[0]), len(factor)
    chosen = first(points, s)
    rows = min(n, max(1, BLOCK_BYTES // (s * kernel.dtype.itemsize)))
    places = np.arange(-(-n // rows) * rows, dtype=np.int32).reshape(-1, rows) % n

    def removed(some):
        block = kernel.dense(tuple(side[some] for side in points), chosen)
        block += jnp.where(some[:, None] == jnp.arange(s), shift, 0).astype(block.dtype)
        features = jnp.matmul(block, factor, precision=jax.lax.Precision.HIGHEST)
        return jnp.sum(features**2, axis=1)

    whole = kernel.entries(points, points) + shift
    return jnp.max(whole), jnp.max(whole - jax.lax.map(removed, places).ravel()[:n])


def _largest_unseen(kernel, points, shift, factor):
    """Largest eigenvalue of k_P on as many points that are not in the subsample, over those."""
    s = len(factor)
    unseen = tuple(side[s : 2 * s] for side in points)
    count = len(unseen[0])
    matrix = np.asarray(kernel.dense(unseen, unseen), np.float64) + shift * np.eye(count)
    across = np.asarray(kernel.dense(unseen, first(points, s)), np.float64)
    features = across @ np.asarray(factor, np.float64)
    matrix -= features @ features.T
    top = scipy.linalg.eigvalsh((matrix + matrix.T) / 2, subset_by_index=[count - 1, count - 1])
    return top[0] / count
