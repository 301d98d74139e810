"""Observed pixels held out, and their prediction from the nearest pixels left (local kriging)."""

import dataclasses
import functools

import jax
import numpy as np
from jaxtyping import Bool, Float, Int
from scipy.spatial import cKDTree
from scipy.spatial.distance import cdist

from ntkmc._compat import enable_x64
from ntkmc.solvers._neighbours import nearest_beyond
from ntkmc.solvers.conditional import condition, gather, with_noise

LEAST_OBSERVED = 128
LEAST_PLACES = 3  # rows, slices or frames: one held out, and one on either side
GAP_QUANTILE = 0.95
SPECTRA = 64  # neighbourhoods whose eigenvalues are looked at
SPREAD = 256  # observed pixels that tell how far apart they are
# Standard deviations of the values, about as many as photographs are above black. Without a level,
# networks were chosen that let constants decay: 0.5 dB less on parts of the paper's hill and house.
LEVEL = 3.0


_with_noise = jax.jit(with_noise)


@dataclasses.dataclass(frozen=True)
class HeldOut:
    """Pixels held out, each with the pixels it is predicted from.

    Attributes
    ----------
    points : (n, m + 1, axes), rows and columns of the neighbours of each, and last of itself.
    present : (n, m), False where there are fewer neighbours.
    near_values, truth : (n, m, channels) and (n, channels).
    gap : how far 95 % of the missing pixels are from an observed one, at most.
    """

    points: Int[np.ndarray, "n s axes"]
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

    def thinned(self, step: int) -> "HeldOut":
        """Every so many of the pixels."""
        some = slice(None, None, step)
        points, present, values = self.points[some], self.present[some], self.near_values[some]
        return HeldOut(points, present, values, self.truth[some], self.gap)

    def regular(self, kernels: Float[np.ndarray, "n s s"], least: float) -> bool:
        """Whether the kernel between the neighbours has no eigenvalue below, in some places."""
        with enable_x64():
            kernels = kernels[:SPECTRA, :-1, :-1].astype(np.float64)
            matrices = np.asarray(_with_noise(kernels, self.present[:SPECTRA], -least))
        try:
            np.linalg.cholesky(matrices)
        except np.linalg.LinAlgError:
            return False
        return True

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
        # What is predicted of ones is the sum of the weights.
        values = np.pad(self.near_values, ((0, 0), (0, 0), (0, 1)), constant_values=1)
        with enable_x64():
            predicted = condition(kernels, self.present, values, shift).mean
        square = (predicted[:, :-1] - self.truth) ** 2
        square += (LEVEL * self.truth.std(axis=0) * (1 - predicted[:, -1:])) ** 2
        error, relative = float(np.mean(square)), float(np.mean(square / self.contrast))
        return (error, relative) if np.isfinite(error) else (np.inf, np.inf)


def hold_out(
    image: Float[np.ndarray, "..."],
    mask: Bool[np.ndarray, "..."],
    count: int,
    neighbours: int,
    seed: int = 0,
) -> HeldOut:
    """Hold out observed pixels that are as far from the others as the missing ones are.

    A pixel is held out together with all others within a radius, which is drawn from the distances
    between missing pixels and the nearest observed one: where single pixels are missing at random
    that is the pixel alone, in an image with holes it is a hole. The widest radii go to the pixels
    that are farthest from others anyway; about half of what is observed is left at least. Distances
    are along the axes on which the mask depends: where whole rows, slices or frames are missing, a
    pixel is held out with its own.

    Parameters
    ----------
    image : (H, W) or (H, W, C), or of other axes than two, values where the mask is True.
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
    axes = axes_of(mask)
    tree = cKDTree(np.unique(observed[:, axes], axis=0))
    natural = tree.query(targets[:, axes], k=2)[0][:, 1]
    gaps = np.sort(tree.query(missing[rng.integers(0, len(missing), count)][:, axes])[0])
    radius = np.empty(count)
    radius[np.argsort(natural, kind="stable")] = gaps
    # Where holes are wider than what is observed: half of that is left all the same.
    some = observed[rng.choice(len(observed), min(len(observed), SPREAD), replace=False)]
    radius = np.minimum(radius, np.median(cdist(targets[:, axes], some[:, axes]), axis=1))
    beyond = np.maximum(radius, natural)
    near = nearest_beyond(observed, mask.shape, targets, beyond, neighbours, axes)
    values = image[mask].reshape(len(observed), -1)
    points, present, near_values = gather(observed, values, targets, near)
    truth = image[tuple(targets.T)].reshape(count, -1)
    gap = float(np.quantile(gaps, GAP_QUANTILE))
    return HeldOut(points, present, near_values, truth, gap)


def axes_of(mask: Bool[np.ndarray, "..."]) -> list[int]:
    """The axes on which a mask depends, all if too few places are observed along these.

    One where whole rows, slices or frames are missing, two where whole lines of a volume are.
    """
    axes = [axis for axis in range(mask.ndim) if np.any(mask != mask.take([0], axis))]
    others = tuple(axis for axis in range(mask.ndim) if axis not in axes)
    places = np.count_nonzero(mask.any(axis=others))
    return axes if places >= LEAST_PLACES else list(range(mask.ndim))
