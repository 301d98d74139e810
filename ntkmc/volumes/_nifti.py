"""NIfTI files: the numbers, the header and the affine as they were."""

import struct
import zlib
from pathlib import Path

import numpy as np

from ntkmc.volumes._medical import require
from ntkmc.volumes.volume import Stored, Volume, check_values

SUFFIXES = (".nii.gz", ".nii")
_UNREADABLE = (OSError, EOFError, ValueError, TypeError, zlib.error, struct.error)
# DICOM's axes are slices, rows, columns. In NIfTI the order is customarily the other way round, and
# a program that draws masks may take it for granted.
_REVERSED = [2, 1, 0, 3]


def is_named(path: Path) -> bool:
    """Whether the name is that of a NIfTI file."""
    return path.name.lower().endswith(SUFFIXES)


def read(path: Path) -> Volume:
    """See ``read_volume``."""
    nibabel = require("nibabel", "NIfTI")
    unreadable = (
        *_UNREADABLE,
        nibabel.filebasedimages.ImageFileError,
        nibabel.spatialimages.HeaderDataError,
        nibabel.spatialimages.ImageDataError,
    )
    try:
        image = nibabel.load(path)
        if not isinstance(image, nibabel.Nifti1Image):
            raise ValueError(f"it is a {type(image).__name__}")
        # A copy: the file may be written to.
        array = np.array(image.dataobj.get_unscaled())
    except unreadable as error:
        raise ValueError(f"{path} cannot be read as NIfTI: {_line(error)}") from None
    check_values(array, str(path), channels=None)
    header = image.header
    slope, intercept = float(image.dataobj.slope), float(image.dataobj.inter)
    stored = Stored(array.astype(array.dtype.newbyteorder("="), copy=False), slope, intercept)
    placed = header["sform_code"] > 0 or header["qform_code"] > 0
    first, second, third = (float(side) for side in header.get_zooms()[:3])
    return Volume(
        stored.values(),
        (first, second, third) if 0 < min(first, second, third) < np.inf else None,
        path,
        "NIfTI",
        affine=np.asarray(image.affine, np.float64) if placed else None,
        _stored=stored,
        _header=(type(image), header.copy()),
    )


def write(path: Path, values: np.ndarray, like: Volume) -> None:
    """See ``write_volume``."""
    nibabel = require("nibabel", "NIfTI")
    stored, affine = like.numbers(values), like.affine
    array = stored.array.astype(np.uint8) if stored.array.dtype == bool else stored.array
    if like.format == "DICOM":
        array, affine = array.transpose(2, 1, 0), None if affine is None else affine[:, _REVERSED]
    if like.format == "NIfTI":
        make, header = like._header
        header = header.copy()
        if array.dtype != header.get_data_dtype().newbyteorder("="):
            header["cal_min"] = header["cal_max"] = 0  # the range to show is that of other values
        header.set_data_dtype(array.dtype)
    else:
        make, header = nibabel.Nifti1Image, nibabel.Nifti1Header()
        header.set_data_dtype(array.dtype)
        header.set_xyzt_units("mm" if like.spacing else "unknown")
    image = make(array, affine, header)
    if like.format != "NIfTI" and affine is None and like.spacing is not None:
        image.header.set_zooms(like.spacing[::-1] if like.format == "DICOM" else like.spacing)
    image.header.set_slope_inter(stored.slope, stored.intercept)
    nibabel.save(image, path)


def holds(values_dtype: np.dtype) -> bool:
    """Whether NIfTI has such a type."""
    return values_dtype.kind in "iub" or values_dtype in (np.float32, np.float64)


def as_dicom(mask: Volume) -> Volume:
    """The axes of a NIfTI file in the order that a DICOM volume has them."""
    values = mask.values.transpose(2, 1, 0, *range(3, mask.values.ndim))
    affine = None if mask.affine is None else mask.affine[:, _REVERSED]
    return Volume(values, None, mask.source, mask.format, affine=affine)


def _line(error):
    return " ".join(str(error).split())
