"""EigenPro beside conjugate gradients: how far an epoch goes, and how long the same picture takes.

    NTKMC_DATA=<folder with images/> uv run python benchmarks/eigenpro.py            # both, minutes
    NTKMC_DATA=<folder with images/> uv run python benchmarks/eigenpro.py race       # one of them

Kernel of `autoencoder(4)`, half of the pixels missing at random. Parts:

- `curves`: the residual after each epoch or iteration, on 64 x 128 pixels of cameraman, half
  observed, without and with a ridge; also drawn, to results/eigenpro.png.
- `race`, 256 x 256: conjugate gradients to a relative residual of 1e-5, and EigenPro for as many
  epochs as its picture takes to come within 0.05 dB of theirs, and stay there for one more. Both
  begin with the kernel in hand, take turns, and are not charged for compilation. EigenPro's epochs
  are counted in a first run, which the timed one repeats. Seconds are those of the wall clock, and
  those of the processor, all cores together.

Writes results/eigenpro-<device>.json.
"""

import sys
import warnings

import jax.numpy as jnp
import numpy as np
import printing
from timing import clocked

from ntkmc import ConjugateGradient, PeriodicKernel, autoencoder
from ntkmc._compat import enable_x64
from ntkmc.datasets import load_image, random_mask
from ntkmc.metrics import psnr
from ntkmc.plots import residual_curves
from ntkmc.solvers import EigenPro

EPOCHS = 50
CLOSE = 0.05  # dB
IMAGES = ("cameraman", "house")


def problem(name, height=256, width=256):
    image = load_image(name).image[:height, :width]
    mask = random_mask(image.shape, 0.5, seed=0)
    return PeriodicKernel.build(autoencoder(4), image.shape), image, mask


def quality(kernel, image, mask, weights):
    with enable_x64():
        plane = np.zeros(image.shape)
        plane[mask] = weights
        predicted = np.asarray(kernel.matvec(jnp.asarray(plane)))
    return psnr(image, np.where(mask, image, predicted))


def curves():
    rows, drawn = [], {}
    kernel, image, mask = problem("cameraman", 64, 128)
    where, values = np.nonzero(mask), image[mask]
    for ridge in (0.0, 0.05):
        for solver in (
            ConjugateGradient(ridge=ridge, rtol=1e-5),
            EigenPro(ridge=ridge, rtol=1e-5, epochs=EPOCHS),
        ):
            result = solver.prepare(kernel, where).solve(values)
            name = {"eigenpro": "EigenPro"}.get(result.method, "conjugate gradients")
            drawn[f"{name}, ridge {ridge:g}" if ridge else name] = result.residuals
            rows.append(
                {
                    "method": name,
                    "ridge": ridge,
                    "observed": len(values),
                    "steps": result.iterations,
                    "residual": result.relative_residual,
                    "PSNR, dB": quality(kernel, image, mask, result.weights),
                    "residuals": [float(f"{size:.3e}") for size in result.residuals],
                }
            )
    figure = residual_curves(drawn, rtol=1e-5)
    figure.savefig(printing.RESULTS / "eigenpro.png", dpi=110)
    return rows


def epochs_needed(prepared, values, goal, quality):
    """Epochs until the picture stays close to the goal, and the PSNR after each."""
    result, seen = None, []
    while len(seen) < 4 * EPOCHS:
        result = prepared.solve(values, start=result)
        seen.append(quality(result.weights))
        if len(seen) > 1 and all(abs(value - goal) <= CLOSE for value in seen[-2:]):
            return len(seen) - 1, seen
    sys.exit(f"EigenPro came to {seen[-1]:.2f} dB in {len(seen)} epochs, not to {goal:.2f}")


def race():
    rows = []
    for name in IMAGES:
        kernel, image, mask = problem(name)
        where, values = np.nonzero(mask), image[mask]

        def solve(solver, kernel=kernel, where=where, values=values):
            return solver.prepare(kernel, where).solve(values)

        def decibels(weights, kernel=kernel, image=image, mask=mask):
            return quality(kernel, image, mask, weights)

        gradients = ConjugateGradient()
        goal = decibels(solve(gradients).weights)
        one = EigenPro(rtol=1e-5, epochs=1)
        needed, seen = epochs_needed(one.prepare(kernel, where), values, goal, decibels)
        descent = EigenPro(rtol=1e-5, epochs=needed)
        turns = [clocked(lambda s=solver: solve(s)) for solver in (gradients, descent, gradients)]
        theirs, ours = turns[1], [np.mean([turns[0][i], turns[2][i]]) for i in (1, 2)]
        rows.append(
            {
                "image": name,
                "iterations": turns[0][0].iterations,
                "epochs": needed,
                "CG, dB": goal,
                "EigenPro, dB": decibels(theirs[0].weights),
                "residual": theirs[0].relative_residual,
                "CG, s": float(ours[0]),
                "EigenPro, s": theirs[1],
                "ratio": theirs[1] / float(ours[0]),
                "CG, processor s": float(ours[1]),
                "EigenPro, processor s": theirs[2],
                "processor ratio": theirs[2] / float(ours[1]),
                "dB after each epoch": [round(value, 3) for value in seen],
            }
        )
    return rows


PARTS = {"curves": curves, "race": race}


if __name__ == "__main__":
    # EigenPro is stopped long before its tolerance, on purpose.
    warnings.filterwarnings("ignore", message="EigenPro stopped")
    printing.run("eigenpro", PARTS, sys.argv[1:])
