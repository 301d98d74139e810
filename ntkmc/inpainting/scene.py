"""One image, its network of positions, and the kernel that patches of a completion add to it."""

import dataclasses
import functools

import jax.numpy as jnp
import numpy as np
from jaxtyping import Bool, Float

from ntkmc.inpainting.similar import most_similar
from ntkmc.kernels.operator import KernelOperator
from ntkmc.kernels.patches import PatchKernel
from ntkmc.kernels.weighted import WeightedKernel
from ntkmc.priors.patches import PatchPrior
from ntkmc.solvers import posterior
from ntkmc.solvers._neighbours import NeighbourSearch
from ntkmc.solvers.conditional import Conditional

FEWEST = 40  # neighbours
MOST = 64  # of them, where few pixels are missing
WORK = 2**31  # of all systems: what their number times the cube of their size stays below
FIRST = 24  # of the first completion, which rounds go on from
BY_POSITION = 0.4  # of the neighbours; the others by what surrounds them
REACH = 12  # pixels: how far similar ones are looked for
SEARCH_WIDTH = 7  # of the patches that similar pixels are looked for by


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


@dataclasses.dataclass(frozen=True)
class Scene:
    """The network of positions on the observed pixels of one image."""

    positions: KernelOperator
    mask: Bool[np.ndarray, "H W"]
    pixels: tuple[np.ndarray, np.ndarray]
    values: Float[np.ndarray, "n C"]
    size: float  # mean of the positions' diagonal over the observed pixels

    @classmethod
    def of(cls, positions, image, mask):
        """An image (H, W, C) where it is observed."""
        rows, columns = np.nonzero(mask)
        pixels = rows, columns
        size = float(np.mean(np.asarray(positions.entries(pixels, pixels)), dtype=np.float64))
        return cls(positions, mask, pixels, image[mask], size)

    @functools.cached_property
    def _search(self):
        return NeighbourSearch(self.positions, self.pixels)

    @property
    def count(self) -> int:
        """Neighbours of each pixel: the more, the fewer pixels are missing."""
        missing = self.mask.size - len(self.values)
        return int(np.clip((WORK / missing) ** (1 / 3), FEWEST, MOST))

    def by_positions(self, ridge):
        """The image completed by the network of positions alone, each pixel from its nearest."""
        image = np.zeros((*self.mask.shape, self.values.shape[1]))
        image[self.mask] = self.values
        image[~self.mask] = self.at(np.argwhere(~self.mask), ridge, FIRST)
        return image

    def at(self, targets, ridge, count):
        """Targets (t, 2) by the network of positions alone, each from so many nearest pixels."""
        there = targets[:, 0], targets[:, 1]
        shift = ridge * self.size
        return posterior.nearest(self.positions, self.pixels, self.values, there, shift, count).mean

    def neighbours(self, image, targets):
        """Of each target: the nearest observed pixels, then the most similar ones."""
        nearest = nearest_of(self.count)
        near = self._search(targets, min(nearest, len(self.values)))
        alike = most_similar(
            image, self.mask, targets, near, self.count - nearest, SEARCH_WIDTH, REACH
        )
        return np.concatenate([near, alike], axis=1)

    def kernel(self, image, settings) -> WeightedKernel:
        """The sum, whose patches are of a completed image."""
        prior = PatchPrior(image, settings.bandwidth, settings.width, settings.scale)
        patches = PatchKernel.build(prior, settings.depth)
        weights = (1 / self.size, settings.weight / (settings.depth + 1))
        return WeightedKernel((self.positions, patches), jnp.asarray(weights, jnp.float32))

    def condition(self, kernel, targets, near, settings):
        """What the kernel says of the targets, by these neighbours."""
        there = targets[:, 0], targets[:, 1]
        return posterior.nearest(kernel, self.pixels, self.values, there, settings.shift, near)

    def predict(self, image, targets, settings) -> Conditional:
        """A round: the targets by patches of a completed image."""
        near = self.neighbours(image, targets)
        return self.condition(self.kernel(image, settings), targets, near, settings)


def nearest_of(count: int) -> int:
    """How many of so many neighbours are the nearest; the others are the most similar."""
    return int(BY_POSITION * count)


def unit_of(image, mask):
    """Standard deviation of the observed values, in which everything is computed."""
    return float(image[mask].std()) or 1.0
