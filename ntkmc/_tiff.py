"""TIFF files of more than 8 bits a value, as rasters of heights or temperatures are stored.

Pillow reads and writes few of them; tifffile all, but for compressions that it leaves to another
package and Pillow has.
"""

import warnings
from pathlib import Path

import numpy as np
import tifffile
from jaxtyping import Float, Integer
from PIL import Image

SUFFIXES = (".tif", ".tiff")
_SIGNATURES = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_ALPHA = (1, 2)  # among the kinds of extra samples
_TURNED = {  # by the tag "Orientation"
    2: lambda pixels: pixels[:, ::-1],
    3: lambda pixels: pixels[::-1, ::-1],
    4: lambda pixels: pixels[::-1],
    5: lambda pixels: pixels.swapaxes(0, 1),
    6: lambda pixels: np.rot90(pixels, -1),
    7: lambda pixels: pixels[::-1, ::-1].swapaxes(0, 1),
    8: lambda pixels: np.rot90(pixels),
}


def is_tiff(path: Path) -> bool:
    """Whether a file begins as a TIFF does."""
    with open(path, "rb") as file:
        return file.read(4) in _SIGNATURES


def read(path: Path) -> Integer[np.ndarray, "H W *C"] | Float[np.ndarray, "H W *C"] | None:
    """The pixels of a TIFF, of the type that is stored; None where Pillow is to read it.

    That is where there are 8 bits a value or fewer: Pillow knows palettes and inks.

    Where GDAL's tag names a value that stands for no data, floats have NaN there. So have signed
    integers, which become floats that hold them exactly.

    Raises
    ------
    ValueError
        If it holds other than greys or three colours, with alpha or without, or is compressed in a
        way that cannot be read.
    """
    with tifffile.TiffFile(path) as file:
        page = file.pages.first
        whole = sum(isinstance(p, tifffile.TiffPage) and not p.is_reduced for p in file.pages)
        if whole > 1:
            warnings.warn(f"{path} has {whole} pages; the first is read", stacklevel=3)
        if page.dtype in (np.uint8, bool) and not _pillow_scrambles(page):
            return None
        _check_bands(page)
        pixels = _decoded(page, path)
        if page.axes == "SYX":
            pixels = np.moveaxis(pixels, 0, -1)
        tags = {tag.name: tag.value for tag in page.tags}
    if tags.get("Orientation") in _TURNED:
        pixels = np.ascontiguousarray(_TURNED[tags["Orientation"]](pixels))
    return _with_gaps(pixels, tags.get("GDAL_NODATA", ""))


def write(path: Path, image: np.ndarray) -> None:
    """Write an image (H, W) or (H, W, C) as it is, uncompressed."""
    channels = 1 if image.ndim == 2 else image.shape[2]
    tifffile.imwrite(
        path,
        image,
        photometric="rgb" if channels > 2 else "minisblack",
        planarconfig="contig" if image.ndim == 3 else None,
        extrasamples=["unassalpha"] if channels in (2, 4) else None,
        metadata=None,
    )


def _pillow_scrambles(page):
    """Pillow (13.0) mistakes height for width where uncompressed pixels lie on their side."""
    orientation = page.tags.get("Orientation")
    plain = page.compression == 1 and page.photometric in (1, 2)
    return plain and orientation is not None and orientation.value > 4


def _decoded(page, path):
    try:
        return page.asarray()
    except (ValueError, NotImplementedError, ImportError):
        # Pillow would read colours with 8 bits, and doubles not at all.
        if page.samplesperpixel > 1 or page.dtype.itemsize > 4:
            raise
    with Image.open(path) as opened:
        return np.asarray(opened).astype(page.dtype)


def _check_bands(page):
    samples = page.samplesperpixel
    alpha = samples in (2, 4) and page.extrasamples[-1:] and page.extrasamples[-1] in _ALPHA
    if page.dtype.kind not in "fiu" or page.axes not in ("YX", "YXS", "SYX"):
        raise ValueError(f"it holds {page.dtype} along {page.axes}; pass H x W real numbers")
    if samples not in (1, 3) and not alpha:
        raise ValueError(
            f"it has {samples} bands; pass greys or three colours, with an alpha channel or without"
        )


def _with_gaps(pixels, text):
    try:
        missing = pixels == float(text)
    except ValueError:
        return pixels
    if pixels.dtype.kind == "u" or not missing.any():
        return pixels
    return np.where(missing, np.nan, pixels).astype(np.result_type(pixels, np.float32))
