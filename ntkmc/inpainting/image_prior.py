r"""A prior made of the image itself: complete, embed each pixel by what surrounds it, again.

Beside the network of positions, whose kernel :math:`K_0` says how alike two pixels are for where
they are, a network on features of patches (`PatchPrior`, `PatchKernel`) says how alike they are for
what surrounds them,

.. math:: K = K_0 / \overline{K_0} + w\, K_d / (d + 1),

with patches of the completion that there is so far. Each missing pixel is predicted from the
nearest observed pixels and from the most similar ones within a window (a nearest-neighbour Gaussian
process, Vecchia 1988, whose neighbours are those that the kernel is largest for).

w, the bandwidth, the width of patches, the depth, the scale of positions and the ridge are chosen
by observed pixels held out. They are missing in a rehearsal from the first completion on, so that
their values have had no part in the patches they are judged with.
"""

import dataclasses
import functools
import itertools

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Bool, Float, Int
from scipy.spatial import cKDTree

from ntkmc._compat import enable_x64
from ntkmc.images import keep_observed
from ntkmc.inpainting.held_out import LEAST_OBSERVED
from ntkmc.inpainting.noise import Noise, fit_errors
from ntkmc.inpainting.similar import most_similar
from ntkmc.kernels.operator import KernelOperator
from ntkmc.kernels.patches import PatchKernel, distances_within
from ntkmc.kernels.weighted import WeightedKernel, between
from ntkmc.priors.patches import PatchPrior
from ntkmc.solvers import Progress, posterior
from ntkmc.solvers._neighbours import NeighbourSearch
from ntkmc.solvers.conditional import Conditional, condition, gather

NEAREST = 16  # neighbours by position
SIMILAR = 24  # neighbours by what surrounds them
REACH = 12  # pixels: how far similar ones are looked for
SEARCH_WIDTH = 7  # of the patches that similar pixels are looked for by
ROUNDS = 4
SETTLED = 0.05  # of the first round's change: what further rounds do not repeat
HELD_OUT = 2048
LARGEST_SHARE = 1 / 8  # of the observed pixels, held out with what is around them
FEWEST_HELD = 64  # whatever is around them: what is more than its share of that stays
GAIN = 0.01  # of the squared error: what the prior has to take away


@dataclasses.dataclass(frozen=True)
class PatchSettings:
    """What is chosen.

    Attributes
    ----------
    weight : w, of the patch kernel's diagonal relative to that of the positions' kernel.
    bandwidth : c, in standard deviations of the observed values.
    width : side of the patches in pixels.
    depth : activations of the network on the patches' features.
    scale : l, in pixels.
    ridge : relative to the mean of the kernel's diagonal.
    """

    weight: float = 3.0
    bandwidth: float = 1.0
    width: int = 7
    depth: int = 1
    scale: float = 24.0
    ridge: float = 1e-4


    @property
    def shift(self) -> float:
        """What the ridge adds to the diagonal, whose mean is 1 + w."""
        return self.ridge * (1 + self.weight)


WEIGHTS = (0.3, 3.0, 30.0)
BANDWIDTHS = (0.5, 1.0, 2.0)
# After these two together, one after the other.
OTHERS = {
    "width": (5, 9),
    "depth": (2,),
    "scale": (8.0, 72.0),
    "ridge": (1e-6, 1e-3, 1e-2),
}


@dataclasses.dataclass(frozen=True)
class ImagePrior:
    """How a prior made of the image was chosen and used.

    Attributes
    ----------
    settings : the choice.
    used : whether it took off a percent of the held-out pixels' squared error, and more than its
        standard error, or was asked for.
    rmse, rmse_without : of the held-out pixels with it and by the network of positions alone, in
        the image's units.
    trials : everything that was tried, best first, each with its error.
    held_out : how many pixels the errors are over.
    noise : what these errors are like, for intervals.
    changes : root mean square change of the missing pixels by each round, in the image's units.
    kernel : the sum, with the patches of the last round; None where it is not used.
    neighbours : (t, m) of each missing pixel, indices of the observed pixels it was predicted from,
        in row-major order; their number for none.
    """

    settings: PatchSettings
    used: bool
    rmse: float
    rmse_without: float
    trials: tuple[tuple[PatchSettings, float], ...]
    held_out: int
    noise: Noise
    changes: tuple[float, ...] = ()
    kernel: WeightedKernel | None = None
    neighbours: Int[np.ndarray, "t m"] | None = None


def rehearse(
    positions: KernelOperator,
    image: Float[np.ndarray, "H W C"],
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
    held, left = _hold_out(mask, seed)
    unit = _unit(image, mask)
    image = image / unit
    scene = _Scene.of(positions, image, left)
    completed = scene.by_positions(ridge)
    truth = image[tuple(held.T)]
    squares = np.mean((completed[tuple(held.T)] - truth) ** 2, axis=1)
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
        others = [dataclasses.replace(best, **{field: value}) for value in values]
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


def complete_again(
    positions: KernelOperator,
    image: Float[np.ndarray, "H W C"],
    mask: Bool[np.ndarray, "H W"],
    chosen: ImagePrior,
    ridge: float,
    rounds: int = ROUNDS,
    progress: Progress | None = None,
) -> tuple[Float[np.ndarray, "H W C"], Conditional, ImagePrior]:
    """Complete with patches of what is there, some rounds.

    Parameters
    ----------
    positions, image, mask, ridge : as for `rehearse`.
    chosen : what it chose.
    rounds : how many.
    progress : called with ("image-made prior", rounds done, rounds in all).

    Returns
    -------
    The completion, what the last round says of each missing pixel, and `chosen` with the rest of
    its attributes.
    """
    unit = _unit(image, mask)
    scene = _Scene.of(positions, image / unit, mask)
    missing = np.argwhere(~mask)
    current, changes = scene.by_positions(ridge), []
    for number in range(rounds):
        if progress:
            progress("image-made prior", number, rounds)
        if number < 2:  # by then similar pixels are known; to look for them again changes nothing
            near = scene.neighbours(current, missing)
        kernel = scene.kernel(current, chosen.settings)
        found = scene.condition(kernel, missing, near, chosen.settings)
        changes.append(unit * float(np.sqrt(np.mean((found.mean - current[~mask]) ** 2))))
        current[~mask] = found.mean
        if changes[-1] <= SETTLED * changes[0]:
            break
    if progress:
        progress("image-made prior", rounds, rounds)
    done = dataclasses.replace(chosen, changes=tuple(changes), kernel=kernel, neighbours=near)
    found = Conditional(unit * found.mean, found.variance, unit**2 * found.surprise)
    return keep_observed(image, mask, unit * current), found, done


def _unit(image, mask):
    """Standard deviation of the observed values, in which everything is computed."""
    return float(image[mask].std()) or 1.0


def _hold_out(mask, seed):
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
    left, held = np.ones(len(observed), bool), []
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


@dataclasses.dataclass(frozen=True)
class _Scene:
    """The network of positions on the observed pixels of one image."""

    positions: KernelOperator
    mask: Bool[np.ndarray, "H W"]
    pixels: tuple[np.ndarray, np.ndarray]
    values: Float[np.ndarray, "n C"]
    size: float  # mean of the positions' diagonal over the observed pixels

    @classmethod
    def of(cls, positions, image, mask):
        pixels = np.nonzero(mask)
        size = float(np.mean(np.asarray(positions.entries(pixels, pixels)), dtype=np.float64))
        return cls(positions, mask, pixels, image[mask], size)

    @functools.cached_property
    def _search(self):
        return NeighbourSearch(self.positions, self.pixels)

    def by_positions(self, ridge):
        """The image completed by the network of positions alone, by as many neighbours."""
        image = np.zeros((*self.mask.shape, self.values.shape[1]))
        image[self.mask] = self.values
        image[~self.mask] = posterior.nearest(
            self.positions,
            self.pixels,
            self.values,
            np.nonzero(~self.mask),
            ridge * self.size,
            NEAREST + SIMILAR,
        ).mean
        return image

    def neighbours(self, image, targets):
        """Of each target: the nearest observed pixels, then the most similar ones."""
        near = self._search(targets, min(NEAREST, len(self.values)))
        alike = most_similar(image, self.mask, targets, near, SIMILAR, SEARCH_WIDTH, REACH)
        return np.concatenate([near, alike], axis=1)

    def kernel(self, image, settings):
        prior = PatchPrior(image, settings.bandwidth, settings.width, settings.scale)
        patches = PatchKernel.build(prior, settings.depth)
        weights = (1 / self.size, settings.weight / (settings.depth + 1))
        return WeightedKernel((self.positions, patches), jnp.asarray(weights, jnp.float32))

    def condition(self, kernel, targets, near, settings):
        shift, there = settings.shift, tuple(targets.T)
        return posterior.nearest(kernel, self.pixels, self.values, there, shift, near)

    def predict(self, image, targets, settings):
        near = self.neighbours(image, targets)
        return self.condition(self.kernel(image, settings), targets, near, settings)


class _Trials:
    """Errors of settings on pixels held out; what they share is computed once."""

    def __init__(self, scene, completed, held, truth, progress):
        self._scene, self._truth, self._progress = scene, truth, progress
        self._completed = completed
        # As many as other batches have, so that little is compiled; the last ones are not counted.
        held = held[posterior.cycled(len(held), HELD_OUT)]
        near = scene.neighbours(completed, held)
        observed = np.stack(scene.pixels, axis=1)
        points, present, values = gather(observed, scene.values, held, near[:, ::-1])
        self._points, self._present = jnp.asarray(points), jnp.asarray(present)
        with enable_x64():
            self._values = jnp.asarray(values)
        self._positions = between(scene.positions, self._points) / scene.size
        self._patches = {}
        self.errors: dict[PatchSettings, float] = {}
        self.squares: dict[PatchSettings, np.ndarray] = {}  # of each pixel

    def error(self, settings):
        """Mean square error, computed once."""
        if settings not in self.errors:
            self.squares[settings] = np.mean((self._condition(settings)[0] - self._truth) ** 2, 1)
            error = float(np.mean(self.squares[settings]))
            self.errors[settings] = error if np.isfinite(error) else np.inf
            if self._progress:
                self._progress("choosing a prior", len(self.errors), None)
        return self.errors[settings]

    def noise(self, settings, unit):
        """What the errors are like, for intervals."""
        mean, variance, surprise = self._condition(settings)
        errors, variance = unit * (self._truth - mean), variance + settings.shift
        return fit_errors(settings.ridge, errors, variance, unit**2 * surprise)

    def _condition(self, settings):
        width = settings.width
        if width not in self._patches:
            patches = jnp.asarray(PatchPrior(self._completed, 1.0, width).patches())
            self._patches[width] = distances_within(patches, self._points)
        apart, places = self._patches[width]
        scales = map(jnp.float32, (settings.bandwidth, settings.scale))
        patches = PatchKernel(jnp.zeros((1, 1, 1)), *scales, settings.depth)
        weight = np.float32(settings.weight / (settings.depth + 1))
        matrices = _sum(patches, self._positions, apart, places, weight)
        with enable_x64():
            found = condition(matrices, self._present, self._values, settings.shift)
        return tuple(np.asarray(part)[: len(self._truth)] for part in found)


@jax.jit
def _sum(patches, positions, apart, places, weight):
    square = apart / patches.bandwidth**2 + places / patches.scale**2
    return positions + weight * patches.of_distance(square)
