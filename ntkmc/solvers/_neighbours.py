"""Pixels from coarse to fine, and the nearest ones: earlier than each, beyond a radius, of any."""

import math

import numpy as np
from scipy.spatial import cKDTree

from ntkmc.kernels.grid import GridKernel
from ntkmc.kernels.operator import KernelOperator

# Below this many earlier pixels a k-d tree is quicker than looking around each pixel on the grid.
TREE_SHARE = 32
CHUNK = 4_000_000  # grid positions, or entries of a kernel, looked at in one go


def coarse_to_fine(n: int, seed: int) -> np.ndarray:
    """A random permutation: any prefix of it covers the image about evenly."""
    return np.random.default_rng(seed).permutation(n)


def nearest_earlier(pixels: np.ndarray, shape: tuple[int, ...], m: int) -> np.ndarray:
    """The m nearest pixels among those before each one, on a torus.

    Parameters
    ----------
    pixels : (n, axes), rows and columns of a picture, in order.
    shape : sides of the torus.
    m : how many.

    Returns
    -------
    (n, m) int32 : indices into `pixels`, nearest first; n where there are no m earlier ones.
    """
    n = len(pixels)
    found = np.full((n, m), n, np.int32)
    rank = _ranks(pixels, shape)
    few = max(n // TREE_SHARE, 8 * m)
    low = 1
    while low < n:
        # Pixels low .. 2 low - 1: at least half of those before the last of them are before the
        # first, too.
        high = min(2 * low, n)
        if low < few:
            found[low:high] = _by_tree(pixels, shape, low, high, m)
        else:
            found[low:high] = _by_spiral(pixels, rank, low, high, m)
        low = high
    return found


def _by_tree(pixels, shape, low, high, m):
    k = min(high, 2 * m + 24)  # itself and later ones are among them
    _, near = cKDTree(pixels[:high], boxsize=shape).query(pixels[low:high], k=k, workers=-1)
    near = near.reshape(high - low, k)
    return _first_wanted(near < np.arange(low, high)[:, None], near, m, len(pixels))


def _by_spiral(pixels, rank, low, high, m):
    n, axes = pixels.shape
    found = np.full((high - low, m), n, np.int32)
    todo = np.arange(low, high)
    look = 1.3 * m * rank.size / low
    while todo.size:
        reach = int((look / unit_ball(axes)) ** (1 / axes)) + 1
        offsets = _ball([min(reach, (side - 1) // 2) for side in rank.shape], reach)
        short = []
        for part in np.array_split(todo, -(-todo.size * len(offsets[0]) // CHUNK)):
            at = 0
            for axis, (offset, side) in enumerate(zip(offsets, rank.shape, strict=True)):
                at = at * side + (pixels[part, axis, None] + offset) % side
            ranks = rank.ravel()[at]
            found[part - low] = _first_wanted(ranks < part[:, None], ranks, m, n)
            short.append(part[found[part - low, -1] == n])
        todo = np.concatenate(short)
        look *= 4
        if reach >= max(rank.shape) // 2:
            break  # the whole torus was looked at
    return found


def nearest_beyond(pixels, shape, targets, radius, m, measured) -> np.ndarray:
    """The m nearest pixels at least so far, (t,), from each target, (t, axes); none wraps around.

    How far they have to be is `measured` along some of the axes only. As `nearest_earlier` has
    them; n where there are no m.
    """
    (n, axes), volume = pixels.shape, math.prod(shape)
    # Beside the image there are none: negative indices, before it, wrap around.
    rank = np.pad(_ranks(pixels, shape), [(0, side) for side in shape], constant_values=n)
    # Where no neighbour is within this there are fewer.
    reach = radius.max() + 8 * (m * volume / n) ** (1 / axes)
    offsets = _ball([min(int(reach), side - 1) for side in shape], reach)
    # Whoever is so far along some axes is so far altogether.
    starts = np.searchsorted(np.sqrt(np.sum(np.square(offsets), axis=0)), radius - 1e-9)
    far = np.append(np.sum(np.square([offsets[axis] for axis in measured]), axis=0), 0)
    # After the last offset one that leads beside the image.
    last = len(offsets[0])
    offsets = tuple(np.append(one, side) for one, side in zip(offsets, shape, strict=True))
    found = np.full((len(targets), m), n, np.int32)
    todo, look = np.arange(len(targets)), int(4 * m * volume / n)
    while todo.size:
        at = np.minimum(starts[todo, None] + np.arange(look), last)
        there = (targets[todo, axis, None] + one[at] for axis, one in enumerate(offsets))
        ranks = rank[tuple(there)]
        wanted = (ranks < n) & (far[at] >= np.square(radius[todo, None] - 1e-9))
        found[todo] = _first_wanted(wanted, ranks, m, n)
        todo = todo[(found[todo, -1] == n) & (at[:, -1] < last)]
        look *= 4
    return found


def _ranks(pixels, shape):
    """Which pixel stands where, n for none."""
    rank = np.full(shape, len(pixels), np.int32)
    rank[tuple(pixels.T)] = np.arange(len(pixels))
    return rank


def unit_ball(axes):
    """Volume of a ball of radius one: pi for a disc."""
    return math.pi ** (axes / 2) / math.gamma(axes / 2 + 1)


def _ball(reaches, radius):
    """Offsets along each axis within a radius, nearest first, without the centre."""
    offsets = np.mgrid[tuple(slice(-reach, reach + 1) for reach in reaches)]
    square = np.sum(offsets**2, axis=0).ravel()
    inside = np.flatnonzero((square > 0) & (square <= radius**2))
    order = inside[np.argsort(square[inside], kind="stable")]
    return tuple(offset.ravel()[order] for offset in offsets)


def _first_wanted(wanted, candidates, m, missing):
    """The first m wanted candidates of each row, padded with `missing`."""
    found = np.full((len(wanted), m), missing, np.int32)
    row, column = np.nonzero(wanted)
    position = np.arange(row.size) - np.searchsorted(row, np.arange(len(wanted)))[row]
    keep = position < m
    found[row[keep], position[keep]] = candidates[row[keep], column[keep]]
    return found


class NeighbourSearch:
    """The observed pixels nearest to any pixel, itself left out.

    Nearest on the torus; for a `GridKernel`, which need not decay with distance, most correlated.
    """

    def __init__(self, kernel: KernelOperator, pixels: tuple[np.ndarray, ...]):
        self._kernel = kernel
        self._tree = None
        self._pixels = np.stack(pixels, axis=1)
        if isinstance(kernel, GridKernel):
            self._spread = np.sqrt(np.maximum(kernel.entries(pixels, pixels), np.finfo("f").tiny))
        else:
            self._tree = cKDTree(self._pixels, boxsize=kernel.shape)

    def __call__(self, targets: np.ndarray, m: int) -> np.ndarray:
        """(t, m) indices of observed pixels, nearest to each target (t, axes) first; n for none."""
        if self._tree is None:
            parts = np.array_split(targets, -(-len(targets) * len(self._pixels) // CHUNK))
            return np.concatenate([self._by_correlation(part, m) for part in parts])
        # Beyond the last pixel, SciPy gives n, too.
        distances, near = self._tree.query(targets, k=m + 1, workers=-1)
        return np.where(distances[:, :1] == 0, near[:, 1:], near[:, :-1])

    def _by_correlation(self, targets, m):
        rows, columns = self._pixels.T
        side = targets[:, :1], targets[:, 1:]
        alike = np.abs(self._kernel.entries(side, (rows, columns))) / self._spread
        alike = np.where((rows == side[0]) & (columns == side[1]), -1, alike)
        best = np.argsort(-alike, axis=1, kind="stable")[:, :m]
        best = np.where(np.take_along_axis(alike, best, axis=1) < 0, len(rows), best)
        return np.pad(best, ((0, 0), (0, m - best.shape[1])), constant_values=len(rows))
