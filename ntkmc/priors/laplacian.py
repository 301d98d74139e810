"""Coordinates from the graph of nearest neighbours: eigenvectors of its Laplacian."""

import numpy as np
from jaxtyping import Float
from scipy import sparse
from scipy.linalg import eigh

from ntkmc import memory


def laplacian_eigenvectors(
    points: Float[np.ndarray, "d n"], count: int, neighbours: int = 10
) -> Float[np.ndarray, "count n"]:
    r"""Eigenvectors of the graph Laplacian L = D - A with the least eigenvalues, smallest first.

    A is the graph in which each point is joined to its nearest ones (and they to it), and
    :math:`D_{ii} = \sum_j A_{ij}`. With a linear network this prior is semi-supervised learning
    with the Laplacian (SI appendix B, corollary): least squares on the eigenvectors.

    Parameters
    ----------
    points : (d, n), one column for each column of the table; all of them, observed or not.
    count : of eigenvectors, at most n.
    neighbours : that each point is joined to.

    Returns
    -------
    (count, n) : orthonormal rows; of each the entry of largest size is positive.

    References
    ----------
    Belkin and Niyogi, "Semi-supervised learning on Riemannian manifolds", Machine Learning 56
    (2004).
    """
    from sklearn.neighbors import kneighbors_graph  # a second to import

    n = points.shape[1]
    if not 1 <= count <= n:
        raise ValueError(f"count was {count}; pass a number from 1 to {n}, that of the points")
    if not 1 <= neighbours < n:
        raise ValueError(f"neighbours was {neighbours}; pass a number from 1 to {n - 1}")
    memory.require(4 * 8 * n**2, f"the Laplacian of {n} points", "pass fewer points")
    joined = kneighbors_graph(points.T, neighbours)
    laplacian = sparse.csgraph.laplacian(joined.maximum(joined.T)).toarray()
    vectors = eigh(laplacian, subset_by_index=(0, count - 1))[1].T
    signs = np.sign(vectors[np.arange(count), np.argmax(np.abs(vectors), axis=1)])
    return vectors * signs[:, None]
