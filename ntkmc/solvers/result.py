"""What every solver takes and returns."""

import dataclasses
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float

from ntkmc.kernels.operator import KernelOperator, Pixels, coordinates
from ntkmc.progress import Progress


class SingularKernelError(np.linalg.LinAlgError):
    """The kernel matrix of the observed pixels is not positive definite to working precision."""


class DivergenceError(ArithmeticError):
    """An iteration moved away from the solution; its message says what it rested on."""


@dataclasses.dataclass(frozen=True)
class SolveResult:
    """Solution of (K + ridge mean(diag K) I) weights = values, and how good it is.

    Attributes
    ----------
    weights : (n,) or (n, k), float64.
    iterations : steps taken, epochs for EigenPro; 0 for a direct solver.
    relative_residual : |(K + ...) weights - values| / |values|, the largest over the k right-hand
        sides, computed from the solution in float64 (not the recursion's own).
    converged : whether that is below the solver's tolerance.
    seconds : wall-clock time, compilation included.
    condition : estimated condition number: of the matrix for Cholesky, of the preconditioned
        matrix for conjugate gradients, NaN for EigenPro, which does not see the smallest
        eigenvalue.
    residuals : relative residual after each iteration.
    method : the solver's name.
    """

    weights: Float[np.ndarray, "n *k"]
    iterations: int
    relative_residual: float
    converged: bool
    seconds: float
    condition: float
    residuals: Float[np.ndarray, " steps"]
    method: str


@runtime_checkable
class Prepared(Protocol):
    """A solver bound to a kernel and pixels: prepared once, for any number of right-hand sides."""

    def solve(self, values, progress: Progress | None = None) -> SolveResult:
        """Solve for values (n,) or (n, k)."""
        ...


@runtime_checkable
class Solver(Protocol):
    """Settings of a method."""

    @property
    def ridge(self) -> float:
        """Relative to the mean of the kernel's diagonal."""
        ...

    def prepare(
        self, kernel: KernelOperator, pixels: Pixels, progress: Progress | None = None
    ) -> Prepared:
        """Do everything that does not depend on the values."""
        ...


def check_pixels(pixels: Pixels, kernel: KernelOperator) -> tuple[np.ndarray, ...]:
    """Pixels as an int32 array of one dimension for each axis, inside the kernel's grid."""
    axes = len(kernel.shape)
    sides = [np.asarray(side) for side in coordinates(pixels, axes=axes)]
    if sides[0].ndim != 1 or len({side.shape for side in sides}) > 1 or not sides[0].size:
        shapes = " and ".join(str(side.shape) for side in sides)
        names = "rows and columns" if axes == 2 else f"{axes} arrays"
        raise ValueError(
            f"pixels have shapes {shapes}; expected {names}, as many of each, at least one"
        )
    each = ["rows", "columns"] if axes == 2 else [f"coordinates {axis}" for axis in range(axes)]
    for name, side, limit in zip(each, sides, kernel.shape, strict=True):
        if side.min() < 0 or side.max() >= limit:
            raise ValueError(
                f"pixel {name} go from {side.min()} to {side.max()}; "
                f"the kernel has 0 to {limit - 1}"
            )
    return tuple(side.astype(np.int32) for side in sides)


def check_values(values, n: int) -> np.ndarray:
    """Values as a finite float64 array of n rows."""
    values = np.asarray(values, np.float64)
    if values.ndim not in (1, 2) or len(values) != n:
        raise ValueError(
            f"values have shape {values.shape}; expected ({n},) or ({n}, k), a row for each pixel"
        )
    if not np.isfinite(values).all():
        bad = int(np.argwhere(~np.isfinite(values))[0][0])
        raise ValueError(
            f"values[{bad}] is not finite: leave pixels without a value out of `pixels`"
        )
    return values


def _is_number(value) -> bool:
    try:
        return bool(np.isfinite(value))
    except (TypeError, ValueError):
        return False


def check_ridge(ridge: float) -> None:
    """Refuse a ridge that is no number >= 0."""
    if not (_is_number(ridge) and ridge >= 0):
        raise ValueError(
            f"ridge was {ridge!r}; pass a number >= 0 (it is relative to the mean of the diagonal)"
        )


def check_rtol(rtol: float) -> None:
    """Refuse a relative tolerance that is no number between 0 and 1."""
    if not (_is_number(rtol) and 0 < rtol < 1):
        raise ValueError(f"rtol was {rtol!r}; pass a number between 0 and 1")


def larger_ridge(ridge: float) -> float:
    """What to try where a ridge was too small: the paper regularises with 4e-5."""
    return max(1e-4, 10 * ridge)


def shift_of(kernel: KernelOperator, pixels: Pixels, ridge: float) -> float:
    """What a relative ridge adds to the diagonal."""
    if not ridge:
        return 0.0
    return ridge * float(np.mean(np.asarray(kernel.entries(pixels, pixels)), dtype=np.float64))
