"""The sparse inverse preconditioner of conjugate gradients: what its settings do.

    NTKMC_DATA=<folder with images/> uv run python benchmarks/preconditioner.py            # all
    NTKMC_DATA=<folder with images/> uv run python benchmarks/preconditioner.py eleven     # a part

Kernel of `autoencoder(4)`, half of the pixels missing at random, relative residual 1e-5. Parts:
`eleven` (the paper's grey images, as they come), `neighbours` (how many), `ordering` (random, with
several seeds; farthest point first; by powers of two of the coordinates; row by row) and
`precision` (of the factorisations, and of the factor that is kept). Seconds are of one run after
one that compiles, on the wall clock and of the processor, all cores together; iterations do not
depend on the machine. Prints tables, writes results/preconditioner-<device>.json.
"""

import functools
import sys
from unittest import mock

import jax.numpy as jnp
import numpy as np
import printing
from timing import clocked

from ntkmc import ConjugateGradient, PeriodicKernel, SingularKernelError, autoencoder
from ntkmc.datasets import load_image, random_mask
from ntkmc.solvers import sparse_inverse

SMALL = ("cameraman", "house", "montage", "peppers")
LARGE = ("barbara", "boat", "couple", "fingerprint", "hill", "lena", "man")
FEW = ("cameraman", "house")


@functools.cache
def problem(name):
    image = load_image(name).image
    mask = random_mask(image.shape, 0.5, seed=0)
    kernel = PeriodicKernel.build(autoencoder(4), image.shape)
    return kernel, np.nonzero(mask), image[mask]


def measured(name, solver=ConjugateGradient()):
    kernel, where, values = problem(name)
    solver.prepare(kernel, where).solve(values)  # compiles
    prepared, setup, setup_processor = clocked(lambda: solver.prepare(kernel, where))
    result, solve, solve_processor = clocked(lambda: prepared.solve(values))
    return {
        "iterations": result.iterations,
        "condition": result.condition,
        "residual": result.relative_residual,
        "set-up, s": setup,
        "solve, s": solve,
        "set-up, processor s": setup_processor,
        "solve, processor s": solve_processor,
        "factor, MiB": prepared.factor.factor.memory_bytes / 2**20,
    }


def eleven():
    return [{"image": name, **measured(name)} for name in (*SMALL, *LARGE)]


def neighbours():
    return [
        {"image": name, "neighbours": m, **measured(name, ConjugateGradient(neighbours=m))}
        for name in FEW
        for m in (16, 24, 32, 48)
    ]


def farthest_first(pixels, shape):
    """Each pixel the one farthest from all before it, on the torus."""
    sides = np.array(shape)
    apart, at = np.full(len(pixels), np.inf), 0
    order = np.empty(len(pixels), int)
    for place in range(len(pixels)):
        order[place] = at
        d = np.abs(pixels - pixels[at])
        apart = np.minimum(apart, (np.minimum(d, sides - d) ** 2).sum(axis=1))
        apart[at] = -1
        at = int(np.argmax(apart))
    return order


def powers_of_two(pixels, shape):
    """Pixels on the coarsest grid of a power of two first, in random order within a grid."""
    together = pixels[:, 0] | pixels[:, 1] | max(shape)
    level = together & -together  # the largest power of two that divides both coordinates
    shuffled = np.random.default_rng(0).permutation(len(pixels))
    return shuffled[np.argsort(-level[shuffled], kind="stable")]


def row_by_row(pixels, shape):
    return np.arange(len(pixels))


def ordering():
    rows = []
    for name in FEW:
        for seed in range(3):
            row = measured(name, ConjugateGradient(seed=seed))
            rows.append({"image": name, "ordering": f"random, seed {seed}", **row})
        for order in (farthest_first, powers_of_two, row_by_row):
            kernel, where, _ = problem(name)
            # Made once: its own time is not counted.
            places = order(np.stack(where, axis=1), kernel.shape)
            with mock.patch.object(sparse_inverse, "coarse_to_fine", lambda *_, p=places: p):
                row = measured(name)
            rows.append({"image": name, "ordering": order.__name__.replace("_", " "), **row})
    return rows


def precision():
    rows = []
    make = sparse_inverse._local_factors
    for name in FEW:
        for working, stored in (("64", "32"), ("64", "64"), ("32", "32")):
            types = {"working": getattr(jnp, f"float{working}")}
            types["stored"] = getattr(jnp, f"float{stored}")
            head = {"image": name, "factorised in": working, "kept in": stored}
            changed = functools.partial(make, **types)
            try:
                with mock.patch.object(sparse_inverse, "_local_factors", changed):
                    rows.append({**head, **measured(name)})
            except SingularKernelError as error:
                printing.CONSOLE.print(f"{name}, factorised in float{working}: {error}")
    return rows


PARTS = {
    "eleven": eleven,
    "neighbours": neighbours,
    "ordering": ordering,
    "precision": precision,
}


if __name__ == "__main__":
    printing.run("preconditioner", PARTS, sys.argv[1:])
