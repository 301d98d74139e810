"""Which observed pixels filled in a missing one, and how much each of them counted."""

import dataclasses

import numpy as np
from jaxtyping import Bool, Float, Int

from ntkmc.inpainting.holes import depth_of
from ntkmc.inpainting.image_prior import ImagePrior
from ntkmc.inpainting.scene import nearest_of
from ntkmc.solvers import posterior


@dataclasses.dataclass(frozen=True)
class FilledFrom:
    """The neighbours that count most for some missing pixels.

    Attributes
    ----------
    pixels : (t, 2), rows and columns.
    offsets : (t, k, 2), rows and columns from there to the neighbours: first the near ones, then
        the similar ones.
    weights : (t, k), what their values count; 0 with an offset of 0 where there are not as many.
    near : (t,), how many of the k are near ones.
    near_share : (t,), of the sum of all neighbours' absolute weights, those of near ones.
    told : (t,), of that sum, those of the k.
    """

    pixels: Int[np.ndarray, "t 2"]
    offsets: Int[np.ndarray, "t k 2"]
    weights: Float[np.ndarray, "t k"]
    near: Int[np.ndarray, " t"]
    near_share: Float[np.ndarray, " t"]
    told: Float[np.ndarray, " t"]


def by_prior(prior: ImagePrior, mask: Bool[np.ndarray, "H W"]) -> Int[np.ndarray, "t 2"]:
    """Rows and columns of the pixels that the prior filled in: a row of its `neighbours` each."""
    return np.argwhere(~mask & (depth_of(mask) <= prior.deepest))


def weights(
    prior: ImagePrior, mask: Bool[np.ndarray, "H W"], which: Int[np.ndarray, " t"]
) -> Float[np.ndarray, "t m"]:
    r"""What each neighbour counts in the prediction of some missing pixels.

    .. math:: \hat y(x) = \bar y + \sum_i w_i (y_i - \bar y), \qquad
              w = (K_{NN} + \tau I)^{-1} K(N, x),

    with the mean :math:`\bar y` of all observed pixels, for each channel alike. Where the last
    round was solved for all pixels together (``prior.off`` says how far that is from this), these
    are the weights before.

    Parameters
    ----------
    prior : of an `InpaintResult`, used.
    mask : True where observed.
    which : indices into `by_prior`.

    Returns
    -------
    In the order of ``prior.neighbours[which]``, float64; 0 for none.

    Raises
    ------
    ValueError : the prior was not used.
    """
    if prior.kernel is None or prior.neighbours is None:
        raise ValueError("prior was not used; pass one with a kernel and neighbours")
    rows, columns = np.nonzero(mask)
    pixels, there = (rows, columns), by_prior(prior, mask)[which]
    targets = there[:, 0], there[:, 1]
    near, shift = prior.neighbours[which], prior.settings.shift
    return posterior.nearest_weights(prior.kernel, pixels, targets, shift, near)


def filled_from(
    prior: ImagePrior, mask: Bool[np.ndarray, "H W"], which: Int[np.ndarray, " t"], count: int
) -> FilledFrom:
    """The neighbours of largest absolute weight, `count` of each pixel; arguments as of `weights`.

    Raises
    ------
    ValueError : the prior was not used.
    """
    every = weights(prior, mask, which)
    size = np.abs(every)
    total = size.sum(axis=1)
    total[total == 0] = 1
    largest = np.sort(np.argsort(-size, axis=1, kind="stable")[:, :count], axis=1)
    chosen = np.take_along_axis(every, largest, axis=1)
    assert prior.neighbours is not None
    near = np.take_along_axis(prior.neighbours[which], largest, axis=1)
    nearest = nearest_of(every.shape[1])
    pixels = by_prior(prior, mask)[which]
    offsets = np.argwhere(mask).take(near, 0, mode="clip") - pixels[:, None]
    offsets[near == mask.sum()] = 0
    return FilledFrom(
        pixels,
        offsets,
        chosen,
        np.sum(largest < nearest, axis=1),
        size[:, :nearest].sum(axis=1) / total,
        np.abs(chosen).sum(axis=1) / total,
    )
