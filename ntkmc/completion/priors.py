"""What is known of a table's columns or rows before it is completed, as kernels between them."""

import dataclasses
import functools
from typing import Any

import numpy as np
import scipy.sparse
from jaxtyping import Bool, Float, Int
from scipy.sparse.csgraph import connected_components

from ntkmc.architecture import Layer
from ntkmc.kernels.dense_ntk import dense_ntk, homogeneous

NAMES = ("table", "identity")
PARITIES = ("odd", "oriented")

# Columns with a third of the typical loading on the common factor have all of the even part.
_LOADING = 3.0


@dataclasses.dataclass(frozen=True, eq=False)  # arrays do not compare to one truth value
class Gram:
    """A kernel in the place of an embedding.

    Parameters
    ----------
    matrix : (n, n), symmetric and positive semidefinite, between the columns (or the rows) of a
        table, in their order.
    """

    matrix: Any

    def __post_init__(self):
        matrix = np.asarray(self.matrix, np.float64)
        if matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1]:
            raise ValueError(f"Gram: matrix has shape {matrix.shape}; pass a square one")
        if not np.isfinite(matrix).all() or not np.allclose(matrix, matrix.T, rtol=1e-6):
            raise ValueError("Gram: matrix is not symmetric and finite; pass a kernel matrix")


@dataclasses.dataclass(frozen=True)
class Network:
    """The network whose kernel is used, and how much of the identity its prior has.

    Attributes
    ----------
    depth : number of hidden layers.
    activation : a homogeneous one, or its spelling.
    identity : c in the prior (Z, c I), which columns have of their own: with Z scaled to columns of
        mean square norm 1 (the paper's SI, appendix D).
    parity : of `signed_kernel`, "odd" or "oriented".
    """

    depth: int
    activation: Layer | str | dict
    identity: float
    parity: str = "odd"

    def kernel(
        self, embedding: Float[np.ndarray, "p n"], new: Float[np.ndarray, "p k"] | None = None
    ) -> Float[np.ndarray, "m m"]:
        """Kernel between columns of a prior, and new ones after them, at the scale of the first."""
        return self._ntk(self._scaled(embedding, new))

    def signed_kernel(
        self, embedding: Float[np.ndarray, "p n"], observed: Bool[np.ndarray, "m n"]
    ) -> Float[np.ndarray, "n n"]:
        r"""Kernel between columns of a table, of which each could as well have the other sign.

        The kernel of a ReLU network is larger for columns that agree than it is negative for
        opposite ones, and positive for those that have nothing to do with one another. Of the odd
        part of the network, :math:`(f(z) - f(-z)) / 2`, it is

        .. math:: K_-(z, z') = \tfrac12 (K(z, z') - K(z, -z')),

        zero for orthogonal columns, and with the other sign where one of them has. The even part
        has the kernel :math:`K_+(z, z') = \tfrac12 (K(z, z') + K(z, -z'))` and nothing in common
        with the odd one. Columns that share a factor have it too, oriented by that factor: the
        network :math:`(f(z) - f(-z)) / 2 + w\,(f(z) + f(-z)) / 2` has the kernel
        :math:`K_- + w w' K_+`, with w the column's loading on the first principal component of
        those that it is observed together with, directly or through others, times 3 over the
        typical one, and between -1 and 1.

        Parameters
        ----------
        embedding : (p, n)
        observed : (m, n), which entries of the table are.
        """
        scaled = self._scaled(embedding)
        if self.depth == 1:
            # Leaky ReLU is a linear function and a multiple of |x|, which has only even parts.
            odd = _odd_slope(homogeneous(self.activation)) * (scaled.T @ scaled)
        else:
            opposite = self._ntk(scaled, -scaled)
            odd = (self._ntk(scaled) - (opposite + opposite.T) / 2) / 2
        if self.parity == "odd":
            return odd
        loadings = _loadings(embedding, observed)
        return odd + (loadings.T @ loadings) * (self._ntk(scaled) - odd)

    def _ntk(self, *sides) -> Float[np.ndarray, "n n"]:
        return np.asarray(dense_ntk(*sides, depth=self.depth, activation=self.activation))

    def _scaled(self, embedding, new=None):
        size = np.sqrt(np.mean(np.square(np.linalg.norm(embedding, axis=0))))
        columns = embedding if new is None else np.hstack([embedding, new])
        scaled = columns / (size if size > 0 else 1.0)
        if self.identity:
            scaled = np.vstack([scaled, self.identity * np.eye(columns.shape[1])])
        return scaled


@functools.cache
def _odd_slope(activation: Layer) -> float:
    """The odd part of the kernel of one hidden layer, between numbers of which the product is 1."""
    one = np.ones((1, 1))
    both = [dense_ntk(one, side, depth=1, activation=activation).item() for side in (one, -one)]
    return (both[0] - both[1]) / 2


def _loadings(embedding, observed) -> Float[np.ndarray, "g n"]:
    """Of columns on the first component of their group; zero for the other groups' columns."""
    group = _groups(observed)
    norms = np.linalg.norm(embedding, axis=0)
    units = embedding / np.where(norms > 0, norms, 1)
    loadings = []
    for members in (group == one for one in np.unique(group)):
        first = _first_component(units[:, members])
        loadings.append(np.zeros(len(group)))
        loadings[-1][members] = np.clip(_LOADING * first * np.sqrt(members.sum()), -1, 1)
    return np.array(loadings)


def _groups(observed) -> Int[np.ndarray, " n"]:
    """The group of each column: those that a row has both of are together, and so are theirs."""
    if observed.all(axis=1).any():
        return np.zeros(observed.shape[1], int)
    # Rows and columns are the nodes.
    entries = scipy.sparse.csr_array(observed)
    nodes = scipy.sparse.block_array([[None, entries], [entries.T, None]])
    return connected_components(nodes, directed=False)[1][len(observed) :]


def _first_component(columns) -> Float[np.ndarray, " n"]:
    """The first right singular vector."""
    rows, count = columns.shape
    if rows >= count:
        return np.linalg.eigh(columns.T @ columns)[1][:, -1]
    vector = columns.T @ np.linalg.eigh(columns @ columns.T)[1][:, -1]
    norm = np.linalg.norm(vector)
    return vector / norm if norm > 0 else vector


def check_prior(prior: Any, name: str, names: tuple[str, ...] = NAMES) -> None:
    """Refuse what is no prior: `name` is the argument's."""
    if isinstance(prior, str):
        if prior not in names:
            known = " or ".join(repr(known) for known in names)
            raise ValueError(
                f"{name} was {prior!r}; pass {known}, an embedding (p, n) or a Gram(kernel)"
            )
        return
    if isinstance(prior, Gram):
        return
    embedding = np.asarray(prior)
    if embedding.ndim != 2 or embedding.dtype.kind not in "iufb":
        raise ValueError(
            f"{name} was an array of {embedding.dtype} of shape {embedding.shape}; pass numbers "
            "(p, n), p features each"
        )
    if not np.isfinite(embedding.astype(np.float64)).all():
        raise ValueError(f"{name} has entries that are not finite; fill them in, or leave them out")


def prior_matrix(prior: Any, name: str, what: str, count: int) -> np.ndarray:
    """The embedding (p, count) or the kernel (count, count) that a prior stands for."""
    if isinstance(prior, str):
        return np.eye(count)
    matrix = np.asarray(prior.matrix if isinstance(prior, Gram) else prior, np.float64)
    if matrix.shape[1] != count:
        raise ValueError(
            f"{name} is for {matrix.shape[1]} {what} and the table has {count}; pass one column "
            f"of it for each of the table's {what}"
        )
    return matrix
