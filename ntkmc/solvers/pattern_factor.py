"""One kernel matrix of a table's observed columns, factorised: solutions, errors, variances."""

import dataclasses
import functools

import numpy as np
from jaxtyping import Float
from scipy.linalg import lapack

from ntkmc import memory
from ntkmc.solvers.result import SingularKernelError, larger_ridge

_ROUNDING = 4 * np.finfo(np.float64).eps


@dataclasses.dataclass(frozen=True)
class KernelFactor:
    r"""Cholesky factor of :math:`A = K + \mathrm{shift}\, I`, in float64.

    NumPy and LAPACK on the host: a table's patterns differ in size, and for each new one a
    compiler would take longer than the factorisation.

    Attributes
    ----------
    lower : (l, l), its lower triangle, in Fortran's order; what is above it is not read.
    """

    lower: Float[np.ndarray, "l l"]

    @classmethod
    def of(
        cls, matrix: Float[np.ndarray, "l l"], shift: float, ridge: float = 0.0
    ) -> "KernelFactor":
        """Factorise `matrix` + `shift` I, in the memory of `matrix`, which is not usable after.

        Only the upper triangle of `matrix` is read (rows are in C's order, LAPACK's in Fortran's).

        Raises
        ------
        SingularKernelError : it is not positive definite to rounding; `ridge` is what the message
            says it was.
        """
        size = len(matrix)
        if not size:
            return cls(matrix)
        diagonal = np.einsum("ii->i", matrix)
        largest = diagonal.max()
        diagonal += shift
        lower, failed = lapack.dpotrf(matrix.T, lower=1, overwrite_a=1, clean=0)
        pivots = np.square(np.einsum("ii->i", lower))
        if failed or pivots.min() <= _ROUNDING * np.sqrt(size) * largest:
            raise SingularKernelError(
                f"the kernel matrix of {size} observed columns is singular to rounding, as it is "
                "where columns of the prior are equal or there are more columns than it has "
                f"independent features: pass a larger ridge (it was {ridge:g}; try "
                f"{larger_ridge(ridge):g})"
            )
        return cls(lower)

    def solve(self, values: Float[np.ndarray, "l k"]) -> Float[np.ndarray, "l k"]:
        """Weights :math:`A^{-1} y`, a column for each of the values' columns."""
        if not values.size:
            return np.zeros(values.shape)
        return lapack.dpotrs(self.lower, np.asfortranarray(values), lower=1)[0]

    @functools.cached_property
    def inverse(self) -> Float[np.ndarray, "l l"]:
        """Inverse of the factor, lower triangular (as many operations as the factor took)."""
        if not self.lower.size:
            return self.lower
        inverse, _ = lapack.dtrtri(self.lower, lower=1)
        # Not cleaned by LAPACK: above the diagonal is what the kernel had there.
        return np.tril(inverse)

    @functools.cached_property
    def inverse_diagonal(self) -> Float[np.ndarray, " l"]:
        r""":math:`[A^{-1}]_{ii}`, which is one over the leave-one-out variance."""
        return np.einsum("ij,ij->j", self.inverse, self.inverse)

    def leave_one_out(
        self, values: Float[np.ndarray, "l k"], weights: Float[np.ndarray, "l k"]
    ) -> Float[np.ndarray, "l k"]:
        r"""Prediction of each value from all the others, exactly and without another solve.

        .. math:: y_i - \frac{[A^{-1} y]_i}{[A^{-1}]_{ii}}

        (Rasmussen and Williams, "Gaussian processes for machine learning", 2006, equation 5.12).

        Parameters
        ----------
        values : (l, k)
        weights : (l, k), what `solve` made of them.
        """
        return values - weights / self.inverse_diagonal[:, None]

    def variance(
        self, cross: Float[np.ndarray, "l q"], diagonal: Float[np.ndarray, " q"]
    ) -> Float[np.ndarray, " q"]:
        r"""What is left of the kernel: :math:`k_{**} - k_*^T A^{-1} k_*`, at least zero.

        Parameters
        ----------
        cross : (l, q), the kernel between the observed columns and q others.
        diagonal : (q,), the kernel of the others with themselves.
        """
        spread = self.inverse @ cross
        return np.maximum(diagonal - np.einsum("lq,lq->q", spread, spread), 0)


def predicted_bytes(observed: int, missing: int, rows: int, uncertainty: bool) -> int:
    """Largest moment of one pattern: the factor (and its inverse), weights, and the cross kernel.

    Parameters
    ----------
    observed, missing : columns.
    rows : how many rows have the pattern.
    uncertainty : whether the factor is inverted.
    """
    squares = 3 if uncertainty else 1
    spread = 2 if uncertainty else 1
    return 8 * (squares * observed**2 + spread * observed * missing + 3 * observed * rows)


def require_memory(observed: int, missing: int, rows: int, uncertainty: bool) -> None:
    """Refuse a pattern that will not fit.

    Raises
    ------
    NotEnoughMemoryError
    """
    memory.require(
        predicted_bytes(observed, missing, rows, uncertainty),
        f"a factorisation of {observed} observed columns",
        "pass fewer columns, or do without leave-one-out and standard deviations",
    )
