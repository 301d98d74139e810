"""Completion of a centred image: by the network of positions, by the image's own prior, or both.

Where nothing is farther than a few pixels from what is observed, one of them completes everything.
In large holes the prior of the image is used up to the depth to which holes held out of the
observed part say that it helps, and they widen intervals by depth.
"""

import dataclasses
import math

import numpy as np
from jaxtyping import Bool, Float

from ntkmc.images import keep_observed
from ntkmc.inpainting.holes import (
    LEVEL,
    HeldOutHoles,
    deep,
    depth_of,
    hold_out_holes,
    hold_out_whole,
    widen,
)
from ntkmc.inpainting.image_prior import ImagePrior, complete_again, first_completion
from ntkmc.inpainting.positions import solve_positions
from ntkmc.inpainting.uncertainty import Uncertainty, of_neighbours
from ntkmc.solvers import Solver, SolveResult, posterior
from ntkmc.solvers.conditional import Conditional
from ntkmc.solvers.result import shift_of


@dataclasses.dataclass(frozen=True)
class Completed:
    """A completed image, how its regression was solved, and what else is known of it.

    Attributes
    ----------
    image : observed pixels as the regression has them.
    solve : None where every pixel is solved for on its own.
    uncertainty, image_prior : where asked for.
    """

    image: Float[np.ndarray, "..."]
    solve: SolveResult | None
    uncertainty: Uncertainty | None
    image_prior: ImagePrior | None


def complete(
    kernel,
    image: Float[np.ndarray, "..."],
    mask: Bool[np.ndarray, "..."],
    solver: Solver,
    prior: ImagePrior | None,
    *,
    everywhere: bool,
    exact: Solver | None,
    return_std: bool,
    clock,
) -> Completed:
    """Complete an image, of mean zero where the mask is True.

    Parameters
    ----------
    kernel : of the network of positions.
    image, mask : values, and True where they are observed.
    solver : of that network's regression.
    prior : what `rehearse` chose, or None.
    everywhere : whether the prior is used at any depth, whatever holes held out say.
    exact : what solves the last round for all pixels together, if anything does.
    return_std : whether to say how uncertain each pixel is.
    clock : told which stage begins.
    """
    depth, progress = depth_of(mask), clock.progress
    used = prior if prior is not None and prior.used else None
    holes = hold_out_holes(mask) if used or return_std else None
    if used and holes is None and (everywhere or depth.max() <= deep(mask)):
        clock.start("image-made prior")
        first = first_completion(kernel, image, mask, solver.ridge)
        completed, known, solve, used = complete_again(
            kernel, image, mask, used, first, ~mask, solver=exact, progress=progress
        )
        uncertainty = (
            of_neighbours(mask, image.shape[mask.ndim :], known, used) if return_std else None
        )
        return Completed(completed, solve, uncertainty, used)
    completed, solve, uncertainty = solve_positions(kernel, image, mask, solver, return_std, clock)
    if holes is None and return_std and not used:
        holes = hold_out_whole(mask)
    if holes is None:
        if used:
            prior = dataclasses.replace(used, used=False)
        return Completed(completed, solve, uncertainty, prior)
    clock.start("holes held out")
    trial = _Trial(kernel, image, holes, solver, used, everywhere, progress)
    shallow = ~mask & (depth <= trial.deepest)
    if used:
        prior = dataclasses.replace(used, deepest=trial.deepest, used=bool(shallow.any()))
    found: Conditional | None = None
    if prior is not None and shallow.any():
        clock.start("image-made prior")
        completed, found, together, prior = complete_again(
            kernel, image, mask, prior, completed, shallow, solver=exact, progress=progress
        )
        solve = together or solve
    if uncertainty is not None:
        clock.start("uncertainty")
        std, noise, variance = uncertainty.std.copy(), uncertainty.noise, uncertainty.variance
        widths = trial.widths(noise)
        if found is not None and prior is not None:
            own = of_neighbours(~shallow, image.shape[mask.ndim :], found, prior)
            # One distribution of errors speaks for both; intervals of LEVEL stay what they are.
            std *= noise.half_width(LEVEL) / prior.noise.half_width(LEVEL)
            std[shallow], noise = own.std[shallow], prior.noise
            variance = np.where(shallow, own.variance, variance)
        std[~mask] *= widen(depth[~mask], widths).reshape(-1, *(1,) * (std.ndim - mask.ndim))
        uncertainty = dataclasses.replace(
            uncertainty, std=std, noise=noise, variance=variance, widths=widths
        )
    return Completed(completed, solve, uncertainty, prior)


class _Trial:
    """Holes held out: how they are completed, up to which depth by the image's prior."""

    def __init__(self, kernel, image, holes: HeldOutHoles, solver, prior, everywhere, progress):
        self._kernel, self._holes, self._prior = kernel, holes, prior
        self._left = keep_observed(image, holes.left)
        self._shift = shift_of(kernel, np.nonzero(holes.left), solver.ridge)
        completed, *_ = solve_positions(kernel, self._left, holes.left, solver, False, None)
        truth = image[holes.hidden].reshape(int(holes.hidden.sum()), -1)
        self._errors = truth - completed[holes.hidden].reshape(truth.shape)
        self.deepest = 0.0
        if prior is not None:
            _, self._found, _, _ = complete_again(
                kernel, self._left, holes.left, prior, completed, holes.hidden, progress=progress
            )
            self._own = truth - self._found.mean
            gain = np.mean(self._errors**2 - self._own**2, axis=1)
            self.deepest = math.inf if everywhere else holes.deepest_that_helps(gain)

    def widths(self, noise):
        """By how much intervals are too narrow, by depth; those of positions are as `noise` is."""
        holes = self._holes
        pixels, targets = np.nonzero(holes.left), np.nonzero(holes.hidden)
        values = self._left[holes.left].reshape(len(pixels[0]), -1)
        found = posterior.nearest(self._kernel, pixels, values, targets, self._shift)
        half, errors = _half_widths(noise, found, self._shift), self._errors
        if self.deepest:
            shallow = (holes.depth <= self.deepest)[:, None]
            own = _half_widths(self._prior.noise, self._found, self._prior.settings.shift)
            half, errors = np.where(shallow, own, half), np.where(shallow, self._own, errors)
        return holes.widths(errors, half)


def _half_widths(noise, found, shift):
    return noise.half_width(LEVEL) * noise.deviation(found.variance + shift, found.surprise)
