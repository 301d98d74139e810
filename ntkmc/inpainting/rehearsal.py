"""Settings of a prior made of the image, chosen by observed pixels that are held out."""

import dataclasses
import itertools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Bool, Float
from scipy.spatial import cKDTree

from ntkmc._compat import enable_x64
from ntkmc.inpainting.held_out import LEAST_OBSERVED
from ntkmc.inpainting.image_prior import ImagePrior
from ntkmc.inpainting.noise import fit_errors
from ntkmc.inpainting.scene import PatchSettings, Scene, unit_of
from ntkmc.kernels.operator import KernelOperator
from ntkmc.kernels.patches import PatchKernel, distances_within
from ntkmc.kernels.weighted import between
from ntkmc.priors.patches import PatchPrior
from ntkmc.solvers import Progress
from ntkmc.solvers.conditional import Conditional, condition, cycled, gather

HELD_OUT = 2048
LARGEST_SHARE = 1 / 8  # of the observed pixels, held out with what is around them
FEWEST_HELD = 64  # whatever is around them: what is more than its share of that stays
GAIN = 0.01  # of the squared error: what the prior has to take away
WEIGHTS = (0.3, 3.0, 30.0)
BANDWIDTHS = (0.5, 1.0, 2.0)
# After these two together, one after the other.
OTHERS = {
    "width": (5, 9),
    "depth": (2,),
    "scale": (8.0, 72.0),
    "ridge": (1e-6, 1e-3, 1e-2),
}


def rehearse(
    positions: KernelOperator,
    image: Float[np.ndarray, "H W *C"],
    mask: Bool[np.ndarray, "H W"],
    ridge: float,
    *,
    asked_for: bool = False,
    seed: int = 0,
    progress: Progress | None = None,
) -> ImagePrior:
    """Choose the settings of the patch kernel by observed pixels held out, and whether to use it.

    Parameters
    ----------
    positions : kernel of the network of positions.
    image : values where the mask is True, of mean zero.
    mask : True where observed.
    ridge : of that network alone, relative.
    asked_for : whether it is used in any case.
    seed : of the pixels held out.
    progress : called with ("choosing a prior", tried, None).

    Raises
    ------
    ValueError : fewer than 128 observed pixels.
    """
    held, left = hold_out_with_surroundings(mask, seed)
    unit = unit_of(image, mask)
    image = (image / unit).reshape(*mask.shape, -1)
    scene = Scene.of(positions, image, left)
    completed = scene.by_positions(ridge)
    truth = image[tuple(held.T)]
    squares = np.mean((scene.at(held, ridge, scene.count) - truth) ** 2, axis=1)
    without = float(np.mean(squares))
    standard = PatchSettings()
    completed[~left] = scene.predict(completed, np.argwhere(~left), standard).mean
    trials = _Trials(scene, completed, held, truth, progress)
    start = [
        dataclasses.replace(standard, weight=weight, bandwidth=bandwidth)
        for weight, bandwidth in itertools.product(WEIGHTS, BANDWIDTHS)
    ]
    best = min(start, key=trials.error)
    for field, values in OTHERS.items():
        others = [_with(best, field, value) for value in values]
        best = min([best, *others], key=trials.error)
    error = trials.error(best)
    taken = squares - trials.squares[best]
    helps = taken.mean() > max(GAIN * without, taken.std() / len(taken) ** 0.5)
    ranked = sorted(trials.errors.items(), key=lambda item: item[1])
    return ImagePrior(
        best,
        bool(asked_for or helps),
        unit * error**0.5,
        unit * without**0.5,
        tuple((settings, unit * value**0.5) for settings, value in ranked),
        len(held),
        trials.noise(best, unit),
    )


def hold_out_with_surroundings(mask, seed):
    """Pixels held out, as far from others as the missing ones are; and what is left observed.

    Each goes with all others within its distance, as many as are allowed. Those that others took
    along are not among the ones that are judged.
    """
    observed, missing = np.argwhere(mask), np.argwhere(~mask)
    if len(observed) < LEAST_OBSERVED or not len(missing):
        raise ValueError(
            f"mask has {len(observed)} observed and {len(missing)} missing pixels; a prior made of "
            f"the image takes at least {LEAST_OBSERVED} observed and one missing: pass "
            "prior=IIDUniform(0, 0.1) and a network"
        )
    rng = np.random.default_rng(seed)
    tree = cKDTree(observed)
    some = missing[rng.integers(0, len(missing), HELD_OUT)]
    radii = tree.query(some)[0]
    budget = int(LARGEST_SHARE * len(observed))
    most = max(1, budget // FEWEST_HELD)
    left = np.ones(len(observed), bool)
    held: list[int] = []
    for pixel in rng.permutation(len(observed)):
        if len(held) == HELD_OUT or budget < 1:
            break
        if not left[pixel]:
            continue
        around = np.array(tree.query_ball_point(observed[pixel], radii[len(held)] - 1e-9))
        apart = ((observed[around] - observed[pixel]) ** 2).sum(axis=1)
        gone = around[np.argsort(apart, kind="stable")][: min(most, budget)]
        budget -= int(left[gone].sum())
        left[gone] = False
        held.append(pixel)
    remaining = np.zeros_like(mask)
    remaining[tuple(observed[left].T)] = True
    return observed[held], remaining


class _Trials:
    """Errors of settings on pixels held out; what they share is computed once."""

    def __init__(self, scene, completed, held, truth, progress):
        self._scene, self._truth, self._progress = scene, truth, progress
        self._completed = completed
        # As many as other batches have, so that little is compiled; the last ones are not counted.
        held = held[cycled(len(held), HELD_OUT)]
        near = scene.neighbours(completed, held)
        observed = np.stack(scene.pixels, axis=1)
        points, present, values = gather(observed, scene.values, held, near[:, ::-1])
        self._points, self._present = jnp.asarray(points), jnp.asarray(present)
        with enable_x64():
            self._values = jnp.asarray(values)
        self._positions = _between(scene.positions, self._points) / scene.size
        self._patches = {}
        self.errors: dict[PatchSettings, float] = {}
        self.squares: dict[PatchSettings, np.ndarray] = {}  # of each pixel

    def error(self, settings):
        """Mean square error, computed once."""
        if settings not in self.errors:
            self.squares[settings] = np.mean((self._condition(settings).mean - self._truth) ** 2, 1)
            error = float(np.mean(self.squares[settings]))
            self.errors[settings] = error if np.isfinite(error) else np.inf
            if self._progress:
                self._progress("choosing a prior", len(self.errors), None)
        return self.errors[settings]

    def noise(self, settings, unit):
        """What the errors are like, for intervals."""
        its = self._condition(settings)
        errors, variance = unit * (self._truth - its.mean), its.variance + settings.shift
        return fit_errors(settings.ridge, errors, variance, unit**2 * its.surprise)

    def _condition(self, settings):
        width = settings.width
        if width not in self._patches:
            around = jnp.asarray(PatchPrior(self._completed, 1.0, width).patches())
            self._patches[width] = _distances(around, self._points)
        apart, places = self._patches[width]
        kernel = PatchKernel(
            jnp.zeros((1, 1, 1)),
            jnp.float32(settings.bandwidth),
            jnp.float32(settings.scale),
            settings.depth,
        )
        weight = np.float32(settings.weight / (settings.depth + 1))
        matrices = _sum(kernel, self._positions, apart, places, weight)
        with enable_x64():
            found = condition(matrices, self._present, self._values, settings.shift)
        return Conditional(*(part[: len(self._truth)] for part in dataclasses.astuple(found)))


def _with(settings: PatchSettings, field: str, value: Any) -> PatchSettings:
    return dataclasses.replace(settings, **{field: value})


_between, _distances = jax.jit(between), jax.jit(distances_within)


@jax.jit
def _sum(patches, positions, apart, places, weight):
    square = apart / patches.bandwidth**2 + places / patches.scale**2
    return positions + weight * patches.of_distance(square)
