"""How long inpainting takes, part by part, and against a dense solve and biharmonic inpainting.

    uv run python benchmarks/inpainting.py                  # all, ten minutes, 10 GiB
    uv run python benchmarks/inpainting.py kernel matvec    # some of it

Parts: `kernel` (build, for each number of levels), `matvec` (from 256 x 256 to 2048 x 2048 pixels),
`solve` (preconditioner and iterations), `dense` (conjugate gradients against SciPy's Cholesky solve
of the same system, half of 128 x 128 and of 256 x 256 pixels missing), `biharmonic`. Compilation is
not counted; the two sides of a ratio take turns. Prints tables, writes results/<device>.json.
"""

import sys
import time

import jax
import jax.numpy as jnp
import numpy as np
import printing
import scipy.linalg
import threadpoolctl
from skimage.data import camera
from skimage.transform import resize
from timing import medians, seconds

from ntkmc import ConjugateGradient, PeriodicKernel, autoencoder, inpaint
from ntkmc._compat import enable_x64
from ntkmc.baselines import biharmonic
from ntkmc.datasets import random_mask
from ntkmc.kernels import padded_shape
from ntkmc.memory import available_bytes, peak_bytes

MIB = 2**20


def photograph(side):
    return resize(camera() / 255.0, (side, side), anti_aliasing=True)


def observed(side):
    return random_mask((side, side), 0.5, seed=0)


def kernel():
    rows = []
    for upsampling, levels in [("nearest", s) for s in range(1, 7)] + [("bilinear", 4)]:
        network = autoencoder(levels, upsampling=upsampling)
        shape = padded_shape(network, (1, 1))
        built = PeriodicKernel.build(network, shape)
        time = medians({"build": lambda n=network, s=shape: PeriodicKernel.build(n, s)}, 3)["build"]
        rows.append(
            {
                "upsampling": upsampling,
                "levels": levels,
                "table rows": built.table.shape[0],
                "MiB": built.memory_bytes / MIB,
                "seconds": time,
            }
        )
    return rows


def matvec():
    rows = []
    built = PeriodicKernel.build(autoencoder(6), (256, 256))
    apply = jax.jit(lambda kernel, image: kernel.matvec(image))
    for side in (256, 512, 1024, 2048):
        image = jnp.asarray(np.random.default_rng(0).standard_normal((side, side)), jnp.float32)
        there = built.on((side, side))
        time = medians({"": lambda k=there, i=image: apply(k, i)}, 7)[""]
        plan = apply.lower(there, image).compile().memory_analysis()
        rows.append(
            {
                "side": side,
                "pixels": side**2,
                "milliseconds": 1e3 * time,
                "ns a pixel": 1e9 * time / side**2,
                "temporaries, MiB": plan.temp_size_in_bytes / MIB,
                "temporaries, bytes a pixel": plan.temp_size_in_bytes / side**2,
            }
        )
    return rows


def solve():
    rows = []
    for side, levels in ((256, 4), (256, 6), (512, 6)):
        network = autoencoder(levels)
        mask = observed(side)
        built = PeriodicKernel.build(network, padded_shape(network, mask.shape))
        where = np.nonzero(mask)
        solver = ConjugateGradient()
        prepared = solver.prepare(built, where)
        values = photograph(side)[mask]
        result = prepared.solve(values)
        times = medians(
            {
                "set-up": lambda s=solver, k=built, w=where: s.prepare(k, w).factor,
                "iterations": lambda p=prepared, v=values: p.solve(v).weights,
            },
            3,
        )
        rows.append(
            {
                "side": side,
                "levels": levels,
                "observed": len(values),
                "set-up, s": times["set-up"],
                "iterations": result.iterations,
                "iterations, s": times["iterations"],
                "residual": result.relative_residual,
                "factor, MiB": prepared.factor.memory_bytes / MIB,
                "peak of the process, MiB": peak_bytes() / MIB,
            }
        )
    return rows


def dense_picture(kernel, where, values):
    """Prediction everywhere from SciPy's Cholesky solve, the matrix assembled in float64."""
    n = len(values)
    matrix = np.empty((n, n), order="F")
    for start in range(0, n, 2048):
        some = tuple(side[start : start + 2048] for side in where)
        matrix[:, start : start + 2048] = kernel.dense(where, some)
    # Several threads of the OpenBLAS in SciPy 1.17 crash beyond 16,384 rows.
    with threadpoolctl.threadpool_limits(1 if n > 16_384 else None):
        factor = scipy.linalg.cho_factor(matrix, overwrite_a=True, check_finite=False)
    weights = np.zeros(kernel.shape)
    weights[where] = scipy.linalg.cho_solve(factor, values)
    with enable_x64():
        return np.asarray(kernel.matvec(jnp.asarray(weights)))


def dense():
    rows = []
    for side, repeats in ((128, 3), (256, 1)):
        image, mask = photograph(side), observed(side)
        where = np.nonzero(mask)
        n = len(where[0])
        if 9 * n**2 > available_bytes():
            printing.CONSOLE.print(
                f"dense: {side} x {side} left out, {9 * n**2 / MIB:.0f} MiB needed"
            )
            continue

        def ours(image=image, mask=mask):
            return inpaint(image, mask, network=autoencoder(4), solver="conjugate_gradient")

        result = ours()
        mine, other, pictures = [], [], []
        for _ in range(repeats):
            mine.append(seconds(lambda run=ours: run().prediction))
            started = time.perf_counter()
            pictures.append(dense_picture(result.kernel, where, image[mask])[:side, :side])
            other.append(time.perf_counter() - started)
            mine.append(seconds(lambda run=ours: run().prediction))
        off = np.linalg.norm(pictures[0] - result.prediction) / np.linalg.norm(pictures[0])
        rows.append(
            {
                "side": side,
                "observed": n,
                "ours, s": float(np.median(mine)),
                "dense, s": float(np.median(other)),
                "ratio": float(np.median(other) / np.median(mine)),
                "pictures differ by": float(off),
                "iterations": result.solve.iterations,
            }
        )
    return rows


def against_biharmonic():
    rows = []
    for side in (256, 512):
        image, mask = photograph(side), observed(side)
        network = autoencoder(4)
        times = medians(
            {
                "ours": lambda i=image, m=mask, n=network: inpaint(i, m, network=n).image,
                "biharmonic": lambda i=image, m=mask: biharmonic(i, m),
            },
            3,
        )
        rows.append(
            {
                "side": side,
                "missing": "half",
                "ours, s": times["ours"],
                "biharmonic, s": times["biharmonic"],
                "ratio": times["biharmonic"] / times["ours"],
            }
        )
    return rows


PARTS = {
    "kernel": kernel,
    "matvec": matvec,
    "solve": solve,
    "dense": dense,
    "biharmonic": against_biharmonic,
}


if __name__ == "__main__":
    printing.run("inpainting", PARTS, sys.argv[1:])
