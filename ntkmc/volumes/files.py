"""Volumes from files and into files, whatever their format."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Bool
from tifffile import TiffFileError

from ntkmc import _tiff
from ntkmc.volumes import _dicom, _frames, _nifti
from ntkmc.volumes.volume import GEOMETRIC, Volume, check_values

_NUMPY = ".npy"
_AFFINES_DIFFER = 1e-3  # mm; headers hold floats of 32 bits
_ENDINGS = ".nii.gz, .nii, .npy or .tif, or a folder for frames"


def is_volume(path: str | Path) -> bool:
    """Whether a path is that of a volume and not of an image.

    A folder; a name that ends in .nii, .nii.gz, .dcm or .npy; a DICOM file of any name; or a TIFF
    of several pages of one size and type.
    """
    path = Path(path)
    if path.is_dir() or _is_named(path):
        return True
    return path.is_file() and (_dicom.is_dicom(path) or _is_stack(path))


def read_volume(path: str | Path) -> Volume:
    """A volume from a file or a folder.

    NIfTI, and DICOM in a file or a folder of the slices of one series, by the extra ``medical``;
    a .npy file of three axes, or four with at most four channels; a TIFF of several pages; or a
    folder of pictures, the frames of a video. Slices that a DICOM series lacks, and frames that the
    numbering of the names skips, are in `Volume.absent`.

    Raises
    ------
    FileNotFoundError
    ValueError
        If it is no volume, or none that can be read.
    ImportError
        If a package to read it is not installed.
    """
    path = Path(path)
    if path.is_dir():
        if _dicom.slices_in(path):
            return _dicom.read(path)
        if _frames.pictures(path):
            return _frames.read(path)
        raise ValueError(f"{path} holds no volume: neither DICOM slices nor pictures for frames")
    if not path.is_file():
        raise FileNotFoundError(f"no volume at {path}")
    if _nifti.is_named(path):
        return _nifti.read(path)
    if path.suffix.lower() == _NUMPY:
        return _read_numpy(path)
    if path.suffix.lower() in _dicom.SUFFIXES or _dicom.is_dicom(path):
        return _dicom.read(path)
    if _is_stack(path):
        return Volume(_tiff.read_stack(path), None, path, "TIFF")
    raise ValueError(
        f"{path} is no volume; pass a NIfTI, DICOM or .npy file, a TIFF of several pages, or a "
        "folder of slices or frames"
    )


def read_volume_mask(path: str | Path, volume: Volume) -> Bool[np.ndarray, "A B C"]:
    """Where a mask says that a volume is observed: where it is not zero.

    Frames are pictures, observed where they are lighter than half their lightest pixel. A NIfTI
    mask of a DICOM volume has its axes in the order in which NIfTI has that volume.

    Raises
    ------
    ValueError
        If the mask has another shape than the volume, more than three axes, or lies elsewhere.
    """
    mask = read_volume(path)
    if volume.format == "DICOM" and mask.format == "NIfTI":
        mask = _nifti.as_dicom(mask)
    values = mask.values
    if mask.format == "frames":
        grey = values if values.ndim == 3 else values[..., :3].mean(axis=3)
        values = grey > grey.max() / 2
    elif values.ndim == 4 and values.shape[3] == 1:
        values = values[..., 0]
    if values.shape != volume.shape:
        extra = "; channels have one mask" if values.ndim == 4 else ""
        raise ValueError(
            f"{path} has shape {values.shape}; pass a mask of shape {volume.shape}, as "
            f"{volume.source} has{extra}"
        )
    if mask.affine is not None and volume.affine is not None:
        off = abs(mask.affine - volume.affine).max()
        if off > _AFFINES_DIFFER:
            raise ValueError(
                f"{path} lies elsewhere than {volume.source}: its affine differs by up to "
                f"{off:.3g} mm; resample the mask to the grid of the volume"
            )
    return np.nan_to_num(values) != 0


def write_volume(path: str | Path, values: np.ndarray, like: Volume) -> None:
    """Write values in the format that the name ends in; a folder of frames where it has no ending.

    Parameters
    ----------
    path : path
        Its folder is made if it does not exist.
    values : (A, B, C) or (A, B, C, channels)
        Of the volume's type, they are stored as its file stores them, in integers with the same
        slope and intercept, say; of another type, as they are.
    like : Volume
        Where they belong: its header and affine are written where the format has them. Of DICOM the
        place in space is, and nothing else.

    Raises
    ------
    ValueError
        If the format does not hold them, or they are not on the volume's grid. DICOM is not
        written, and what has a place in space only in formats that hold it, or as .npy.
    ImportError
        If a package to write it is not installed.
    """
    path, values = Path(path), np.asarray(values)
    require_writable(path, like, values.dtype, values.shape)
    path.parent.mkdir(parents=True, exist_ok=True)
    if _nifti.is_named(path):
        _nifti.write(path, values, like)
    elif path.suffix.lower() == _NUMPY:
        np.save(path, values)
    elif path.suffix.lower() in _tiff.SUFFIXES:
        _tiff.write_stack(path, values)
    else:
        _frames.write(path, values, like)


def require_writable(path: str | Path, like: Volume, dtype, shape: Sequence[int]) -> None:
    """Raise what ``write_volume`` would raise, before there is anything to write."""
    path, dtype, suffix = Path(path), np.dtype(dtype), Path(path).suffix.lower()
    if tuple(shape[:3]) != like.shape or len(shape) > 4:
        raise ValueError(
            f"values has shape {tuple(shape)}; expected {like.shape}, or one axis more for channels"
        )
    if suffix in _dicom.SUFFIXES:
        raise ValueError(f"{path} cannot be written: pass a name that ends in .nii.gz or .npy")
    if suffix == _NUMPY:
        return
    if _nifti.is_named(path):
        if len(shape) == 4 and like.format != "NIfTI":
            raise ValueError(f"{path} would hold colours; pass a name that ends in .npy or .tif")
        if not _nifti.holds(dtype):
            raise ValueError(f"{path} does not hold {dtype}; pass a name that ends in .npy")
        _nifti.require("nibabel", "NIfTI")
        return
    if suffix and suffix not in _tiff.SUFFIXES and not path.is_dir():
        raise ValueError(f"{path} cannot be written; pass a name that ends in {_ENDINGS}")
    if like.format in GEOMETRIC:
        raise ValueError(
            f"{path} would not say where {like.source} lies in space; pass a name that ends in "
            ".nii.gz or .npy"
        )
    if path.is_dir() or not suffix:
        _frames.require_writable(path, like, dtype, shape)
    else:
        _frames.require_held(path, dtype, _frames.channels_of(shape))


def _is_named(path):
    return _nifti.is_named(path) or path.suffix.lower() in (*_dicom.SUFFIXES, _NUMPY)


def _is_stack(path):
    try:
        return _tiff.is_tiff(path) and _tiff.is_stack(path)
    except (TiffFileError, OSError, ValueError, IndexError):
        return False  # no TIFF after all: to read it as an image says why


def _read_numpy(path):
    try:
        values = np.load(path, allow_pickle=False)
    except (OSError, EOFError, ValueError) as error:
        raise ValueError(f"{path} cannot be read as a NumPy array: {error}") from None
    if not isinstance(values, np.ndarray):
        raise ValueError(f"{path} holds several arrays; pass a file of one")
    values = values.astype(values.dtype.newbyteorder("="), copy=False)
    check_values(values, str(path))
    return Volume(values, None, path, "NumPy")
