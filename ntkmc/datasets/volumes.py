"""Volumes by name: medical ones from a folder, and short videos that need none.

``brain`` is an averaged T1-weighted brain at 1 mm (ICBM 152, as nilearn ships it), ``epi`` two
volumes of an EPI time series (nibabel's), ``ct`` and ``mr`` a slice each (pydicom's). ``pan`` is a
video of a window that moves over a photograph of scikit-image, ``synthetic`` one of discs that move
before a moving grating.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import skimage
from jaxtyping import Float

from ntkmc import _spelling
from ntkmc.datasets._folder import ROOT_VARIABLE, data_folder
from ntkmc.images import as_float

FILES = {
    "brain": "mni_icbm152_t1_tal_nlin_sym_09a_converted.nii.gz",
    "epi": "example4d.nii.gz",
    "ct": "CT_small.dcm",
    "mr": "MR_small.dcm",
}
_STEP = (1, 3)  # pixels down and to the right from frame to frame, of `panning_video`


@dataclass(frozen=True)
class NamedVolume:
    """A volume, all of it known.

    Attributes
    ----------
    name : str
    values : float64 array (A, B, C) or (A, B, C, channels)
        In the units of its file; of videos in [0, 1].
    spacing : three floats, or None
        Of the axes, in mm; None where the file does not say.
    rows_down : bool
        Whether the axes are slices or frames, rows (downwards) and columns, as in DICOM files and
        videos; else they are x, y and z, as in NIfTI files.
    """

    name: str
    values: Float[np.ndarray, "A B C *channels"]
    spacing: tuple[float, float, float] | None
    rows_down: bool


def load_volume(name: str, root: str | Path | None = None) -> NamedVolume:
    """A volume or a video, by name.

    Parameters
    ----------
    name : str
        One of `VIDEOS`, one of `FILES`, or the name of another file in the folder.
    root : path, optional
        A folder that holds ``volumes/<file>``, whatever ``ntkmc.volumes.read_volume`` reads. Where
        it is not given, the environment variable ``NTKMC_DATA`` is read.

    Raises
    ------
    FileNotFoundError
        Saying where the volume was looked for and what to set.
    ValueError
        If the file is no volume that can be read.
    ImportError
        If a package to read it is not installed.
    """
    if name in VIDEOS:
        return NamedVolume(name, VIDEOS[name](), None, True)
    folder, file = data_folder(root), FILES.get(name, name)
    if folder is None:
        raise FileNotFoundError(
            f"volume {name!r}: there is no data folder; set {ROOT_VARIABLE} (or root) to a folder "
            f"with volumes/{file}, or pass one of {', '.join(VIDEOS)}"
        )
    path = folder / "volumes" / file
    if not path.exists():
        known = _spelling.nearest(name, (*FILES, *VIDEOS))
        raise FileNotFoundError(
            f"volume {name!r}: not at {path}; set {ROOT_VARIABLE} (or root) to the folder above "
            f"volumes/; {known}"
        )
    from ntkmc.volumes import read_volume

    read = read_volume(path)
    return NamedVolume(name, read.values.astype(np.float64), read.spacing, read.format != "NIfTI")


def panning_video(
    frames: int = 24, side: int = 96, photograph: str = "chelsea"
) -> Float[np.ndarray, "frames side side"]:
    """A window that moves over a photograph, a pixel down and three to the right a frame.

    Whole pixels, so that nothing is interpolated; it begins where it ends up to be in the middle
    of the photograph half way through.

    Parameters
    ----------
    frames, side : int
        Of the video; `side` in pixels.
    photograph : str
        One of scikit-image's, such as those of ``ntkmc.datasets.images.PHOTOGRAPHS``; its channels
        are averaged. Values in [0, 1].

    Raises
    ------
    ValueError
        If the photograph is too small for that many frames of that side.
    """
    picture = as_float(getattr(skimage.data, photograph)())
    grey = picture if picture.ndim == 2 else picture.mean(axis=2)
    travel = tuple(step * (frames - 1) for step in _STEP)
    top, left = ((n - side - way) // 2 for n, way in zip(grey.shape, travel, strict=True))
    if min(frames, side) < 1 or min(top, left) < 0:
        raise ValueError(
            f"panning_video: {frames} frames of {side} x {side} pixels do not lie within a "
            f"photograph of {grey.shape}; pass fewer or smaller ones"
        )
    corners = [(top + _STEP[0] * t, left + _STEP[1] * t) for t in range(frames)]
    return np.stack([grey[i : i + side, j : j + side] for i, j in corners])


def synthetic_video(frames: int = 24, side: int = 96) -> Float[np.ndarray, "frames side side"]:
    """Two discs that cross each other's way before a grating that moves, too.

    Values in [0, 1]; edges of discs are a pixel wide. The grating has five periods, and moves by
    half of one in the length of the video.

    Parameters
    ----------
    frames, side : int
        Of the video; `side` in pixels.
    """
    if min(frames, side) < 2:
        raise ValueError(
            f"synthetic_video: frames, side were {frames}, {side}; pass two or more of each"
        )
    time, rows, columns = np.ogrid[:frames, :side, :side]
    passed, x, y = time / (frames - 1), columns / side, rows / side
    video = 0.5 + 0.2 * np.sin(2 * np.pi * (5 * (0.8 * x + 0.6 * y) - 0.5 * passed))
    for radius, value, start, stop in (
        (0.14, 0.95, (0.25, 0.2), (0.7, 0.8)),
        (0.10, 0.05, (0.75, 0.3), (0.3, 0.7)),
    ):
        (top, left), (bottom, right) = start, stop
        down, across = y - top - (bottom - top) * passed, x - left - (right - left) * passed
        outside = (np.sqrt(down**2 + across**2) - radius) * side
        share = np.clip(0.5 - outside, 0, 1)
        video = (1 - share) * video + share * value
    return video


VIDEOS: dict[str, Callable[[], np.ndarray]] = {"pan": panning_video, "synthetic": synthetic_video}
