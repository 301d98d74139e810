"""DICOM: one file, or a folder of the slices of one series.

Only pixels, what they stand for and where they are is read; nothing of it says whose they are.
"""

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from ntkmc.volumes._dicom_geometry import Frame, arrange, frames_of
from ntkmc.volumes._medical import require
from ntkmc.volumes.volume import Stored, Volume

SUFFIXES = (".dcm",)
_PREAMBLE, _MARK = 128, b"DICM"
_UNREADABLE = (
    OSError,
    EOFError,
    ValueError,
    TypeError,
    KeyError,
    IndexError,
    AttributeError,
    NotImplementedError,
    RuntimeError,
    struct.error,
)


def is_dicom(path: Path) -> bool:
    """Whether a file says that it is DICOM; its name need not."""
    with open(path, "rb") as file:
        file.seek(_PREAMBLE)
        return file.read(len(_MARK)) == _MARK


def slices_in(folder: Path) -> list[Path]:
    """The files in a folder, if any is DICOM."""
    files = [
        path
        for path in sorted(folder.iterdir())
        if path.is_file() and not path.name.startswith(".") and path.name.upper() != "DICOMDIR"
    ]
    return files if any(is_dicom(path) for path in files) else []


def read(source: Path) -> Volume:
    """See ``read_volume``."""
    pydicom = require("pydicom", "DICOM")
    files = slices_in(source) if source.is_dir() else [source]
    # Without pixels first: what is not one series is refused before gigabytes are read.
    frames: list[Frame] = []
    series: dict[str, Path] = {}
    for path in files:
        dataset = _dataset(pydicom, path, among=len(files), stop_before_pixels=True)
        series.setdefault(str(dataset.get("SeriesInstanceUID", "")), path)
        frames += frames_of(dataset, path)
    if len(series) > 1:
        some, other = list(series.values())[:2]
        raise ValueError(
            f"{source} holds {len(series)} series, {some.name} and {other.name} of two of them; "
            "pass a folder with one"
        )
    grid = arrange(frames, source)
    count = max(grid.places) + 1
    array, read_so_far = None, 0
    for path, pixels in _pixels(pydicom, files):
        if array is None:
            array = np.zeros((count, *pixels.shape[1:]), pixels.dtype)
        if pixels.dtype != array.dtype:
            raise ValueError(
                f"{path} holds {pixels.dtype} and {files[0]} {array.dtype}; pass one series"
            )
        array[list(grid.places[read_so_far : read_so_far + len(pixels)])] = pixels
        read_so_far += len(pixels)
    assert array is not None
    values, stored = _scaled(array, frames, grid.places)
    absent = tuple(sorted(set(range(count)) - set(grid.places)))
    return Volume(values, grid.spacing, source, "DICOM", absent, grid.affine, _stored=stored)


def _scaled(array, frames, places):
    scales = {(frame.slope, frame.intercept) for frame in frames}
    if len(scales) == 1:
        stored = Stored(array, *scales.pop())
        return stored.values(), stored
    # Each slice has a scale of its own, as in PET: no one scale writes all of them.
    values = array.astype(np.float64)
    for frame, place in zip(frames, places, strict=True):
        values[place] = values[place] * frame.slope + frame.intercept
    return values, None


def _dataset(pydicom: Any, path: Path, among: int = 1, **options: Any) -> Any:
    try:
        dataset = pydicom.dcmread(path, **options)
    except (*_UNREADABLE, pydicom.errors.InvalidDicomError) as error:
        remedy = "; move it out of the folder of slices" if among > 1 else ""
        raise ValueError(f"{path} cannot be read as DICOM: {_line(error)}{remedy}") from None
    if "Rows" not in dataset or "Columns" not in dataset:
        what = getattr(dataset.get("SOPClassUID"), "name", "no image")
        raise ValueError(f"{path} holds no pixels ({what}); pass images, without what is no image")
    samples, kind = dataset.get("SamplesPerPixel", 1), dataset.get("PhotometricInterpretation", "")
    if samples != 1 or not kind.startswith("MONOCHROME"):
        raise ValueError(
            f"{path} holds colours ({kind}); pass values of one channel, or a folder of pictures"
        )
    if "ModalityLUTSequence" in dataset:
        raise ValueError(
            f"{path} has a table of values (Modality LUT) in place of a slope and an intercept; "
            "apply it, and pass a .npy file"
        )
    return dataset


def _pixels(pydicom: Any, files: list[Path]) -> Iterator[tuple[Path, np.ndarray]]:
    """(frames, rows, columns) of each file."""
    for path in files:
        dataset = _dataset(pydicom, path)
        syntax = getattr(getattr(dataset, "file_meta", None), "TransferSyntaxUID", None)
        try:
            pixels = dataset.pixel_array
        except _UNREADABLE as error:
            if syntax is not None and syntax.is_compressed:
                raise ValueError(
                    f"{path} is compressed as {syntax.name}, which pydicom cannot read here; pip "
                    "install pylibjpeg pylibjpeg-libjpeg pylibjpeg-openjpeg, or decompress it with "
                    "gdcmconv --raw"
                ) from None
            raise ValueError(f"{path} has pixels that cannot be read: {_line(error)}") from None
        yield path, pixels.reshape(-1, *pixels.shape[-2:])


def _line(error):
    return " ".join(str(error).split())
