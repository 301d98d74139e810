"""What is known of a table's columns or rows before it is completed, as kernels between them."""

import dataclasses
from typing import Any

import numpy as np
from jaxtyping import Float

from ntkmc.architecture import Layer
from ntkmc.kernels import dense_ntk

NAMES = ("table", "identity")


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
    """

    depth: int
    activation: Layer | str | dict
    identity: float

    def kernel(self, embedding: Float[np.ndarray, "p n"]) -> Float[np.ndarray, "n n"]:
        """Kernel between columns of a prior."""
        size = np.sqrt(np.mean(np.square(np.linalg.norm(embedding, axis=0))))
        scaled = embedding / (size if size > 0 else 1.0)
        if self.identity:
            scaled = np.vstack([scaled, self.identity * np.eye(embedding.shape[1])])
        return np.asarray(dense_ntk(scaled, depth=self.depth, activation=self.activation))


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
