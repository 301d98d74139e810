"""Holes held out: what is missing of an image, cut once more into what is observed of it.

Pixels held out one by one say what happens near others. Far inside a hole errors are larger, a
prior made of the image has nothing to hold on to, and intervals that fit single pixels are too
narrow. So holes of the same shapes are cut elsewhere, completed by what is left, and compared with
what was there, by depth: the distance to the nearest observed pixel.
"""

import dataclasses
import itertools
import math

import numpy as np
from jaxtyping import Bool, Float
from scipy import ndimage

from ntkmc.inpainting.held_out import axes_of
from ntkmc.solvers._neighbours import unit_ball

DEEP = 4.0  # pixels: up to here, pixels held out with their surroundings say enough
CHANCE = 1e-3  # of an image that chance left a place so deep somewhere, for it to be a hole
SHARE = 0.25  # of the observed pixels, hidden at most
TRIES = 64  # places looked at
OVERLAP = 0.1  # of a hole, that may fall on other holes
EDGES = (1.5, 2.5, 4.0, 6.0, 9.0, 13.0, 19.0, math.inf)  # pixels: classes of depth
BLOCK = 8  # side of squares whose errors are taken for independent of one another
FEWEST = 64  # pixels that a class of depth takes, to be looked at
LEVEL = 0.9  # of the intervals that are to hold

Widths = tuple[tuple[float, float], ...]
"""(depth, factor): by how much deviations up to each depth are larger; 1 in all if empty."""


@dataclasses.dataclass(frozen=True)
class HeldOutHoles:
    """Holes cut into the observed part.

    Attributes
    ----------
    left : True where still observed.
    hidden : True where observed and now hidden.
    """

    left: Bool[np.ndarray, "..."]
    hidden: Bool[np.ndarray, "..."]

    @property
    def depth(self) -> Float[np.ndarray, " t"]:
        """Of each hidden pixel, in row-major order."""
        return depth_of(self.left)[self.hidden]

    def deepest_that_helps(self, gain: Float[np.ndarray, " t"]) -> float:
        """Up to which depth something is to be used that takes so much off the squared errors.

        The depth, of those between classes and no deeper than DEEP, of the largest sum of what is
        gained up to there less its standard error, by blocks of 8 x 8 pixels; 0 where that is
        nowhere positive. (In the middle of holes of 40 x 40 pixels the image's prior was worse than
        the network of positions in nine of eleven photographs; holes held out, which show other
        parts, did not always say so.)
        """
        depth = self.depth
        blocks = [side // BLOCK for side in np.nonzero(self.hidden)]
        block = np.ravel_multi_index(blocks, [int(side.max()) + 1 for side in blocks])
        best, deepest = 0.0, 0.0
        for edge in EDGES[: EDGES.index(DEEP) + 1]:
            inside = depth <= edge
            sums = np.bincount(block, gain * inside)
            bound = gain[inside].sum() - math.sqrt(np.sum(sums**2))
            if bound > best:
                best, deepest = bound, edge
        return deepest

    def widths(self, errors: Float[np.ndarray, "t k"], half_widths) -> Widths:
        """Factors that 90% intervals of these half widths (t, k) lack, none below 1.

        No factor is smaller than one of less depth.
        """
        depth, ratio = self.depth, np.abs(errors) / np.maximum(half_widths, np.finfo(float).tiny)
        found, factor, low = [], 1.0, 0.0
        for edge in EDGES:
            inside = (depth > low) & (depth <= edge)
            if np.count_nonzero(inside) >= FEWEST:
                factor = max(factor, float(np.quantile(ratio[inside], LEVEL)))
                found.append((edge, factor))
                low = edge
        return tuple(found)


def depth_of(mask: Bool[np.ndarray, "..."]) -> Float[np.ndarray, "..."]:
    """Distance of each pixel to the nearest observed one, in pixels."""
    return ndimage.distance_transform_edt(~mask)


def deep(mask: Bool[np.ndarray, "..."]) -> float:
    """Beyond which depth there is a hole, in pixels.

    DEEP, or what chance leaves where a share q of n pixels is missing at random: a ball of radius d
    is empty with probability q to the power of its volume, and n times that is CHANCE; at an edge
    there are fewer pixels, and halves of balls. Pixels held out with their surroundings stand for
    these, as for the others.
    """
    share = 1 - np.count_nonzero(mask) / mask.size
    if not 0 < share < 1:
        return DEEP
    volumes = [
        2**at_edges * math.log(2**at_edges * math.prod(free) / CHANCE) / -math.log(share)
        for at_edges in range(mask.ndim + 1)
        for free in itertools.combinations(mask.shape, mask.ndim - at_edges)
    ]
    return max(DEEP, (max(volumes) / unit_ball(mask.ndim)) ** (1 / mask.ndim))


def widen(depth: Float[np.ndarray, " t"], widths: Widths) -> Float[np.ndarray, " t"]:
    """Factors at these depths; beyond the last, that of the last."""
    if not widths:
        return np.ones(len(depth))
    edges, factors = (np.array(side) for side in zip(*widths, strict=True))
    return factors[np.minimum(np.searchsorted(edges, depth), len(edges) - 1)]


def hold_out_holes(mask: Bool[np.ndarray, "..."], seed: int = 0) -> HeldOutHoles | None:
    """Cut the holes of an image elsewhere into it, mirrored at random.

    Holes are where something is farther from what is observed than `deep` says. One that is too
    large is cut smaller.

    Parameters
    ----------
    mask : True where observed.
    seed : of the places.

    Returns
    -------
    None where there are no such holes, or no place for them.
    """
    if not mask.any():
        return None
    least = deep(mask)
    core = depth_of(mask) > least
    if not core.any():
        return None
    return _cut_elsewhere(mask, ~mask & (depth_of(core) <= least), least, seed)


def hold_out_whole(mask: Bool[np.ndarray, "..."], seed: int = 0) -> HeldOutHoles | None:
    """Hide rows, slices or frames as whole ones are missing, in groups as wide; None elsewhere.

    Single pixels that are left out have others in their own slice, and say too little of those that
    have none.

    Parameters
    ----------
    mask : True where observed.
    seed : of the places.
    """
    axes = axes_of(mask)
    if len(axes) == mask.ndim:
        return None
    others = tuple(axis for axis in range(mask.ndim) if axis not in axes)
    places = mask.any(axis=others)
    found = _cut_elsewhere(places, ~places, 0.0, seed, apart=True)
    if found is None:
        return None
    hidden = mask & np.expand_dims(found.hidden, others)
    return HeldOutHoles(mask & ~hidden, hidden)


def _cut_elsewhere(mask, holes, least, seed, apart=False):
    """Holes of a mask cut into what is observed, as long as they are deeper than the least.

    `apart` has none touch another of those that are cut.
    """
    labels, count = ndimage.label(holes)
    boxes = ndimage.find_objects(labels)
    shapes = [labels[box] == number for number, box in zip(range(1, count + 1), boxes, strict=True)]
    rng = np.random.default_rng(seed)
    taken, hidden = holes.copy(), np.zeros_like(mask)
    budget = int(SHARE * mask.sum())
    for _ in range(TRIES):
        shape = shapes[rng.integers(count)]
        shape = shape[tuple(slice(None, None, rng.choice([-1, 1])) for _ in mask.shape)]
        shape = _at_most(shape, budget)
        if budget < 1 or depth_of(~np.pad(shape, 1)).max() <= least:
            break
        corner = rng.integers(0, np.subtract(mask.shape, shape.shape) + 1)
        there = tuple(map(slice, corner, corner + shape.shape))
        if np.sum(shape & taken[there]) > OVERLAP * shape.sum():
            continue
        if apart and np.any(shape & ndimage.binary_dilation(hidden)[there]):
            continue
        hidden[there] |= shape & mask[there]
        taken[there] |= shape
        budget -= int(shape.sum())
    left = mask & ~hidden
    return HeldOutHoles(left, hidden) if hidden.any() and left.any() else None


def _at_most(shape, area):
    """The shape, or a smaller one of the same proportions."""
    if shape.sum() <= area:
        return shape
    factor = (max(area, 0) / shape.sum()) ** (1 / shape.ndim)
    kept = [
        (np.arange(max(1, int(factor * side))) / factor).astype(int) if factor else np.zeros(1, int)
        for side in shape.shape
    ]
    return shape[np.ix_(*kept)]
