"""Rows of a narrow table: the kernel matrices of many patterns at once.

A loop over patterns takes 0.2 ms for each, however small its matrix is; NumPy's stacks take
10 microseconds for one of 12 columns and 140 for one of 48.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int

from ntkmc.solvers.pattern_factor import is_singular, singular
from ntkmc.solvers.pattern_groups import distinct

NARROW = 48
"""Tables with so many columns are solved in stacks."""

_PATTERNS = 256  # at a time
_ROWS = 1024


class Stack(NamedTuple):
    r"""Rows whose patterns' matrices :math:`A = K_{oo} + \mathrm{shift}\, I` are in one stack.

    Attributes
    ----------
    done, patterns : how many of the table's patterns are solved by now, and all of them.
    rows : positions of the rows.
    of : the pattern of each.
    values : of the rows, zero where missing.
    weights : their dual coefficients, zero where missing.
    predicted : products of the kernel with them.
    inverse : (p, n, n), lower triangular L with :math:`L^T L = A^{-1}`; zero for what is missing.
    residual : (p,), relative, root mean square over these rows of a pattern.
    condition : (p,), :math:`|A|_1 |A^{-1}|_1`.
    """

    done: int
    patterns: int
    rows: Int[np.ndarray, " r"]
    of: Int[np.ndarray, " r"]
    values: Float[np.ndarray, "r n"]
    weights: Float[np.ndarray, "r n"]
    predicted: Float[np.ndarray, "r n"]
    inverse: Float[np.ndarray, "p n n"]
    residual: Float[np.ndarray, " p"]
    condition: Float[np.ndarray, " p"]

    def left_out(
        self, groups: list[np.ndarray]
    ) -> tuple[Float[np.ndarray, "r n"], Float[np.ndarray, "p n"]]:
        """Of each observed value, its prediction from the others of its row, and the variance.

        Columns of a group are left out together.
        """
        its = np.einsum("pij,pij->pj", self.inverse, self.inverse)
        variance = 1 / np.where(its > 0, its, 1)
        apart = self.weights * variance[self.of]
        for which in groups:
            part = self.inverse[:, :, which]
            missing = its[:, which, None] == 0
            own = np.linalg.inv(part.transpose(0, 2, 1) @ part + missing * np.eye(len(which)))
            variance[:, which] = np.einsum("pii->pi", own)
            apart[:, which] = (own[self.of] @ self.weights[:, which, None])[:, :, 0]
        return self.values - apart, variance

    def variance(self, kernel: Float[np.ndarray, "n n"]) -> Float[np.ndarray, "p n"]:
        """Of what is missing, without noise."""
        spread = np.square(self.inverse @ kernel).sum(axis=1)
        return np.maximum(np.diagonal(kernel) - spread, 0)


def stacks(
    kernel: Float[np.ndarray, "n n"],
    values: Float[np.ndarray, "m n"],
    shift: float,
    ridge: float,
) -> Iterator[Stack]:
    """All rows, some at a time.

    Parameters
    ----------
    kernel : between columns.
    values : NaN where missing.
    shift : what is added to the diagonal.
    ridge : what errors say that the relative ridge was.

    Raises
    ------
    SingularKernelError : the matrix of a pattern is singular to rounding.
    """
    observed = ~np.isnan(values)
    first, of = distinct(observed)
    order = np.argsort(of, kind="stable")
    ends = np.cumsum(np.bincount(of, minlength=len(first)))
    values = np.where(observed, values, 0)
    for start in range(0, len(first), _PATTERNS):
        masks = observed[first[start : start + _PATTERNS]]
        inverse, condition = _factorised(kernel, masks, shift, ridge)
        done = start + len(masks)
        begin, end = ends[start - 1] if start else 0, ends[done - 1]
        for at in range(begin, end, _ROWS):
            rows = order[at : min(at + _ROWS, end)]
            its, y = of[rows] - start, values[rows]
            factors = inverse[its]
            half = factors @ y[:, :, None]
            weights = (half.transpose(0, 2, 1) @ factors)[:, 0]
            predicted = weights @ kernel
            left = np.where(observed[rows], predicted + shift * weights - y, 0)
            sizes = np.square(y).sum(axis=1)
            squared = np.square(left).sum(axis=1) / np.where(sizes > 0, sizes, 1)
            counts = np.maximum(np.bincount(its, minlength=len(masks)), 1)
            residual = np.sqrt(np.bincount(its, squared, len(masks)) / counts)
            yield Stack(
                done, len(first), rows, its, y, weights, predicted, inverse, residual, condition
            )


def _factorised(kernel, observed: Bool[np.ndarray, "p n"], shift, ridge):
    """Inverses of the patterns' factors, and their condition numbers."""
    both = observed[:, :, None] & observed[:, None]
    matrices = np.where(both, kernel, 0)
    diagonal = np.einsum("pii->pi", matrices)
    largest = diagonal.max(axis=1, initial=0)
    # What is missing has a matrix of its own, the identity.
    diagonal += np.where(observed, shift, 1)
    sizes = observed.sum(axis=1)
    try:
        factors = np.linalg.cholesky(matrices)
    except np.linalg.LinAlgError:
        raise singular(int(sizes.max()), ridge) from None
    pivots = np.where(observed, np.square(np.einsum("pii->pi", factors)), np.inf)
    bad = is_singular(pivots.min(axis=1, initial=np.inf), largest, sizes, kernel.dtype)
    if bad.any():
        raise singular(int(sizes[bad].max()), ridge)
    inverse = np.linalg.inv(factors) * both
    whole = inverse.transpose(0, 2, 1) @ inverse
    norm, other = (
        np.abs(one).sum(axis=2).max(axis=1, initial=0) for one in (matrices * both, whole)
    )
    return inverse, np.where(sizes > 0, norm * other, 1)
