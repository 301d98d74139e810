"""How long completing an image by a prior made of itself takes, and how near it is to all at once.

    uv run python benchmarks/image_prior.py                 # all; ten minutes on a GPU
    uv run python benchmarks/image_prior.py whole together  # some of it

Parts: `whole` (`network="auto"`, half of the pixels missing, the first call and a second one, with
seconds of each stage), `round` (one round, from 256 x 256 to 2048 x 2048 pixels: the second of two
runs, 2048 x 2048 the only one), `together` (each pixel from near and similar ones against the
regression on all observed ones: 128 x 128, and 512 x 512 on a GPU). Writes
results/image_prior-<device>.json.
"""

import sys
import time

import jax
import numpy as np
import printing
from inpainting import MIB, observed, photograph

from ntkmc import PeriodicKernel, autoencoder, inpaint
from ntkmc.inpainting import regression
from ntkmc.inpainting.scene import PatchSettings, Scene
from ntkmc.kernels import padded_shape
from ntkmc.memory import peak_bytes
from ntkmc.metrics import psnr

ON_CPU = jax.devices()[0].platform == "cpu"


def whole():
    rows = []
    for side in (256, 512):
        image, mask = photograph(side), observed(side)
        for call in ("first", "second"):
            started = time.perf_counter()
            result = inpaint(image, mask, network="auto")
            rows.append(
                {
                    "side": side,
                    "call": call,
                    "seconds": time.perf_counter() - started,
                    **result.seconds,
                    "PSNR, dB": psnr(image, result.image),
                    "peak of the process, MiB": peak_bytes() / MIB,
                }
            )
    return rows


def one_round():
    rows, network, settings = [], autoencoder(4), PatchSettings()
    for side in (256, 512, 1024, 2048):
        image, mask = photograph(side), observed(side)
        mean, unit = image[mask].mean(), image[mask].std()
        planes = (np.where(mask, image - mean, 0) / unit)[..., None]
        kernel = PeriodicKernel.build(network, padded_shape(network, (side + 32, side + 32)))
        targets = np.argwhere(~mask)
        scene = Scene.of(kernel, planes, mask)
        for _ in range(2 if side < 2048 else 1):
            started = time.perf_counter()
            first = scene.by_positions(settings.ridge)
            begun = time.perf_counter()
            near = scene.neighbours(first, targets)
            found = time.perf_counter()
            made = scene.condition(scene.kernel(first, settings), targets, near, settings)
            done = time.perf_counter()
        completed = first.copy()
        completed[~mask] = made.mean
        rows.append(
            {
                "side": side,
                "first, s": begun - started,
                "similar ones, s": found - begun,
                "regression, s": done - found,
                "microseconds a missing pixel": 1e6 * (done - begun) / len(targets),
                "first, dB": psnr(image, first[..., 0] * unit + mean),
                "then, dB": psnr(image, completed[..., 0] * unit + mean),
                "peak of the process, MiB": peak_bytes() / MIB,
            }
        )
    return rows


def together():
    rows = []
    for side in (128,) if ON_CPU else (128, 512):
        image, mask = photograph(side), observed(side)
        solver = "cholesky" if side == 128 else "conjugate_gradient"
        chosen = inpaint(image, mask, network="auto")
        ridge = chosen.selection.ridge
        regression.TOGETHER = 0
        settings = {"network": chosen.network, "ridge": ridge, "prior": "image"}
        each = inpaint(image, mask, **settings)
        every = inpaint(image, mask, solver=solver, **settings)
        rows.append(
            {
                "side": side,
                "each, dB": psnr(image, each.image),
                "all, dB": psnr(image, every.image),
                "relative difference": every.image_prior.off,
                "each, s": each.seconds["image-made prior"],
                "all as well, s": every.seconds["image-made prior"],
                "iterations": every.solve.iterations,
                "residual": every.solve.relative_residual,
            }
        )
    return rows


if __name__ == "__main__":
    parts = {"whole": whole, "round": one_round, "together": together}
    printing.run("image_prior", parts, sys.argv[1:])
