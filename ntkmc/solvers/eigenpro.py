"""EigenPro 2: stochastic descent with the kernel's leading eigenvectors flattened."""

import dataclasses
import functools
import math
import time
import warnings

import jax
import jax.numpy as jnp
import numpy as np
import scipy.linalg

from ntkmc import memory
from ntkmc._compat import enable_x64
from ntkmc.kernels.operator import KernelOperator, Pixels
from ntkmc.solvers._nystrom import BLOCK_BYTES, Flattened, first, flatten
from ntkmc.solvers._system import System, relative_size
from ntkmc.solvers.result import (
    DivergenceError,
    Progress,
    SingularKernelError,
    SolveResult,
    check_pixels,
    check_ridge,
    check_rtol,
    check_values,
    shift_of,
)

GROWTH = 100  # a residual this many times its start has diverged


@dataclasses.dataclass(frozen=True)
class EigenPro:
    r"""Stochastic gradient descent in the kernel's own space, preconditioned (EigenPro 2).

    An epoch goes once through the points in batches B of m. From the residual on the batch,
    :math:`g = K(B, \cdot)\, w - y_B`, a step changes the weights of the batch and of the subsample
    S whose eigenvectors are flattened (see `_nystrom` for F and :math:`k_P`):

    .. math:: w_B \leftarrow w_B - \frac{\eta}{m}\, g, \qquad
              w_S \leftarrow w_S + \frac{\eta}{m}\, F F^T K(S, B)\, g, \qquad
              \eta = \frac{m}{\beta + (m - 1) \lambda},

    with :math:`\beta` the largest :math:`k_P(x, x)` over all points (measured, whatever K(x, x) is)
    and :math:`\lambda` a bound on the largest eigenvalue of :math:`k_P` over n. Up to the critical
    batch :math:`m^* = \beta / \lambda + 1` larger ones lose little an epoch, and beyond they gain
    nothing by it (Ma, Bassily, Belkin 2018). The default is a quarter of it, where an epoch does
    0.8 of what steps of single points would, and at the critical batch 0.5.

    Every epoch begins with the true residual, a float64 product with all of the kernel, and then
    looks for the change of the weights only, in the kernel's dtype: rounding does not add up, and
    an epoch depends on the weights before it and on its number, so that a stopped solve is resumed
    exactly. A ridge makes the kernel k + shift delta.

    Each epoch costs the n^2 entries of the kernel, asked for in blocks (and as much again for the
    residual where a kernel has no faster product), and the components with the smallest
    eigenvalues, e of K, fall by no more than about :math:`1 - e / 2\beta` an epoch. Conjugate
    gradients are much faster where their preconditioner works: `benchmarks/eigenpro.py`.

    Parameters
    ----------
    ridge : adds ridge * mean(diag K) to the diagonal (neural-tangents' relative `diag_reg`).
    rtol : stop when |residual| <= rtol |values| for every right-hand side.
    epochs : stop, with a warning and `converged=False`, after so many in one call.
    subsample : s, points whose eigenvectors are computed; costs s^3 once. At most n.
    eigenvectors : q < s, how many of them are flattened.
    batch : m; by default a quarter of the critical one, or less where that many rows of the kernel
        are a large block.
    seed : of the subsample and of the order of the batches.
    """

    ridge: float = 0.0
    rtol: float = 1e-3
    epochs: int = 50
    subsample: int = 2000
    eigenvectors: int = 200
    batch: int | None = None
    seed: int = 0

    def __post_init__(self):
        check_ridge(self.ridge)
        check_rtol(self.rtol)
        for name in ("epochs", "subsample", "batch"):
            if getattr(self, name) is not None and getattr(self, name) < 1:
                raise ValueError(f"{name} was {getattr(self, name)}; pass at least 1")
        if not 0 <= self.eigenvectors < self.subsample:
            raise ValueError(
                f"eigenvectors was {self.eigenvectors}; pass a number from 0 to subsample - 1 "
                f"({self.subsample - 1}), of which about a quarter are accurate"
            )

    def prepare(self, kernel: KernelOperator, pixels: Pixels, progress: Progress | None = None):
        """Eigenvectors of a subsample of these pixels, batch and step size.

        Raises
        ------
        NotEnoughMemoryError : before allocating anything.
        SingularKernelError : the kernel of the subsample is not positive semidefinite.
        """
        started = time.perf_counter()
        pixels = check_pixels(pixels, kernel)
        n = len(pixels[0])
        s = min(self.subsample, n)
        memory.require(
            predicted_bytes(n, kernel, s, self.batch),
            f"EigenPro on {n} pixels, with a subsample of {s}",
            "use a smaller subsample or batch",
        )
        if progress:
            progress("preconditioner", 0, 1)
        order = np.random.default_rng(self.seed).permutation(n)
        points = pixels[0][order], pixels[1][order]
        with enable_x64():
            shift = shift_of(kernel, pixels, self.ridge)
            flattened = flatten(kernel, points, shift, s, min(self.eigenvectors, s - 1))
        if progress:
            progress("preconditioner", 1, 1)
        critical = flattened.diagonal / flattened.largest + 1
        batch = self.batch or min(math.ceil(critical / 4), _rows_of_a_block(n, kernel))
        return Flat(
            self,
            kernel,
            points,
            order,
            shift,
            flattened,
            min(batch, n),
            time.perf_counter() - started,
        )


@dataclasses.dataclass(frozen=True)
class Flat:
    """A kernel on given pixels, ready for descent.

    Attributes
    ----------
    points : the pixels in the order of `order`, the subsample first.
    batch : points a step.
    """

    solver: EigenPro
    kernel: KernelOperator
    points: tuple[np.ndarray, np.ndarray]
    order: np.ndarray
    shift: float
    flattened: Flattened
    batch: int
    seconds: float

    @property
    def step(self) -> float:
        r"""Step size :math:`\eta`, the optimal one for this batch."""
        spread = self.flattened.diagonal + (self.batch - 1) * self.flattened.largest
        return self.batch / spread

    def solve(
        self,
        values,
        progress: Progress | None = None,
        *,
        start: SolveResult | np.ndarray | None = None,
    ) -> SolveResult:
        """Solve for values (n,) or (n, k); `seconds` includes the eigenvectors.

        Parameters
        ----------
        values : (n,) or (n, k).
        progress : called with ("EigenPro", epochs done, epochs in this call).
        start : a result to go on from, as if it had never stopped (its epochs and residuals count);
            or weights, of the shape of the values, to begin with instead of zeros.

        Raises
        ------
        DivergenceError : the residual grew, since the subsample did not show the kernel's spectrum.
        SingularKernelError : it grew because the kernel is not positive semidefinite.
        """
        started = time.perf_counter()
        values = check_values(values, len(self.order))
        weights, before = _check_start(start, values)
        with enable_x64():
            right = jnp.asarray(_as_columns(values)[self.order])
            weights, size, residuals = self._descend(
                jnp.asarray(weights[self.order]), right, before, progress
            )
        unordered = np.empty(weights.shape)
        unordered[self.order] = weights
        converged = size <= self.solver.rtol
        if not converged:
            warnings.warn(
                f"EigenPro stopped at a relative residual of {size:.1e} after {len(residuals)} "
                f"epochs (rtol was {self.solver.rtol:g}): go on from this result (`start`), allow "
                "more epochs, pass a ridge, or use ConjugateGradient",
                stacklevel=2,
            )
        return SolveResult(
            weights=unordered.reshape(values.shape),
            iterations=len(residuals),
            relative_residual=size,
            converged=converged,
            seconds=self.seconds + time.perf_counter() - started,
            condition=math.nan,
            residuals=np.array(residuals),
            method="eigenpro",
        )

    def _descend(self, weights, right, residuals, progress):
        solver, residuals = self.solver, list(residuals)
        system = System.of(self.kernel, self.points, self.shift)
        residual, size = _look(system, weights, right)
        limit = GROWTH * max(float(size), 1.0)
        for done in range(1, solver.epochs + 1):
            if size <= solver.rtol:
                break
            weights = _epoch(
                system,
                self.flattened.factor,
                self.step / self.batch,
                weights,
                residual,
                self._batches(len(residuals)),
            )
            residual, size = _look(system, weights, right)
            residuals.append(float(size))
            if progress:
                progress("EigenPro", done, solver.epochs)
            if not size <= limit:
                raise self._explained(residuals)
        if progress:
            progress("EigenPro", solver.epochs, solver.epochs)
        return np.asarray(weights), float(size), residuals

    def _batches(self, epoch):
        """(batches, m) points in the order of this epoch; n where the last batch lacks some."""
        n = len(self.order)
        order = np.random.default_rng([self.solver.seed, epoch]).permutation(n)
        filled = np.append(order, np.full(-n % self.batch, n))
        return jnp.asarray(filled.reshape(-1, self.batch), jnp.int32)

    def _explained(self, residuals):
        s = len(self.flattened.factor)
        chosen = first(self.points, s)
        matrix = np.asarray(self.kernel.dense(chosen, chosen), np.float64)
        spectrum = scipy.linalg.eigvalsh((matrix + matrix.T) / 2) + self.shift
        grew = (
            f"EigenPro diverged: its relative residual was {residuals[-1]:.1e} after epoch "
            f"{len(residuals)}. "
        )
        noise = np.finfo(self.kernel.dtype).eps * np.sqrt(s) * spectrum[-1]
        if spectrum[0] < -noise:
            ridge = self.solver.ridge
            return SingularKernelError(
                f"{grew}The kernel is not positive semidefinite: on {s} of {len(self.order)} "
                f"points its eigenvalues go from {spectrum[0]:.1e} to {spectrum[-1]:.1e}. Pass "
                f"another kernel, or a ridge above {-spectrum[0]:.1e} (it was {ridge:g}, which "
                f"adds {self.shift:.1e})"
            )
        return DivergenceError(
            f"{grew}Its step of {self.step:.2g} for {self.batch} points rests on a largest "
            f"eigenvalue of {self.flattened.largest:.1e} seen on {s} + "
            f"{min(s, len(self.order) - s)} of {len(self.order)} points: pass a larger subsample "
            f"(it was {self.solver.subsample}), or a smaller batch"
        )


def predicted_bytes(n: int, kernel: KernelOperator, subsample: int, batch: int | None) -> int:
    """Largest moment, beside the kernel itself.

    The eigenvectors of the subsample; or a block of the kernel and what making it takes, a float64
    copy of the kernel for the residual, vectors and windows of three channels.
    """
    rows = batch or _rows_of_a_block(n, kernel)
    block = (2 * kernel.dtype.itemsize + 8) * rows * n
    return max(40 * subsample**2, block + 2 * kernel.memory_bytes + 600 * math.prod(kernel.shape))


def _rows_of_a_block(n, kernel):
    return min(n, max(1, BLOCK_BYTES // (n * kernel.dtype.itemsize)))


def _as_columns(values):
    return values.reshape(len(values), -1)


def _check_start(start, values):
    """Weights (n, k) to begin with, and the residuals of the epochs that led to them."""
    if start is None:
        return np.zeros_like(_as_columns(values)), ()
    weights, residuals = (
        (start.weights, start.residuals) if isinstance(start, SolveResult) else (start, ())
    )
    weights = np.asarray(weights, np.float64)
    if weights.shape != values.shape or not np.isfinite(weights).all():
        raise ValueError(
            f"start has weights of shape {weights.shape}; expected finite ones of {values.shape}, "
            "the shape of the values"
        )
    return _as_columns(weights), residuals


@jax.jit
def _look(system, weights, right):
    """The residual in float64, and its relative size."""
    residual = right - system.apply_exactly(weights)
    return residual, relative_size(residual, right)


@jax.jit
def _epoch(system, factor, rate, weights, residual, batches):
    """Weights after one pass through the batches, given the residual before it."""
    kernel, layout = system.kernel, system.layout
    n, s = len(residual), len(factor)
    shift, rate, residual = (
        jnp.asarray(value, kernel.dtype) for value in (system.shift, rate, residual)
    )
    points = layout.pixels
    matmul = functools.partial(jnp.matmul, precision=jax.lax.Precision.HIGHEST)

    def step(change, batch):
        block = kernel.dense(tuple(jnp.take(side, batch, mode="clip") for side in points), points)
        gradient = matmul(block, change) - jnp.take(residual, batch, axis=0, mode="clip")
        gradient += shift * jnp.take(change, batch, axis=0, mode="clip")
        gradient = jnp.where(batch[:, None] < n, gradient, 0)
        # On a CPU XLA makes the entries again, and slowly, for a slice or a transpose of the block:
        # 7 ns an entry in place of 1.8.
        seen = matmul(gradient.T, block).T.at[batch].add(shift * gradient, mode="drop")
        correction = matmul(factor, matmul(factor.T, seen[:s]))
        change = change.at[batch].add(-rate * gradient, mode="drop")
        return change.at[:s].add(rate * correction), None

    change, _ = jax.lax.scan(step, jnp.zeros_like(residual), batches)
    return weights + change
