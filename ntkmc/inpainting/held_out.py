"""Observed pixels held out, and their prediction from the nearest pixels left (local kriging)."""

import dataclasses
import functools

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy.spatial import cKDTree

from ntkmc.solvers._neighbours import disc, first_wanted

LEAST_OBSERVED = 128
GAP_QUANTILE = 0.95
SPECTRA = 64  # neighbourhoods whose eigenvalues are looked at
# Standard deviations of the values, about as many as photographs are above black. Without a level,
# networks were chosen that let constants decay: 0.5 dB less on parts of the paper's hill and house.
LEVEL = 3.0


@dataclasses.dataclass(frozen=True)
class Neighbourhoods:
    """Pixels held out, each with the pixels it is predicted from.

    Attributes
    ----------
    targets : (n, 2) rows and columns of the pixels held out.
    near : (n, m, 2) of their neighbours.
    present : (n, m), False where there are fewer neighbours.
    near_values, truth : (n, m, channels) and (n, channels).
    gap : how far 95 % of the missing pixels are from an observed one, at most.
    """

    targets: Int[np.ndarray, "n 2"]
    near: Int[np.ndarray, "n m 2"]
    present: Bool[np.ndarray, "n m"]
    near_values: Float[np.ndarray, "n m channels"]
    truth: Float[np.ndarray, "n channels"]
    gap: float

    @functools.cached_property
    def contrast(self) -> Float[np.ndarray, "n channels"]:
        """Twice the variance of the values around each pixel, plus (0.03 range)^2."""
        values = np.where(self.present[..., None], self.near_values, np.nan)
        spread = np.ptp(self.truth) or 1.0
        return 2 * np.nanvar(values, axis=1) + (0.03 * spread) ** 2

    def offsets(self):
        """(x, d) of all pairs in each neighbourhood, the target last, along either axis."""
        points = np.concatenate([self.near, self.targets[:, None]], axis=1).astype(np.int32)
        first, second = points[:, :, None], points[:, None, :]
        x, d = np.broadcast_arrays(first, second - first)
        return (x[..., 0], d[..., 0]), (x[..., 1], d[..., 1])

    def smallest_eigenvalue(self, kernels: Float[np.ndarray, "n s s"]) -> float:
        """Of the kernel between the neighbours, over some of the neighbourhoods."""
        some = slice(SPECTRA)
        return float(np.linalg.eigvalsh(_between(kernels[some], self.present[some], 0.0)).min())

    def errors(self, kernels: Float[np.ndarray, "n s s"], shift: float) -> tuple[float, float]:
        """Mean square error of the prediction, and relative to the contrast around each pixel.

        It is the mean over values whose level is LEVEL standard deviations higher and lower: where
        the weights miss a sum of one by m, the square of LEVEL m standard deviations is added.

        The second divides each squared error by twice the variance of the neighbours' values plus
        (0.03 range)^2, as the structural similarity index does. Infinite where they are no numbers.

        Parameters
        ----------
        kernels : (n, m + 1, m + 1), of each neighbourhood and its target.
        shift : added to the diagonal between neighbours.
        """
        matrix = _between(kernels, self.present, shift)
        beside = np.where(self.present, kernels[:, :-1, -1], 0)
        try:
            weights = np.linalg.solve(matrix, beside[..., None].astype(np.float64))
        except np.linalg.LinAlgError:
            return np.inf, np.inf
        square = ((weights * self.near_values).sum(axis=1) - self.truth) ** 2
        missed = 1 - weights.sum(axis=1)
        square += (LEVEL * self.truth.std(axis=0) * missed) ** 2
        error, relative = float(np.mean(square)), float(np.mean(square / self.contrast))
        return (error, relative) if np.isfinite(error) else (np.inf, np.inf)


def _between(kernels, present, shift):
    """Kernel between the neighbours of each target, in float64, with the shift on its diagonal.

    An absent neighbour becomes a row of the identity, which leaves the others as they are.
    """
    both = present[:, :, None] & present[:, None, :]
    matrix = np.where(both, kernels[:, :-1, :-1].astype(np.float64), 0)
    return matrix + np.where(present, shift, 1.0)[:, :, None] * np.eye(present.shape[1])


def hold_out(
    image: Float[np.ndarray, "H W *C"],
    mask: Bool[np.ndarray, "H W"],
    count: int,
    neighbours: int,
    seed: int = 0,
) -> Neighbourhoods:
    """Hold out observed pixels that are as far from the others as the missing ones are.

    A pixel is held out together with all others within a radius, which is drawn from the distances
    between missing pixels and the nearest observed one: where single pixels are missing at random
    that is the pixel alone, in an image with holes it is a hole. The widest radii go to the pixels
    that are farthest from others anyway.

    Parameters
    ----------
    image : (H, W) or (H, W, C), values where the mask is True.
    mask : (H, W), True where observed.
    count : how many, each on its own; at most all that are observed.
    neighbours : how many pixels each has at most.
    seed : of the draws.

    Raises
    ------
    ValueError : fewer than 128 observed pixels, or none missing.
    """
    observed, missing = np.argwhere(mask), np.argwhere(~mask)
    if len(observed) < LEAST_OBSERVED or not len(missing):
        raise ValueError(
            f"mask has {len(observed)} observed and {len(missing)} missing pixels; to hold some "
            f"out takes at least {LEAST_OBSERVED} observed and one missing"
        )
    rng = np.random.default_rng(seed)
    count = min(count, len(observed))
    targets = observed[rng.choice(len(observed), count, replace=False)]
    tree = cKDTree(observed)
    natural = tree.query(targets, k=2)[0][:, 1]
    gaps = np.sort(tree.query(missing[rng.integers(0, len(missing), count)])[0])
    radius = np.empty(count)
    radius[np.argsort(natural, kind="stable")] = gaps
    near, present = _nearest_beyond(mask, targets, np.maximum(radius, natural), neighbours)
    planes = image.reshape(*mask.shape, -1)
    return Neighbourhoods(
        targets,
        near,
        present,
        np.where(present[..., None], planes[near[..., 0], near[..., 1]], 0),
        planes[targets[:, 0], targets[:, 1]],
        float(np.quantile(gaps, GAP_QUANTILE)),
    )


def _nearest_beyond(mask, targets, radius, m):
    """The m nearest observed pixels at least so far from each target, and whether there are m."""
    height, width = mask.shape
    # Where no neighbour is within this there are fewer.
    reach = radius.max() + 8 * np.sqrt(m / mask.mean())
    rows, columns = disc(min(int(reach), height - 1), min(int(reach), width - 1), reach)
    starts = np.searchsorted(np.hypot(rows, columns), radius - 1e-9)
    near, present = np.zeros((len(targets), m, 2), int), np.zeros((len(targets), m), bool)
    todo, look = np.arange(len(targets)), int(4 * m / mask.mean())
    while todo.size:
        at = np.minimum(starts[todo, None] + np.arange(look), len(rows) - 1)
        y, x = targets[todo, :1] + rows[at], targets[todo, 1:] + columns[at]
        inside = (y >= 0) & (y < height) & (x >= 0) & (x < width)
        wanted = inside & mask[np.where(inside, y, 0), np.where(inside, x, 0)]
        wanted &= starts[todo, None] + np.arange(look) < len(rows)
        index = first_wanted(wanted, np.broadcast_to(np.arange(look), at.shape), m, look)
        present[todo] = index < look
        index = np.minimum(index, look - 1)
        near[todo] = np.stack([np.take_along_axis(side, index, axis=1) for side in (y, x)], axis=-1)
        todo = todo[~present[todo].all(axis=1) & (starts[todo] + look < len(rows))]
        look *= 4
    near[~present] = 0
    return near, present
