"""Image files in, arrays out, and back.

An image is an array (H, W) of greys, or (H, W, C) with C = 2 (grey, alpha), 3 (RGB) or 4 (RGB,
alpha). As a file it holds 8 or 16 bits a value, and it is read as it is stored: ``as_float`` gives
values in [0, 1], and ``write_image`` takes either.
"""

import warnings
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float, Integer
from PIL import Image, ImageOps, UnidentifiedImageError

Pixels = Integer[np.ndarray, "H W *C"] | Float[np.ndarray, "H W *C"]

_KEPT_MODES = ("L", "LA", "RGB", "RGBA")
_PNG_HEADER = 26  # bytes: signature, length, "IHDR", width, height, then bit depth and colour type


def keep_observed(image: np.ndarray, mask: Bool[np.ndarray, "H W"], otherwise=0) -> np.ndarray:
    """The image (H, W) or (H, W, C) where the mask is True, ``otherwise`` where it is not."""
    return np.where(mask.reshape(mask.shape + (1,) * (image.ndim - 2)), image, otherwise)


def read_image(path: str | Path) -> Integer[np.ndarray, "H W *C"]:
    """The pixels of a PNG, JPEG or other image file, uint8 or (16-bit greys) uint16.

    A photograph is turned the way its EXIF tag says; a palette becomes RGB, or RGB and alpha.
    16-bit *colour* is read with 8 bits, which is all that Pillow can, with a warning.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If it is not an image.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"no image at {path}")
    try:
        with Image.open(path) as opened:
            image = ImageOps.exif_transpose(opened)
            image.load()
    except (UnidentifiedImageError, OSError) as error:
        raise ValueError(f"{path} cannot be read as an image: {error}") from None
    if image.mode.startswith("I"):
        return _sixteen_bits(np.asarray(image), path)
    if _is_deep_colour(path):
        warnings.warn(f"{path} has 16 bits a colour; 8 of them are read", stacklevel=2)
    if image.mode not in _KEPT_MODES:
        image = image.convert(_nearest_mode(image))
    return np.array(image)


def read_mask(path: str | Path) -> Bool[np.ndarray, "H W"]:
    """A mask from an image file: True (observed) where it is lighter than mid-grey."""
    image = as_float(read_image(path))
    grey = image if image.ndim == 2 else image[..., : 3 if image.shape[2] > 2 else 1].mean(axis=2)
    return grey > 0.5


def write_image(path: str | Path, image: Pixels, bits: int = 8) -> None:
    """Write an image in the format that the file's name ends in.

    Parameters
    ----------
    path : path
        Its folder is made if it does not exist.
    image : array (H, W) or (H, W, C)
        Integers are written as they are. Floats are clipped to [0, 1] and rounded.
    bits : {8, 16}
        A value, for floats. 16 is for greys only, which is what Pillow can write.
    """
    path = Path(path)
    image = np.asarray(image)
    if np.issubdtype(image.dtype, np.floating):
        rounded = np.rint(np.clip(image, 0, 1).astype(np.float64) * (2**bits - 1))
        image = rounded.astype(f"uint{bits}")
    if image.ndim == 3 and image.shape[2] == 1:
        image = image[..., 0]
    if image.dtype == np.uint16 and image.ndim == 3:
        raise ValueError("16 bits a value can be written for greys only; pass bits=8")
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        Image.fromarray(image).save(path)
    except (KeyError, ValueError, OSError) as error:
        raise ValueError(f"{path} cannot be written: {error}") from None


def as_float(image: Pixels, dtype: type = np.float64) -> Float[np.ndarray, "H W *C"]:
    """Values in [0, 1]: integers divided by the largest of their type, floats as they are."""
    image = np.asarray(image)
    if np.issubdtype(image.dtype, np.floating):
        return image.astype(dtype, copy=False)
    if image.dtype == bool:
        return image.astype(dtype)
    return (image / np.iinfo(image.dtype).max).astype(dtype)


def _sixteen_bits(image: np.ndarray, path: Path) -> np.ndarray:
    if image.min() < 0 or image.max() > np.iinfo(np.uint16).max:
        raise ValueError(f"{path} holds 32-bit integers; pass an image of 8 or 16 bits")
    return image.astype(np.uint16)


def _nearest_mode(image: Image.Image) -> str:
    if image.mode == "1":
        return "L"
    return "RGBA" if image.has_transparency_data else "RGB"


def _is_deep_colour(path: Path) -> bool:
    with open(path, "rb") as file:
        header = file.read(_PNG_HEADER)
    return header[1:4] == b"PNG" and header[24] == 16 and header[25] != 0
