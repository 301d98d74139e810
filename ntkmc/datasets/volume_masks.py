"""Masks of volumes and videos made to measure. True is observed."""

import numpy as np
from jaxtyping import Bool

Shape = tuple[int, int, int]
Point = tuple[float, float]


def dropped_mask(
    shape: Shape, every: int, axis: int = 0, count: int = 1
) -> Bool[np.ndarray, "A B C"]:
    """A mask in which of every few slices (or frames) the last ones are missing.

    The first and the last slice are always observed.

    Parameters
    ----------
    shape : (A, B, C)
    every : int
        Length of the period, in slices.
    axis : int
        Across which slices lie.
    count : int
        Of slices missing in each period.

    Raises
    ------
    ValueError
        If there is no such axis, a period has no observed slice or no missing one, or the volume
        is too short for a slice to be missing.
    """
    length = _length("dropped_mask", shape, axis)
    if not 1 <= count < every:
        raise ValueError(
            f"dropped_mask: count was {count} and every {every}; pass at least one, and fewer "
            "than there are in a period"
        )
    observed = np.arange(length) % every < every - count
    observed[-1] = True
    if observed.all():
        raise ValueError(
            f"dropped_mask: of {length} slices none would be missing with every = {every} and "
            f"count = {count}; pass a shorter period"
        )
    return _slices(shape, axis, observed)


def slabs_mask(
    shape: Shape, thickness: int, count: int = 1, axis: int = 0
) -> Bool[np.ndarray, "A B C"]:
    """A mask in which a few slabs of slices are missing, evenly spaced.

    Parameters
    ----------
    shape : (A, B, C)
    thickness : int
        Of a slab, in slices.
    count : int
        Of slabs.
    axis : int
        Across which slices lie.

    Raises
    ------
    ValueError
        If there is no such axis, or no room for observed slices before, between and after slabs.
    """
    length = _length("slabs_mask", shape, axis)
    left = length - thickness * count
    if min(thickness, count) < 1 or left < count + 1:
        raise ValueError(
            f"slabs_mask: {count} slabs of {thickness} do not lie apart within {length} slices; "
            "pass fewer or thinner ones"
        )
    observed = np.ones(length, bool)
    for number in range(count):
        start = (number + 1) * left // (count + 1) + number * thickness
        observed[start : start + thickness] = False
    return _slices(shape, axis, observed)


def ball_mask(
    shape: Shape, radius: float, centre: tuple[float, float, float] | None = None
) -> Bool[np.ndarray, "A B C"]:
    """A mask in which a ball is missing: voxels at most `radius` from its centre.

    Parameters
    ----------
    shape : (A, B, C)
    radius : float
        In voxels.
    centre : three floats, optional
        Position of the centre; the middle of the volume where not given.

    Raises
    ------
    ValueError
        If no voxel is missing or none is left.
    """
    if centre is None:
        first, second, third = ((side - 1) / 2 for side in shape)
        centre = (first, second, third)
    steps = np.ogrid[tuple(slice(side) for side in shape)]
    squared = [(step - c) ** 2 for step, c in zip(steps, centre, strict=True)]
    mask = squared[0] + squared[1] + squared[2] > radius**2
    if mask.all() or not mask.any():
        raise ValueError(
            f"ball_mask: a ball of radius {radius} at {centre} holds "
            f"{'no voxel' if mask.all() else 'all voxels'} of a volume of {shape}"
        )
    return mask


def moving_hole_mask(
    shape: Shape,
    radius: float,
    start: Point = (0.25, 0.25),
    stop: Point = (0.75, 0.75),
) -> Bool[np.ndarray, "T H W"]:
    """A mask in which a disc is missing from each frame, on a straight way through the video.

    Parameters
    ----------
    shape : (T, H, W)
    radius : float
        In pixels.
    start, stop : (down, right)
        Where its centre is in the first frame and in the last, as shares of the frame's sides.

    Raises
    ------
    ValueError
        If no pixel is missing or none is left.
    """
    frames, height, width = shape
    time, rows, columns = np.ogrid[:frames, :height, :width]
    passed = time / max(frames - 1, 1)
    down = rows - (start[0] + (stop[0] - start[0]) * passed) * (height - 1)
    across = columns - (start[1] + (stop[1] - start[1]) * passed) * (width - 1)
    mask = down**2 + across**2 > radius**2
    if mask.all() or not mask.any():
        raise ValueError(
            f"moving_hole_mask: a disc of radius {radius} from {start} to {stop} holds "
            f"{'no pixel' if mask.all() else 'all pixels'} of a video of {shape}"
        )
    return mask


def _length(name, shape, axis):
    if not 0 <= axis < len(shape):
        raise ValueError(f"{name}: axis was {axis}; pass 0, 1 or 2")
    return shape[axis]


def _slices(shape, axis, observed):
    sides = [1] * len(shape)
    sides[axis] = len(observed)
    return np.broadcast_to(observed.reshape(sides), shape).copy()
