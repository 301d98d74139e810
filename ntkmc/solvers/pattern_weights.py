"""Weights of one pattern of observed columns: in single precision where that is enough."""

import dataclasses

import numpy as np
from jaxtyping import Float, Int

from ntkmc.solvers.pattern_factor import KernelFactor
from ntkmc.solvers.result import SingularKernelError

SINGLE_FROM = 2048
"""Observed columns from which on single precision is tried: below, there is little to save."""

_GATHERED_ROWS = 256  # of a kernel at a time, which fit into a processor's cache
_SKETCHES = 8
_REFINEMENTS = 5
_STAGNATION = 0.1  # refinement that leaves more of the residual than this leads nowhere


@dataclasses.dataclass(frozen=True)
class Solved:
    """Weights of some rows that are observed in the same columns, and how good they are.

    Attributes
    ----------
    weights : (l, k), float64, a column for each row of the table.
    factor : of their common matrix.
    relative_residual : :math:`|A w - y| / |y|`, in float64, root mean square over the k columns;
        estimated from eight random sums of them where there are more.
    refinements : float64 corrections of weights from a float32 factor.
    condition : estimated condition number of the matrix.
    """

    weights: Float[np.ndarray, "l k"]
    factor: KernelFactor
    relative_residual: float
    refinements: int
    condition: float


class PatternSystem:
    r"""The system :math:`(K_{oo} + \mathrm{shift}\, I)\, w = y` of the observed columns o.

    Its matrix is never stored beside its factor: products with it are made from rows of the whole
    kernel.

    Parameters
    ----------
    kernel : (n, n), float64.
    columns : (l,), o.
    shift : what is added to the diagonal.
    ridge : what errors say that the relative ridge was.
    """

    def __init__(
        self,
        kernel: Float[np.ndarray, "n n"],
        columns: Int[np.ndarray, " l"],
        shift: float,
        ridge: float,
    ):
        self.kernel, self.columns, self.shift, self.ridge = kernel, columns, shift, ridge

    def factor(self, dtype: type = np.float64) -> KernelFactor:
        """Of the matrix; of half of it the memory is touched.

        Raises
        ------
        SingularKernelError : it is not positive definite to this precision.
        """
        size = len(self.columns)
        matrix: np.ndarray = np.empty((size, size), dtype)
        for start, rows in self._rows():
            right = self.columns[start:]
            part = matrix[start : start + len(rows), start:]
            if dtype == np.float64:  # with mode "raise", `out` is buffered
                np.take(rows, right, axis=1, out=part, mode="clip")
            else:
                part[:] = rows[:, right]
        return KernelFactor.of(matrix, self.shift, self.ridge)

    def solve(self, values: Float[np.ndarray, "l k"], rtol: float, dtype: type) -> Solved:
        r"""Weights of `values`, by a factor of this precision or, where that does not do, float64.

        A factor in float32 takes half the time of one in float64. Its weights are corrected with
        float64 residuals (iterative refinement) for as long as the residual is above `rtol`; if
        the kernel is too near singular for that, it is factorised again.

        Raises
        ------
        SingularKernelError
        """
        if dtype == np.float32:
            try:
                return self._refined(self.factor(np.float32), values, rtol)
            except (SingularKernelError, _NotRefinedError):
                pass
        factor = self.factor()
        weights = factor.solve(values)
        residual, norm = self._residual(weights, values)
        return Solved(weights, factor, residual, 0, factor.condition(norm))

    def _refined(self, factor, values, rtol):
        weights = factor.solve(values)
        before = np.inf
        for steps in range(_REFINEMENTS + 1):
            residual, norm = self._residual(weights, values)
            if residual <= rtol:
                return Solved(weights, factor, residual, steps, factor.condition(norm))
            if not residual < _STAGNATION * before:
                break
            before = residual
            weights += factor.solve(values - self._times(weights)[0])
        raise _NotRefinedError

    def _residual(self, weights, values):
        """Relative residual, and the norm of the matrix."""
        sizes = np.linalg.norm(values, axis=0)
        scale = 1 / np.where(sizes > 0, sizes, 1)
        some = max(len(sizes), 1)
        mix = np.diag(scale)
        if some > _SKETCHES:
            signs = np.random.default_rng(0).choice([-1.0, 1.0], (some, _SKETCHES))
            # The mean square of random sums is the sum of squares.
            mix = scale[:, None] * signs / np.sqrt(_SKETCHES)
        product, norm = self._times(weights @ mix)
        residual = np.linalg.norm(values @ mix - product) / np.sqrt(some)
        return float(residual), norm

    def _times(self, weights):
        """The matrix times weights, and its norm, the largest sum of magnitudes in a row."""
        product, norm = self.shift * weights, 0.0
        for start, rows in self._rows():
            observed = rows[:, self.columns]
            product[start : start + len(rows)] += observed @ weights
            sums = np.abs(observed, out=observed).sum(axis=1)
            norm = max(norm, float(sums.max(initial=0)) + self.shift)
        return product, norm

    def _rows(self):
        """Rows of the kernel, of observed columns."""
        for start in range(0, len(self.columns), _GATHERED_ROWS):
            yield start, self.kernel[self.columns[start : start + _GATHERED_ROWS]]


class _NotRefinedError(ArithmeticError):
    """Refinement stagnates."""
