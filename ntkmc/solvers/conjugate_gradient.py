"""Preconditioned conjugate gradients: exact solutions without the kernel matrix."""

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
from ntkmc.solvers import sparse_inverse
from ntkmc.solvers._balanced import Balanced
from ntkmc.solvers._system import System, relative_size
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

REPORT_EVERY = 5  # iterations between two looks at progress
GROWTH = 1e3  # a residual this many times its start has diverged
RENEW = 0.1  # how far the residual falls before it is computed afresh


@dataclasses.dataclass(frozen=True)
class ConjugateGradient:
    """Conjugate gradients with a sparse inverse Cholesky factor of the kernel as preconditioner.

    The factor is of the kernel without the constant that all its pixels share (`common`, where the
    kernel knows of one), which `_balanced` treats exactly: with it, 512 x 512 pixels half observed
    and four levels took 8 iterations in place of 40 (`benchmarks/preconditioner.py`).

    Products with the kernel are in the kernel's dtype, everything else in float64. Whenever the
    residual has fallen tenfold it is recomputed from the solution with a float64 product (van der
    Vorst & Ye 2000), so that float32 rounding neither accumulates nor hides: the residual reported
    is the true one.

    Parameters
    ----------
    ridge : adds ridge * mean(diag K) to the diagonal (neural-tangents' relative `diag_reg`).
    rtol : stop when |residual| <= rtol |values| for every right-hand side.
    max_iterations : give up, with a warning and `converged=False`, after so many.
    neighbours : of the preconditioner, see `sparse_inverse.build`. With 16, 24 and 32, half of a
        512 x 512 image missing and six levels: 18, 15 and 14 iterations, 7.6, 8.2 and 10.0 seconds
        of the processor; the paper's vase 26, 23 and 21, and 9.2, 9.7 and 11.1. Several right-hand
        sides share the preconditioner, which speaks for more of them than fewer.
    seed : of the preconditioner's ordering.
    """

    ridge: float = 0.0
    rtol: float = 1e-5
    max_iterations: int = 500
    neighbours: int = 24
    seed: int = 0

    def __post_init__(self):
        check_ridge(self.ridge)
        check_rtol(self.rtol)
        for name in ("max_iterations", "neighbours"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} was {getattr(self, name)}; pass at least 1")

    def prepare(self, kernel: KernelOperator, pixels: Pixels, progress: Progress | None = None):
        """Build the preconditioner for these pixels.

        Raises
        ------
        NotEnoughMemoryError : before allocating anything.
        SingularKernelError : the kernel of some pixel and its neighbours is not positive definite.
        """
        started = time.perf_counter()
        pixels = check_pixels(pixels, kernel)
        memory.require(
            predicted_bytes(len(pixels[0]), kernel, self.neighbours),
            f"conjugate gradients on {len(pixels[0])} pixels, {self.neighbours} neighbours each",
            "use fewer neighbours, or crop the image",
        )
        if progress:
            progress("preconditioner", 0, 1)
        with enable_x64():
            shift = shift_of(kernel, pixels, self.ridge)
        # What all pixels have in common is left to `_balanced`, where the kernel knows of it.
        common = getattr(kernel, "common", 0.0)
        factor = sparse_inverse.build(kernel, pixels, shift, self.neighbours, self.seed, common)
        with enable_x64():
            system = System.of(kernel, pixels, shift)
            corrected = Balanced.of(factor, system)
        if progress:
            progress("preconditioner", 1, 1)
        seconds = time.perf_counter() - started
        return Preconditioned(self, kernel, pixels, shift, system, corrected, seconds)


@dataclasses.dataclass(frozen=True)
class Preconditioned:
    """A kernel on given pixels with its preconditioner."""

    solver: ConjugateGradient
    kernel: KernelOperator
    pixels: tuple[np.ndarray, ...]
    shift: float
    system: System
    factor: Balanced
    seconds: float

    def solve(self, values, progress: Progress | None = None) -> SolveResult:
        """Solve for values (n,) or (n, k); `seconds` includes the preconditioner.

        Raises
        ------
        SingularKernelError : the iteration met a direction of no or negative energy, or diverged.
        """
        started = time.perf_counter()
        values = check_values(values, len(self.pixels[0]))
        right = values.reshape(len(values), -1)
        with enable_x64():
            state = self._iterate(self.system, self.factor, jax.device_put(right), progress)
        done = int(state.step)
        residuals = np.asarray(state.residuals)[:done]
        final = float(state.residual_size)
        converged = final <= self.solver.rtol
        if not converged:
            warnings.warn(
                f"conjugate gradients stopped at a relative residual of {final:.1e} after {done} "
                f"iterations (rtol was {self.solver.rtol:g}): allow more iterations, pass a ridge, "
                "or a float64 kernel",
                stacklevel=2,
            )
        return SolveResult(
            weights=np.asarray(state.x).reshape(values.shape),
            iterations=done,
            relative_residual=final,
            converged=converged,
            seconds=self.seconds + time.perf_counter() - started,
            condition=_condition(np.asarray(state.alphas)[:done], np.asarray(state.betas)[:done]),
            residuals=residuals,
            method="conjugate_gradient",
        )

    def _iterate(self, system, preconditioner, right, progress):
        solver = self.solver
        state = _start(preconditioner, right, solver.max_iterations)
        while int(state.step) < solver.max_iterations and float(state.residual_size) > solver.rtol:
            until = min(int(state.step) + REPORT_EVERY, solver.max_iterations)
            state = _advance(system, preconditioner, right, state, solver.rtol, until)
            if progress:
                progress("conjugate gradients", *_progress(float(state.residual_size), solver.rtol))
            if not bool(state.healthy):
                raise SingularKernelError(self._breakdown(state))
        return state

    def _breakdown(self, state):
        ridge = self.solver.ridge
        return (
            f"conjugate gradients broke down at iteration {int(state.step)} with a relative "
            f"residual of {float(state.residual_size):.1e}: the kernel of these "
            f"{len(self.pixels[0])} pixels is not positive definite to {self.kernel.dtype} "
            f"rounding. Pass a larger ridge (it was {ridge:g}; try {larger_ridge(ridge):g}), a "
            "float64 kernel, or a network with an activation after its last upsampling"
        )


def predicted_bytes(n: int, kernel: KernelOperator, neighbours: int) -> int:
    """Largest moment, beside the kernel itself: measured within 10 % on 256,630 pixels.

    The factor, its transpose, their indices and making them; a float64 copy of the kernel for the
    residual; vectors and windows of three channels.
    """
    return n * (neighbours + 1) * 60 + 2 * kernel.memory_bytes + 600 * math.prod(kernel.shape)


def _progress(residual, rtol):
    """Done and total on a logarithmic scale: the residual falls by about the same factor a step."""
    total = 100
    return min(total, int(total * np.log(min(residual, 1.0)) / np.log(rtol))), total


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class _State:
    step: jax.Array
    x: jax.Array
    r: jax.Array
    p: jax.Array
    rz: jax.Array
    residual_size: jax.Array
    renewed_at: jax.Array
    healthy: jax.Array
    residuals: jax.Array
    alphas: jax.Array
    betas: jax.Array


@functools.partial(jax.jit, static_argnames="max_iterations")
def _start(preconditioner, right, max_iterations):
    z = preconditioner(right)
    one, history = jnp.ones(()), jnp.zeros((max_iterations,))
    coefficients = jnp.zeros((max_iterations, right.shape[1]))
    return _State(
        jnp.zeros((), jnp.int32),
        jnp.zeros_like(right),
        right,
        z,
        jnp.sum(right * z, axis=0),
        relative_size(right, right),
        one,
        jnp.array(True),
        history,
        coefficients,
        coefficients,
    )


@jax.jit
def _advance(system, preconditioner, right, state, rtol, until):
    def unfinished(state):
        return (state.step < until) & (state.residual_size > rtol) & state.healthy

    def step(state):
        product = system.apply(state.p)
        energy = jnp.sum(state.p * product, axis=0)
        solved = (
            state.rz == 0
        )  # a right-hand side of zeros, or one that is finished to the last bit
        alpha = jnp.where(solved, 0, state.rz / jnp.where(solved, 1, energy))
        x, r = state.x + alpha * state.p, state.r - alpha * product
        size = relative_size(r, right)
        renew = (size < RENEW * state.renewed_at) | (size <= rtol)
        r = jax.lax.cond(renew, lambda: right - system.apply_exactly(x), lambda: r)
        size = relative_size(r, right)
        z = preconditioner(r)
        rz = jnp.sum(r * z, axis=0)
        beta = jnp.where(solved, 0, rz / jnp.where(solved, 1, state.rz))
        return _State(
            state.step + 1,
            x,
            r,
            z + beta * state.p,
            rz,
            size,
            jnp.where(renew, size, state.renewed_at),
            jnp.all(solved | (energy > 0)) & (size < GROWTH),
            state.residuals.at[state.step].set(size),
            state.alphas.at[state.step].set(alpha),
            state.betas.at[state.step].set(beta),
        )

    return jax.lax.while_loop(unfinished, step, state)


def _condition(alphas, betas):
    """Ratio of the extreme eigenvalues of the Lanczos matrix that the coefficients spell."""
    worst = 1.0
    for alpha, beta in zip(alphas.T, betas.T, strict=True):
        if not (alpha > 0).all() or not alpha.size:
            continue
        diagonal = 1 / alpha + np.append(0, beta[:-1] / alpha[:-1])
        beside = np.sqrt(np.maximum(beta[:-1], 0)) / alpha[:-1]
        values = scipy.linalg.eigvalsh_tridiagonal(diagonal, beside)
        worst = max(worst, float(values[-1] / max(values[0], np.finfo(float).tiny)))
    return worst
