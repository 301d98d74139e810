"""Where the slices of a DICOM series are: their order, the gaps between them, and an affine."""

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

_PARALLEL = 1e-3  # difference of direction cosines, which are written with four digits or so
_EVEN = 0.1  # distances that differ by that share of the spacing are equal
_SAME_PLACE = 1e-3  # mm


@dataclasses.dataclass(frozen=True, eq=False)
class Frame:
    """One slice, without its pixels.

    Attributes
    ----------
    path : the file that it is in.
    size : rows, columns.
    position : of the first pixel, mm, towards left, back and head (LPS).
    directions : unit vectors along which columns, and along which rows are counted.
    spacing : between rows, between columns, mm.
    thickness : of the slice, mm.
    slope, intercept : what the numbers stand for.
    """

    path: Path
    size: tuple[int, int]
    position: Float[np.ndarray, "3"] | None
    directions: Float[np.ndarray, "2 3"] | None
    spacing: tuple[float, float] | None
    thickness: float | None
    slope: float
    intercept: float


@dataclasses.dataclass(frozen=True, eq=False)
class Grid:
    """Places of frames along the axis of slices; spacing and affine as a volume has them."""

    places: tuple[int, ...]
    spacing: tuple[float, float, float] | None
    affine: Float[np.ndarray, "4 4"] | None


def frames_of(dataset: Any, path: Path) -> list[Frame]:
    """The frames of a file; of an enhanced one each has a place of its own."""
    count = int(dataset.get("NumberOfFrames") or 1)
    offsets = _numbers(dataset.get("GridFrameOffsetVector"))
    frames = []
    for index in range(count):
        look = _Lookup(dataset, index)
        position = look.array("PlanePositionSequence", "ImagePositionPatient", 3)
        directions = look.array("PlaneOrientationSequence", "ImageOrientationPatient", 6)
        if directions is not None:
            directions = directions.reshape(2, 3)
        if position is not None and directions is not None and len(offsets) == count:
            position = position + offsets[index] * np.cross(*directions)  # doses
        elif count > 1 and "PerFrameFunctionalGroupsSequence" not in dataset:
            position = None  # that of the first, if any
        spacing = look.array("PixelMeasuresSequence", "PixelSpacing", 2)
        thickness = look.array("PixelMeasuresSequence", "SpacingBetweenSlices", 1)
        if thickness is None:
            thickness = look.array("PixelMeasuresSequence", "SliceThickness", 1)
        slope = look.array("PixelValueTransformationSequence", "RescaleSlope", 1)
        if slope is None:
            slope = _array(dataset.get("DoseGridScaling"), 1)
        intercept = look.array("PixelValueTransformationSequence", "RescaleIntercept", 1)
        frames.append(
            Frame(
                path,
                (int(dataset.Rows), int(dataset.Columns)),
                position,
                directions,
                None if spacing is None else (float(spacing[0]), float(spacing[1])),
                None if thickness is None else float(thickness[0]),
                1.0 if slope is None else float(slope[0]),
                0.0 if intercept is None else float(intercept[0]),
            )
        )
    return frames


def arrange(frames: list[Frame], source: Path) -> Grid:
    """Sort frames along the normal of their planes, and find which are absent.

    The affine's axes are slices, rows, columns. Slices of which whole ones are absent leave a gap
    that is a multiple of the smallest.

    Raises
    ------
    ValueError
        If they do not make one evenly spaced stack.
    """
    first = frames[0]
    for frame in frames:
        if frame.size != first.size:
            raise ValueError(
                f"{frame.path} is {_size(frame)} and {first.path} {_size(first)}; pass a folder of "
                "slices of one size"
            )
    positions = [frame.position for frame in frames]
    placed = [position for position in positions if position is not None]
    if len(placed) < len(frames) or first.directions is None or first.spacing is None:
        if len({frame.path for frame in frames}) == 1:
            return Grid(tuple(range(len(frames))), None, None)  # as they come in one file
        raise ValueError(
            f"{source} has slices without ImagePositionPatient, ImageOrientationPatient or "
            "PixelSpacing, so their order is not known; pass them as a .npy file or as one file of "
            "several frames"
        )
    for frame in frames:
        if not (
            _close(frame.directions, first.directions) and _close(frame.spacing, first.spacing)
        ):
            raise ValueError(
                f"{frame.path} and {first.path} are not parallel or have pixels of two sizes; pass "
                "one series, without its overview pictures"
            )
    along_columns, along_rows = first.directions
    places, start, step = _places(np.stack(placed), np.cross(along_columns, along_rows), frames)
    if step is None:
        step = np.cross(along_columns, along_rows) * (first.thickness or 1.0)
    rows, columns = first.spacing
    affine = np.eye(4)
    affine[:3] = np.stack([step, along_rows * rows, along_columns * columns, start], axis=1)
    affine[:2] *= -1  # from LPS to RAS
    return Grid(places, (float(np.linalg.norm(step)), rows, columns), affine)


def _places(positions, normal, frames):
    """Each frame's place; position of the first and step to the next, None where there is one."""
    depths = positions @ normal
    order = np.argsort(depths)
    gaps = np.diff(depths[order])
    if not gaps.size:
        return (0,), positions[0], None
    if gaps.min() < _SAME_PLACE:
        here, there = (frames[i].path for i in order[gaps.argmin() :][:2])
        raise ValueError(
            f"{here} and {there} have slices at one place; pass one series of one time and kind"
        )
    sorted_places = np.concatenate([[0], np.cumsum(np.rint(gaps / gaps.min()))]).astype(int)
    start, end = positions[order[0]], positions[order[-1]]
    step = (end - start) / sorted_places[-1]
    off = np.linalg.norm(positions[order] - start - sorted_places[:, None] * step, axis=1)
    worst = int(off.argmax())
    if off[worst] > _EVEN * np.linalg.norm(step) or sorted_places[-1] + 1 > 2 * len(frames):
        raise ValueError(
            f"the slices are spaced unevenly: gaps from {gaps.min():.4g} to {gaps.max():.4g} mm, "
            f"{frames[order[worst]].path} {off[worst]:.2g} mm off; pass a series of one spacing, "
            "of which single slices may be absent"
        )
    places = np.empty(len(frames), int)
    places[order] = sorted_places
    return tuple(places.tolist()), start, step


class _Lookup:
    """Attributes of one frame: of its own group, of the one for all frames, or of the file."""

    def __init__(self, dataset, index):
        per_frame = dataset.get("PerFrameFunctionalGroupsSequence") or []
        shared = dataset.get("SharedFunctionalGroupsSequence") or []
        self._groups = [*per_frame[index : index + 1], *shared[:1]]
        self._dataset = dataset

    def array(self, sequence, name, size):
        for group in self._groups:
            for item in group.get(sequence) or []:
                found = _array(item.get(name), size)
                if found is not None:
                    return found
        return _array(self._dataset.get(name), size)


def _array(value, size):
    numbers = _numbers(value)
    return numbers if len(numbers) == size else None


def _numbers(value):
    if value is None or value == "":
        return np.empty(0)
    return np.atleast_1d(np.asarray(value, np.float64))


def _close(some, others):
    return some is not None and np.allclose(some, others, rtol=_PARALLEL, atol=_PARALLEL)


def _size(frame):
    return " x ".join(str(side) for side in frame.size)
