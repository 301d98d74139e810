"""One kernel matrix of a table's observed columns, factorised: solutions, errors, variances."""

import dataclasses
import functools
from collections.abc import Sequence

import numpy as np
from jaxtyping import Float
from scipy.linalg import get_lapack_funcs

from ntkmc import memory
from ntkmc.solvers.result import SingularKernelError, larger_ridge


@dataclasses.dataclass(frozen=True)
class KernelFactor:
    r"""Cholesky factor of :math:`A = K + \mathrm{shift}\, I`, in the precision of the matrix.

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
        In float32 that takes half the time, and leaves half the digits.

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
        (factorise,) = get_lapack_funcs(("potrf",), dtype=matrix.dtype)
        lower, failed = factorise(matrix.T, lower=1, overwrite_a=1, clean=0)
        pivots = np.square(np.einsum("ii->i", lower))
        if failed or is_singular(pivots.min(), largest, size, matrix.dtype):
            raise singular(size, ridge)
        return cls(lower)

    def solve(self, values: Float[np.ndarray, "l k"]) -> Float[np.ndarray, "l k"]:
        """Weights :math:`A^{-1} y`, a column for each of the values' columns, in float64."""
        if not values.size:
            return np.zeros(values.shape)
        (solve,) = get_lapack_funcs(("potrs",), dtype=self.lower.dtype)
        values = np.array(values, self.lower.dtype, order="F")
        return solve(self.lower, values, lower=1, overwrite_b=1)[0].astype(np.float64, copy=False)

    def condition(self, norm: float) -> float:
        r"""Condition number :math:`|A|_1 |A^{-1}|_1`, of which LAPACK estimates the second.

        Parameters
        ----------
        norm : :math:`|A|_1`, the largest sum of a column's magnitudes.
        """
        if not self.lower.size:
            return 1.0
        (reciprocal,) = get_lapack_funcs(("pocon",), dtype=self.lower.dtype)
        return 1 / reciprocal(self.lower, norm, uplo="L")[0]

    @functools.cached_property
    def inverse(self) -> Float[np.ndarray, "l l"]:
        """Inverse of the factor, lower triangular (as many operations as the factor took)."""
        if not self.lower.size:
            return self.lower
        (invert,) = get_lapack_funcs(("trtri",), dtype=self.lower.dtype)
        inverse, _ = invert(self.lower, lower=1)
        # Not cleaned by LAPACK: above the diagonal is what the kernel had there.
        return np.tril(inverse)

    @functools.cached_property
    def inverse_diagonal(self) -> Float[np.ndarray, " l"]:
        r""":math:`[A^{-1}]_{ii}`, which is one over the leave-one-out variance."""
        return np.einsum("ij,ij->j", self.inverse, self.inverse)

    def leave_one_out(
        self,
        values: Float[np.ndarray, "l k"],
        weights: Float[np.ndarray, "l k"],
        groups: Sequence[np.ndarray] = (),
    ) -> tuple[Float[np.ndarray, "l k"], Float[np.ndarray, " l"]]:
        r"""Prediction of each value from all the others, exactly and without another solve.

        .. math:: y_i - \frac{[A^{-1} y]_i}{[A^{-1}]_{ii}}, \qquad
                  y_B - ([A^{-1}]_{BB})^{-1} [A^{-1} y]_B

        (Rasmussen and Williams, "Gaussian processes for machine learning", 2006, equation 5.12, and
        the same for values that are left out together).

        Parameters
        ----------
        values : (l, k)
        weights : (l, k), what `solve` made of them.
        groups : B, positions of values that are left out together.

        Returns
        -------
        predictions : (l, k)
        variance : (l,), of each value less its prediction.
        """
        variance = 1 / self.inverse_diagonal
        apart = weights * variance[:, None]
        for which in groups:
            part = self.inverse[:, which]
            own = np.linalg.inv(part.T @ part)
            variance[which], apart[which] = np.diagonal(own), own @ weights[which]
        return values - apart, variance

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


def is_singular(pivot, largest, size, dtype):
    """Whether the smallest pivot is no more than rounding, beside the largest diagonal entry."""
    return pivot <= 4 * np.finfo(dtype).eps * np.sqrt(size) * largest


def singular(size: int, ridge: float) -> SingularKernelError:
    """What to raise for the matrix of so many columns."""
    return SingularKernelError(
        f"the kernel matrix of {size} observed columns is singular to rounding, as it is where "
        "columns of the prior are equal or there are more columns than it has independent "
        f"features: pass a larger ridge (it was {ridge:g}; try {larger_ridge(ridge):g})"
    )


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
