"""How close a completed image is to the true one.

`psnr` and `ssim` are taken over the whole image, after the observed pixels were put back;
`psnr_inside` and `ssim_inside` over a part, such as all missing voxels of a volume. With the
settings of the former, scikit-image's biharmonic inpainting gives the biharmonic column of the
paper's large-hole table, so that its other columns can be compared with ours:

    image     here               paper
    vase      28.96 dB, 0.976    28.96 dB, 0.976
    library   17.71 dB, 0.861    17.71 dB, 0.861

They are: values in [0, 1], not rounded to 8 bits; the mean squared error over all pixels and
channels; SSIM with its uniform 7 x 7 window, averaged over channels. (A Gaussian window gives 0.860
on library, and a data range of 2, which older versions of scikit-image assume for floating point
values, 0.980 and 0.874.)
"""

import math

import numpy as np
from jaxtyping import Bool, Float
from skimage.metrics import structural_similarity

_SSIM_WINDOW = 7


def psnr(
    truth: Float[np.ndarray, "H W *C"],
    estimate: Float[np.ndarray, "H W *C"],
    data_range: float = 1.0,
) -> float:
    """Peak signal-to-noise ratio in dB, ``10 log10(data_range^2 / mean((truth - estimate)^2))``.

    Parameters
    ----------
    truth, estimate : float arrays of one shape
    data_range : float
        The largest possible value less the smallest.

    Returns
    -------
    float
        Infinite where the two are equal.
    """
    _check(truth, estimate)
    difference = np.asarray(truth, np.float64) - np.asarray(estimate, np.float64)
    error = float(np.mean(difference**2))
    return 10 * math.log10(data_range**2 / error) if error else math.inf


def ssim(
    truth: Float[np.ndarray, "H W *C"],
    estimate: Float[np.ndarray, "H W *C"],
    data_range: float = 1.0,
) -> float:
    """Structural similarity with a uniform 7 x 7 window, averaged over pixels and channels.

    Parameters
    ----------
    truth, estimate : float arrays of one shape, (H, W) or (H, W, C), with H, W >= 7
    data_range : float
        The largest possible value less the smallest.

    Returns
    -------
    float
        At most 1, which it is where the two are equal.

    References
    ----------
    Wang, Bovik, Sheikh and Simoncelli, "Image quality assessment", IEEE Transactions on Image
    Processing 13 (2004), as computed by ``skimage.metrics.structural_similarity``.
    """
    _check(truth, estimate)
    if min(np.shape(truth)[:2]) < _SSIM_WINDOW:
        raise ValueError(
            f"ssim: the images are {np.shape(truth)[:2]}; pass sides of at least {_SSIM_WINDOW}"
        )
    return float(
        structural_similarity(
            np.asarray(truth, np.float64),
            np.asarray(estimate, np.float64),
            win_size=_SSIM_WINDOW,
            data_range=data_range,
            channel_axis=-1 if np.ndim(truth) == 3 else None,
        )
    )


def psnr_inside(
    truth: Float[np.ndarray, "..."],
    estimate: Float[np.ndarray, "..."],
    inside: Bool[np.ndarray, "..."],
    data_range: float,
) -> float:
    """Peak signal-to-noise ratio in dB of a part of a signal, an image or a volume.

    Parameters
    ----------
    truth, estimate : float arrays of one shape, with as many axes as `inside` or one for channels
        more
    inside : bool array
        True in the part that is measured.
    data_range : float
        The largest possible value less the smallest.

    Returns
    -------
    float
        ``10 log10(data_range^2 / e)``, e the mean squared error inside, over all channels; infinite
        where the two are equal.
    """
    _check_inside(truth, estimate, inside)
    difference = np.asarray(truth, np.float64)[inside] - np.asarray(estimate, np.float64)[inside]
    error = float(np.mean(difference**2))
    return 10 * math.log10(data_range**2 / error) if error else math.inf


def ssim_inside(
    truth: Float[np.ndarray, "..."],
    estimate: Float[np.ndarray, "..."],
    inside: Bool[np.ndarray, "..."],
    data_range: float,
) -> float:
    """Structural similarity of a part: the mean of its map over the part and over channels.

    Windows are uniform and seven voxels wide along each axis, and reach beyond the part and, as
    reflections, beyond the edges.

    Parameters
    ----------
    truth, estimate, inside, data_range : as for `psnr_inside`
        With sides of at least 7.

    Returns
    -------
    float
        At most 1, which it is where the two are equal.
    """
    _check_inside(truth, estimate, inside)
    if min(inside.shape) < _SSIM_WINDOW:
        raise ValueError(
            f"ssim_inside: the sides are {inside.shape}; pass sides of at least {_SSIM_WINDOW}"
        )
    _, similarity = structural_similarity(
        np.asarray(truth, np.float64),
        np.asarray(estimate, np.float64),
        win_size=_SSIM_WINDOW,
        data_range=data_range,
        channel_axis=-1 if truth.ndim > inside.ndim else None,
        full=True,
    )
    return float(similarity[inside].mean())


def _check_inside(truth, estimate, inside):
    if truth.shape != estimate.shape or inside.shape != truth.shape[: inside.ndim]:
        raise ValueError(
            f"truth is {truth.shape}, estimate {estimate.shape} and inside {inside.shape}; pass "
            "equal shapes"
        )
    if not inside.any():
        raise ValueError("inside is False everywhere: there is nothing to measure")


def _check(truth: np.ndarray, estimate: np.ndarray) -> None:
    for name, array in (("truth", truth), ("estimate", estimate)):
        # Integers would be compared on [0, 255] with a range of 1, and a wrong number returned.
        if not np.issubdtype(np.asarray(array).dtype, np.floating):
            raise ValueError(
                f"{name} has dtype {np.asarray(array).dtype}; "
                "pass floating point values in [0, 1] (ntkmc.images.as_float)"
            )
    if np.shape(truth) != np.shape(estimate):
        raise ValueError(
            f"truth is {np.shape(truth)} and estimate {np.shape(estimate)}; pass equal shapes"
        )
    if np.ndim(truth) not in (2, 3):
        raise ValueError(f"truth is {np.shape(truth)}; pass an image, (H, W) or (H, W, C)")
