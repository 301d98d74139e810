"""What `inpaint` refuses before it works: images, masks and settings that cannot be meant."""

import numbers

import numpy as np

from ntkmc.architecture import Parallel, Sequential
from ntkmc.kernels import GridKernel
from ntkmc.priors import IIDPrior
from ntkmc.solvers.result import check_ridge, check_rtol


def check_image(image) -> np.ndarray:
    """The image as an array (H, W) or (H, W, C) of integers or floats."""
    image = np.asarray(image)
    if image.ndim not in (2, 3) or 0 in image.shape:
        raise ValueError(f"image has shape {image.shape}; expected (H, W) or (H, W, channels)")
    if not (np.issubdtype(image.dtype, np.floating) or np.issubdtype(image.dtype, np.integer)):
        raise ValueError(f"image has dtype {image.dtype}; expected an integer or floating type")
    return image


def check_mask(mask, image) -> np.ndarray:
    """The mask as booleans (H, W), by default True where the image is not NaN."""
    size = image.shape[:2]
    finite = np.isfinite(image).reshape(*size, -1)
    if mask is None:
        if np.isinf(image).any():
            raise ValueError("image has infinite pixels; mark missing ones as NaN, or pass a mask")
        mask = finite.all(axis=-1)
        if mask.all():
            raise ValueError(
                "mask was None and the image has no NaN: pass a mask, True where observed"
            )
    mask = np.asarray(mask)
    if mask.shape != size:
        raise ValueError(f"mask has shape {mask.shape}; expected {size}, that of the image")
    mask = mask != 0
    if not mask.any():
        raise ValueError("nothing is observed: the mask is False (or the image NaN) everywhere")
    if mask.all():
        raise ValueError("nothing is missing: the mask is True everywhere (True means observed)")
    wrong = mask & ~finite.all(axis=-1)
    if wrong.any():
        row, column = np.argwhere(wrong)[0]
        raise ValueError(
            f"{int(wrong.sum())} observed pixels are not finite, the first at ({row}, {column}): "
            "mask them out"
        )
    return mask


def check_settings(network, prior, ridge, rtol, margin: int | None, kernel):
    """Refuse what would only be noticed in the middle of the work, or never."""
    named = isinstance(network, str) and network == "auto"
    if not (network is None or named or isinstance(network, Sequential | Parallel)):
        raise ValueError(
            f"network was {network!r}; pass 'auto', or a Sequential or Parallel, such as "
            "autoencoder(6)"
        )
    made = isinstance(prior, str) and prior == "image"
    if not (made or isinstance(prior, IIDPrior)) and np.ndim(prior) != 3:
        raise ValueError(
            f"prior was a {type(prior).__name__} of shape {np.shape(prior)}; pass features "
            "(channels, H, W), a prior with independent entries, such as IIDUniform(0, 0.1), or "
            "'image'"
        )
    if ridge is not None:
        check_ridge(ridge)
    check_rtol(rtol)
    if margin is not None and not (isinstance(margin, numbers.Integral) and margin >= 0):
        raise ValueError(f"margin was {margin!r}; pass a whole number of pixels, at least 0")
    if kernel is not None and not isinstance(kernel, GridKernel):
        raise ValueError(f"kernel was a {type(kernel).__name__}; pass a GridKernel")
