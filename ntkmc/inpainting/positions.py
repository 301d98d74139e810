"""The regression on all observed pixels with the kernel of positions."""

import dataclasses

import jax
import numpy as np

from ntkmc._compat import enable_x64
from ntkmc.inpainting.uncertainty import quantify


def solve_positions(kernel, image, mask, solver, return_std, clock):
    """Completion (as the image, observed pixels predicted, too), report, and uncertainty if wanted.

    `clock`, or None, is told which stage begins.
    """
    progress = clock.progress if clock else None
    start = clock.start if clock else lambda stage: None
    start("setup")
    prepared = solver.prepare(kernel, np.nonzero(mask), progress)
    start("solve")
    values = image[mask]
    # The kernel is multiplied in its own precision, whose range need not be that of the image.
    scale = np.abs(values).max() or 1.0
    solve = prepared.solve(values / scale, progress)
    start("prediction")
    completed = scale * predict(kernel, mask, solve.weights)
    solve = dataclasses.replace(solve, weights=solve.weights * scale)
    uncertainty = None
    if return_std:
        start("uncertainty")
        uncertainty = quantify(prepared, kernel, mask, values, solve, solver.ridge, progress)
    return completed, solve, uncertainty


def predict(kernel, mask, weights):
    """Kernel times weights (n, ...) of the observed pixels, at every pixel of the mask."""
    inside = tuple(map(slice, mask.shape))
    with enable_x64():
        padded = np.zeros((*kernel.shape, *weights.shape[1:]))
        padded[inside][mask] = weights
        planes = jax.device_put(np.moveaxis(padded.reshape(*kernel.shape, -1), -1, 0))
        everywhere = np.moveaxis(np.asarray(kernel.matvec(planes)), 0, -1)
    return everywhere[inside].reshape(*mask.shape, *weights.shape[1:])
