"""What `inpaint` refuses before it works: images, masks and settings that cannot be meant."""

import numbers

import numpy as np

from ntkmc.architecture import Parallel, Sequential
from ntkmc.kernels import GridKernel, covers
from ntkmc.priors import IIDPrior
from ntkmc.solvers.result import check_ridge, check_rtol

CHANNELS = 4  # of a picture, at most


def channels_last(image, channel_axis: int | None) -> np.ndarray:
    """The image with its channels, if an axis is named for them, last."""
    image = np.asarray(image)
    if channel_axis is None:
        return image
    whole = isinstance(channel_axis, numbers.Integral) and not isinstance(channel_axis, bool)
    if not whole or not -image.ndim <= channel_axis < image.ndim or image.ndim < 2:
        raise ValueError(
            f"channel_axis was {channel_axis!r} and the image has shape {image.shape}; pass the "
            "number of one of its axes"
        )
    return np.moveaxis(image, channel_axis, -1)


def channels_back(image: np.ndarray, channel_axis: int | None) -> np.ndarray:
    """Channels that are last to where they were."""
    return image if channel_axis is None else np.moveaxis(image, -1, channel_axis)


def check_image(image: np.ndarray, axes: int, channel_axis: int | None) -> np.ndarray:
    """The image, of integers or floats with so many axes, or one more for channels."""
    allowed = (axes, axes + 1) if channel_axis is None else (axes + 1,)
    if image.ndim not in allowed or 0 in image.shape:
        wanted = f"{axes} axes as its mask has, or one more"
        if axes == 2:
            wanted = "(H, W) or (H, W, channels)"
        if channel_axis is not None:
            wanted = f"{axes} axes as its mask has, and that of channels"
        raise ValueError(f"image has shape {image.shape}; expected {wanted}")
    if axes == image.ndim == 3 and image.shape[2] <= CHANNELS:
        raise ValueError(
            f"the mask has three axes and the image has shape {image.shape}: if the last are "
            "channels, pass a mask (H, W) of pixels; a volume has more than four slices"
        )
    if not (np.issubdtype(image.dtype, np.floating) or np.issubdtype(image.dtype, np.integer)):
        raise ValueError(f"image has dtype {image.dtype}; expected an integer or floating type")
    return image


def check_mask(mask, image, axes: int) -> np.ndarray:
    """The mask as booleans, by default True where the image is not NaN in any channel."""
    size = image.shape[:axes]
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
        first = tuple(np.argwhere(wrong)[0].tolist())
        raise ValueError(
            f"{int(wrong.sum())} observed pixels are not finite, the first at {first}: mask them "
            "out"
        )
    return mask


def check_settings(network, prior, ridge, rtol, margin: int | None, kernel, axes: int):
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
    if axes != 2 and not (isinstance(prior, IIDPrior) and kernel is None):
        raise ValueError(
            f"the mask has {axes} axes; features, kernels made before and priors made of the image "
            "are for pictures, with two: leave prior and kernel out"
        )
    if axes != 2 and not (network is None or named or covers(network, axes)):
        raise ValueError(
            f"the mask has {axes} axes, and the network no PeriodicKernel, the only one for these: "
            "pass one of circular convolutions, such as autoencoder(3)"
        )
    if ridge is not None:
        check_ridge(ridge)
    check_rtol(rtol)
    if margin is not None and not (isinstance(margin, numbers.Integral) and margin >= 0):
        raise ValueError(f"margin was {margin!r}; pass a whole number of pixels, at least 0")
    if kernel is not None and not isinstance(kernel, GridKernel):
        raise ValueError(f"kernel was a {type(kernel).__name__}; pass a GridKernel")
