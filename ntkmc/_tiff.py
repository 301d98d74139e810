"""TIFF files of more than 8 bits a value, as rasters of heights or temperatures are stored.

Pillow reads and writes few of them; tifffile all, but for compressions that it leaves to another
package and Pillow has.
"""

import struct
import warnings
from pathlib import Path

import numpy as np
import tifffile
from jaxtyping import Float, Integer
from PIL import Image

SUFFIXES = (".tif", ".tiff")
_SIGNATURES = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_ALPHA = (1, 2)  # among the kinds of extra samples
_GREY_OR_RGB = (1, 2)  # among the kinds of photometric interpretation
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
        page, whole = file.pages.first, len(_whole_pages(file))
        if whole > 1:
            warnings.warn(f"{path} has {whole} pages; the first is read", stacklevel=3)
        if page.dtype in (np.uint8, bool) and not _pillow_scrambles(page):
            return None
        return _pixels(page, path)


def is_stack(path: Path) -> bool:
    """Whether a TIFF has several pages of one size and type, that are not smaller copies."""
    with tifffile.TiffFile(path) as file:
        pages = _whole_pages(file)
        return len(pages) > 1 and len({(page.shape, page.dtype) for page in pages}) == 1


def read_stack(path: Path) -> np.ndarray:
    """The pages of a TIFF, (pages, H, W) or (pages, H, W, C), of the type that is stored.

    One bit a value is 0 and 255, as in images.

    Raises
    ------
    ValueError
        If pages are no images of greys or three colours, cannot be read, or are a stack of stacks.
    """
    try:
        with tifffile.TiffFile(path) as file:
            pages = _whole_pages(file)  # before the series, which makes less of them
            axes = file.series[0].axes.replace("S", "")
            if len(axes) > 3 and (file.is_imagej or file.is_ome or file.is_shaped):
                raise ValueError(
                    f"its pages are a hyperstack, of axes {axes}; pass one stack, or a .npy file"
                )
            stack = np.stack([_stack_page(page, path) for page in pages])
    except (tifffile.TiffFileError, OSError, ValueError, IndexError, struct.error) as error:
        raise ValueError(f"{path} cannot be read as a volume: {error}") from None
    return stack


def write(path: Path, image: np.ndarray) -> None:
    """Write an image (H, W) or (H, W, C) as it is, uncompressed."""
    write_stack(path, image[None])


def write_stack(path: Path, pages: np.ndarray) -> None:
    """Write pages (pages, H, W) or (pages, H, W, C) as they are, uncompressed."""
    channels = 1 if pages.ndim == 3 else pages.shape[3]
    # Offsets of 32 bits reach 4 GiB.
    with tifffile.TiffWriter(path, bigtiff=pages.nbytes > 2**32 - 2**25) as file:
        for page in pages:
            file.write(
                page,
                photometric="rgb" if channels > 2 else "minisblack",
                planarconfig="contig" if page.ndim == 3 else None,
                extrasamples=["unassalpha"] if channels in (2, 4) else None,
                metadata=None,
            )


def _whole_pages(file):
    return [p for p in file.pages if isinstance(p, tifffile.TiffPage) and not p.is_reduced]


def _stack_page(page, path):
    if page.photometric not in _GREY_OR_RGB:
        raise ValueError("its pages are palettes, inks or negatives; pass greys or three colours")
    return _pixels(page, path)


def _pixels(page, path):
    """Of one page, turned as it says, with NaN where it says that there is nothing."""
    _check_bands(page)
    pixels = _decoded(page, path)
    if page.axes == "SYX":
        pixels = np.moveaxis(pixels, 0, -1)
    if pixels.dtype == bool:
        pixels = np.where(pixels, np.uint8(255), np.uint8(0))
    tags = {tag.name: tag.value for tag in page.tags}
    if tags.get("Orientation") in _TURNED:
        pixels = np.ascontiguousarray(_TURNED[tags["Orientation"]](pixels))
    return _with_gaps(pixels, tags.get("GDAL_NODATA", ""))


def _pillow_scrambles(page):
    """Pillow (13.0) mistakes height for width where uncompressed pixels lie on their side."""
    orientation = page.tags.get("Orientation")
    plain = page.compression == 1 and page.photometric in _GREY_OR_RGB
    return plain and orientation is not None and orientation.value > 4


def _decoded(page, path):
    try:
        return page.asarray()
    except (ValueError, NotImplementedError, ImportError):
        # Pillow would read colours with 8 bits, and doubles not at all.
        if page.samplesperpixel > 1 or page.dtype.itemsize > 4:
            raise
    with Image.open(path) as opened:
        opened.seek(page.index)
        return np.asarray(opened).astype(page.dtype)


def _check_bands(page):
    samples = page.samplesperpixel
    alpha = samples in (2, 4) and page.extrasamples[-1:] and page.extrasamples[-1] in _ALPHA
    if page.dtype.kind not in "fiub" or page.axes not in ("YX", "YXS", "SYX"):
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
