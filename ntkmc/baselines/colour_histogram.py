"""Images compared by how often they have each colour, wherever in them."""

import numpy as np
from jaxtyping import Float


def colour_histograms(
    images: Float[np.ndarray, "n h w c"], bins: int = 8
) -> Float[np.ndarray, "n colours"]:
    """The share of each image's pixels in each of ``bins`` ** c boxes of colours.

    Parameters
    ----------
    images : values in [0, 1], of which each channel is cut into `bins` equal parts.
    """
    parts = np.minimum((images * bins).astype(np.int64), bins - 1)
    channels = images.shape[-1]
    numbers = (parts @ bins ** np.arange(channels)).reshape(len(images), -1)
    counts = [np.bincount(row, minlength=bins**channels) for row in numbers]
    return np.stack(counts) / numbers.shape[1]


def histogram_kernel(
    first: Float[np.ndarray, "n colours"],
    second: Float[np.ndarray, "m colours"],
    scale: float,
) -> Float[np.ndarray, "n m"]:
    r"""The exponential of chi-squared distances, :math:`\exp(-\chi^2(p, q) / \mathrm{scale})`.

    :math:`\chi^2(p, q) = \sum_i (p_i - q_i)^2 / (p_i + q_i)`, positive definite, and usual between
    histograms (Zhang, Marszalek, Lazebnik and Schmid, "Local features and kernels for
    classification of texture and object categories", 2007, who take `mean_distance` for the scale).
    """
    return np.exp(-chi_squared(first, second) / scale)


def mean_distance(histograms: Float[np.ndarray, "n colours"]) -> float:
    """Mean chi-squared distance between two different ones."""
    count = len(histograms)
    return float(chi_squared(histograms, histograms).sum() / (count * (count - 1)))


def chi_squared(
    first: Float[np.ndarray, "n colours"], second: Float[np.ndarray, "m colours"]
) -> Float[np.ndarray, "n m"]:
    """Distances, between 0 and 2."""
    from sklearn.metrics.pairwise import additive_chi2_kernel  # takes a second to import

    return -additive_chi2_kernel(first, second)
