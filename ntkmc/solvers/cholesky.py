"""Direct solve by Cholesky factorisation."""

import dataclasses
import time

import jax
import jax.numpy as jnp
import jax.scipy.linalg as jsl
import numpy as np
from threadpoolctl import threadpool_limits

from ntkmc import memory
from ntkmc._compat import enable_x64
from ntkmc.kernels.operator import KernelOperator, Pixels
from ntkmc.solvers.result import (
    Progress,
    SingularKernelError,
    SolveResult,
    check_pixels,
    check_ridge,
    check_rtol,
    check_values,
    larger_ridge,
    shift_of,
)

# Beyond, the threaded Cholesky of the OpenBLAS in SciPy 1.17, which JAX calls on a CPU, crashes.
THREADED_ROWS = 16_384
POWER_STEPS = 16  # of the condition estimate; a factor of two is all it is good for


@dataclasses.dataclass(frozen=True)
class Cholesky:
    """Factorise the dense kernel matrix, in float64.

    Parameters
    ----------
    ridge : adds ridge * mean(diag K) to the diagonal (neural-tangents' relative `diag_reg`).
    rtol : residual above which the result says it has not converged.
    """

    ridge: float = 0.0
    rtol: float = 1e-5

    def __post_init__(self):
        check_ridge(self.ridge)
        check_rtol(self.rtol)

    def prepare(self, kernel: KernelOperator, pixels: Pixels, progress: Progress | None = None):
        """Factorise K + ridge mean(diag K) I on these pixels.

        Raises
        ------
        NotEnoughMemoryError : before allocating the n x n matrix.
        SingularKernelError : it is not positive definite, or less so than the kernel's own
            rounding.
        """
        started = time.perf_counter()
        pixels = check_pixels(pixels, kernel)
        n = len(pixels[0])
        memory.require(
            predicted_bytes(n, kernel.dtype.itemsize),
            f"Cholesky of {n} x {n} kernel entries",
            "use solver='conjugate_gradient', which never forms the matrix, or fewer pixels",
        )
        if progress:
            progress("Cholesky factorisation", 0, 1)
        with enable_x64():
            shift = shift_of(kernel, pixels, self.ridge)
            matrix = _matrix(kernel, pixels, shift)
            with threadpool_limits(1 if n > THREADED_ROWS else None, user_api="blas"):
                factor = jnp.linalg.cholesky(matrix).block_until_ready()
            largest, smallest = (float(value) for value in _extremes(matrix, factor))
        noise = np.finfo(kernel.dtype).eps * np.sqrt(n) * largest_entry(kernel, pixels)
        if not smallest > noise:
            raise SingularKernelError(
                f"the kernel matrix of these {n} pixels is singular: its smallest eigenvalue "
                f"({smallest:.1e}) is within the rounding of its {kernel.dtype} entries "
                f"({noise:.1e}). "
                f"Pass a larger ridge (it was {self.ridge:g}; try {larger_ridge(self.ridge):g}) "
                "or a float64 kernel"
            )
        if progress:
            progress("Cholesky factorisation", 1, 1)
        return Factorised(self, matrix, factor, largest / smallest, time.perf_counter() - started)


@dataclasses.dataclass(frozen=True)
class Factorised:
    """A kernel matrix and its Cholesky factor."""

    solver: Cholesky
    matrix: jax.Array
    factor: jax.Array
    condition: float
    seconds: float

    def solve(self, values, progress: Progress | None = None) -> SolveResult:
        """Solve for values (n,) or (n, k); `seconds` includes the factorisation."""
        started = time.perf_counter()
        values = check_values(values, len(self.matrix))
        with enable_x64():
            weights = jsl.cho_solve((self.factor, True), jax.device_put(values))
            left = np.linalg.norm(np.asarray(self.matrix @ weights) - values, axis=0)
        residual = float(
            np.max(left / np.maximum(np.linalg.norm(values, axis=0), np.finfo(float).tiny))
        )
        return SolveResult(
            weights=np.asarray(weights),
            iterations=0,
            relative_residual=residual,
            converged=residual <= self.solver.rtol,
            seconds=self.seconds + time.perf_counter() - started,
            condition=self.condition,
            residuals=np.array([residual]),
            method="cholesky",
        )


def predicted_bytes(n: int, itemsize: int = 4) -> int:
    """Largest moment: the matrix, its factor and one float64 copy, beside the kernel's entries."""
    return n * n * (3 * 8 + itemsize)


def largest_entry(kernel, pixels) -> float:
    """Of a positive semidefinite kernel it is on the diagonal."""
    return float(jnp.max(kernel.entries(pixels, pixels)))


@jax.jit
def _matrix(kernel, pixels, shift):
    column = tuple(side[:, None] for side in pixels)
    matrix = kernel.entries(column, pixels).astype(jnp.float64)
    matrix = (matrix + matrix.T) / 2  # the two may differ by the rounding of the kernel's dtype
    return matrix + shift * jnp.eye(len(matrix), dtype=matrix.dtype)


@jax.jit
def _extremes(matrix, factor):
    """Largest and smallest eigenvalue by power iteration on the matrix and on its inverse."""

    def estimate(apply):
        start = jax.random.normal(jax.random.key(0), (len(matrix),), matrix.dtype)

        def step(_, state):
            vector, _ = state
            vector = apply(vector)
            size = jnp.linalg.norm(vector)
            return vector / size, size

        return jax.lax.fori_loop(0, POWER_STEPS, step, (start / jnp.linalg.norm(start), 0.0))[1]

    return estimate(lambda v: matrix @ v), 1 / estimate(lambda v: jsl.cho_solve((factor, True), v))
