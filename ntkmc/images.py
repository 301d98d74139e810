"""Image files in, arrays out, and back.

An image is an array (H, W) of greys, or (H, W, C) with C = 2 (grey, alpha), 3 (RGB) or 4 (RGB,
alpha), of the type that its file stores: 8 or 16 bits in photographs, whose values in [0, 1]
``as_float`` gives; 32-bit or signed integers or floats in a TIFF, in units of their own, NaN where
there is no value.
"""

import struct
import warnings
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float, Integer
from PIL import Image, ImageOps, UnidentifiedImageError
from tifffile import TiffFileError

from ntkmc import _tiff

Pixels = Integer[np.ndarray, "H W *C"] | Float[np.ndarray, "H W *C"]

PHOTOGRAPHIC = (np.uint8, np.uint16)

# Channels of 8 bits that a format holds, and whether it holds greys of 16; TIFF holds all.
_HELD = {
    ".png": ((1, 2, 3, 4), True),
    ".jp2": ((1, 2, 3, 4), True),
    ".webp": ((1, 2, 3, 4), False),
    ".tga": ((1, 2, 3, 4), False),
    ".jpg": ((1, 3), False),
    ".jpeg": ((1, 3), False),
    ".bmp": ((1, 3), False),
    ".ppm": ((1, 3), True),
    ".pgm": ((1,), True),
    ".gif": ((1,), False),
}
PICTURES = (*_HELD, *_tiff.SUFFIXES)  # endings of names that images are written under
_UNREADABLE = (
    UnidentifiedImageError,
    TiffFileError,
    OSError,
    ValueError,
    IndexError,
    struct.error,
)
_KEPT_MODES = ("L", "LA", "RGB", "RGBA")
_WITH_ALPHA = {"1": "LA", "L": "LA"}
_PNG_HEADER = 26  # bytes: signature, length, "IHDR", width, height, then bit depth and colour type


def keep_observed(image: np.ndarray, mask: Bool[np.ndarray, "..."], otherwise=0) -> np.ndarray:
    """The image where the mask is True, ``otherwise`` where it is not.

    (H, W) or (H, W, C), the mask (H, W); a volume has more axes, and as many has its mask.
    """
    return np.where(mask.reshape(mask.shape + (1,) * (image.ndim - mask.ndim)), image, otherwise)


def read_image(path: str | Path) -> Pixels:
    """The pixels of a PNG, JPEG, TIFF or other image file, as they are stored.

    uint8, uint16 for 16-bit greys, and for a TIFF any integer or floating type. A photograph is
    turned the way its EXIF tag says; a palette becomes RGB, or RGB and alpha, and a colour that
    stands for transparent becomes an alpha channel. 16-bit *colour* is read with 8 bits unless it
    is a TIFF, and of several pages the first, with a warning. What GDAL's tag says is no data in a
    raster is NaN (which makes floats of signed integers).

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
        pixels = _tiff.read(path) if _tiff.is_tiff(path) else None
        if pixels is not None:
            return pixels
        with Image.open(path) as opened:
            frames, format_ = getattr(opened, "n_frames", 1), opened.format
            image = ImageOps.exif_transpose(opened)
            image.load()
    except _UNREADABLE as error:
        raise ValueError(f"{path} cannot be read as an image: {error}") from None
    # A phone's pictures have a second, small one; the pages of a TIFF were told above.
    if frames > 1 and format_ not in ("MPO", "TIFF"):
        warnings.warn(f"{path} has {frames} pictures; the first is read", stacklevel=2)
    if image.mode == "F":
        return np.array(image)
    if image.mode.startswith("I"):
        return _sixteen_bits(image, path)
    if _is_deep_colour(path):
        warnings.warn(f"{path} has 16 bits a colour; 8 of them are read", stacklevel=2)
    if image.mode not in _KEPT_MODES or "transparency" in image.info:
        image = image.convert(_nearest_mode(image))
    return np.array(image)


def read_mask(path: str | Path) -> Bool[np.ndarray, "H W"]:
    """A mask from an image file: True (observed) where it is lighter than half its lightest pixel.

    White may be 1 as well as 255 or 1.0; NaN is not observed.
    """
    image = np.nan_to_num(read_image(path).astype(np.float64))
    grey = image if image.ndim == 2 else image[..., : 3 if image.shape[2] > 2 else 1].mean(axis=2)
    return grey > grey.max() / 2


def holds(path: str | Path, dtype, channels: int = 1) -> bool:
    """Whether the format that a file's name ends in holds such pixels as they are."""
    suffix, dtype = Path(path).suffix.lower(), np.dtype(dtype)
    if suffix in _tiff.SUFFIXES:
        return dtype.kind in "fiu" and channels <= 4
    channels_held, greys_of_16_bits = _HELD.get(suffix, ((), False))
    if dtype == np.uint16:
        return greys_of_16_bits and channels == 1
    return dtype == np.uint8 and channels in channels_held


def require_held(path: str | Path, dtype, channels: int = 1) -> None:
    """Refuse a file name whose format does not hold such pixels.

    Raises
    ------
    ValueError
        Naming the formats that do.
    """
    if holds(path, dtype, channels):
        return
    others = [suffix for suffix in PICTURES if holds(f"a{suffix}", dtype, channels)]
    kinds = {1: "greys", 2: "greys with alpha", 3: "RGB", 4: "RGB with alpha"}
    remedy = (
        f"a name that ends in {' or '.join(others)}" if others else "1 to 4 channels of numbers"
    )
    raise ValueError(
        f"{path} cannot be written: {Path(path).suffix or 'a name without ending'} does not hold "
        f"{kinds.get(channels, f'{channels} channels')} of type {np.dtype(dtype)}; pass {remedy}"
    )


def write_image(path: str | Path, image: Pixels, bits: int | None = None) -> None:
    """Write an image in the format that the file's name ends in.

    Parameters
    ----------
    path : path
        Its folder is made if it does not exist.
    image : array (H, W) or (H, W, C)
        Integers are written as they are, and floats in a TIFF. Where floats become integers they
        are clipped to [0, 1] and rounded.
    bits : {8, 16}, optional
        A value, for floats that become integers: in a TIFF where it is given, elsewhere 8 where it
        is not.

    Raises
    ------
    ValueError
        If the format does not hold such pixels, or NaN would have to become an integer.
    """
    path = Path(path)
    image = np.asarray(image)
    if image.ndim == 3 and image.shape[2] == 1:
        image = image[..., 0]
    channels = 1 if image.ndim == 2 else image.shape[2]
    if image.dtype.kind == "f" and not (bits is None and holds(path, image.dtype)):
        bits = bits or 8
        require_held(path, f"uint{bits}", channels)
        if np.isnan(image).any():
            raise ValueError(f"{path} cannot be written: the image has NaN, which .tif holds")
        rounded = np.rint(np.clip(image, 0, 1).astype(np.float64) * (2**bits - 1))
        image = rounded.astype(f"uint{bits}")
    require_held(path, image.dtype, channels)
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        if path.suffix.lower() in _tiff.SUFFIXES and image.dtype != np.uint8:
            _tiff.write(path, image)
        else:
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


def _sixteen_bits(image: Image.Image, path: Path) -> np.ndarray:
    grey, most = np.asarray(image), np.iinfo(np.uint16).max
    if grey.min() < 0 or grey.max() > most:
        raise ValueError(f"{path} holds 32-bit integers; pass them as a TIFF")
    if "transparency" in image.info:
        grey = np.dstack([grey, np.where(grey == image.info["transparency"], 0, most)])
    return grey.astype(np.uint16)


def _nearest_mode(image: Image.Image) -> str:
    if image.has_transparency_data:
        return _WITH_ALPHA.get(image.mode, "RGBA")
    return "L" if image.mode == "1" else "RGB"


def _is_deep_colour(path: Path) -> bool:
    with open(path, "rb") as file:
        header = file.read(_PNG_HEADER)
    return header[1:4] == b"PNG" and header[24] == 16 and header[25] != 0
