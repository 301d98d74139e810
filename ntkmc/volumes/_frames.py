"""A video as a folder of numbered pictures, of which some may have been dropped."""

import math
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ntkmc.images import PICTURES, holds, read_image, require_held, write_image
from ntkmc.volumes.volume import Volume

_NUMBERED = re.compile(r"(.*?)(\d+)(\D*)")  # the last number of a name, and what is around it
_LOSSLESS = (".png", ".tif", ".tiff", ".bmp", ".ppm", ".pgm", ".tga")


def pictures(folder: Path) -> list[Path]:
    """The pictures in a folder, in the natural order of their names: 2 before 10."""
    found = (
        path
        for path in folder.iterdir()
        if path.is_file() and path.suffix.lower() in PICTURES and not path.name.startswith(".")
    )
    return sorted(found, key=_natural)


def read(folder: Path) -> Volume:
    """See ``read_volume``."""
    paths = pictures(folder)
    names, places = _numbered(folder, paths)
    values = None
    for path, place in zip(paths, places, strict=True):
        frame = read_image(path)
        if frame.ndim == 3 and frame.shape[2] in (2, 4):
            _require_opaque(path, frame[..., -1])
        if values is None:
            values = np.zeros((len(names), *frame.shape), frame.dtype)
        if (frame.shape, frame.dtype) != (values.shape[1:], values.dtype):
            raise ValueError(
                f"{path} is {_size(frame)} of {frame.dtype} and {paths[0]} {_size(values[0])} of "
                f"{values.dtype}; pass a folder of frames of one size and type"
            )
        values[place] = frame
    assert values is not None
    absent = tuple(sorted(set(range(len(names))) - set(places)))
    return Volume(values, None, folder, "frames", absent, _header=names)


def write(folder: Path, values: np.ndarray, like: Volume) -> None:
    """See ``write_volume``."""
    paths = [folder / name for name in _names(like, values.dtype, channels_of(values.shape))]
    folder.mkdir(parents=True, exist_ok=True)
    for path, frame in zip(paths, values, strict=True):
        write_image(path, frame)


def require_writable(folder: Path, like: Volume, dtype, shape: Sequence[int]) -> None:
    """Refuse a folder that holds other files: these would be taken for frames."""
    require_held("a.tif", dtype, channels_of(shape))
    if not folder.is_dir():
        return
    others = {p.name for p in pictures(folder)} - set(_names(like, dtype, channels_of(shape)))
    if others:
        raise ValueError(
            f"{folder} holds {len(others)} other pictures, such as {min(others)}; name another "
            "folder to write"
        )


def _names(like, dtype, channels):
    """A name for each frame, in a format that holds it without loss."""
    count = like.shape[0]
    width = len(str(count - 1))
    names = like._header if like.format == "frames" else [f"{i:0{width}}.png" for i in range(count)]
    named = []
    for name in names:
        kept = Path(name).suffix.lower() in _LOSSLESS and holds(name, dtype, channels)
        suffix = ".png" if holds("a.png", dtype, channels) else ".tif"
        named.append(name if kept else str(Path(name).with_suffix(suffix)))
    if len(set(named)) < count:  # a.jpg and a.png
        return [f"{i:0{width}}{Path(name).suffix}" for i, name in enumerate(named)]
    return named


def _numbered(folder, paths):
    """Names of all frames, also of those that the numbering skips, and places of those there."""
    parts = [part for path in paths if (part := _NUMBERED.fullmatch(path.stem))]
    around = {(part[1], part[3]) for part in parts}
    if len(paths) == 1 or len(parts) < len(paths) or len(around) > 1:
        return [path.name for path in paths], list(range(len(paths)))
    numbers = [int(part[2]) for part in parts]
    steps = np.diff(numbers).tolist()
    if 0 in steps:
        first = steps.index(0)
        raise ValueError(
            f"{paths[first]} and {paths[first + 1]} have one number; pass a folder with one file a "
            "frame"
        )
    step = math.gcd(*steps)
    places = [(number - numbers[0]) // step for number in numbers]
    count = places[-1] + 1
    if count > 2 * len(paths):
        raise ValueError(
            f"{folder} has {len(paths)} frames, numbered {numbers[0]} to {numbers[-1]}, so that "
            "most would be missing; number them one after the other"
        )
    start, width = parts[0], min(len(part[2]) for part in parts)
    suffix = paths[0].suffix
    names = [f"{start[1]}{numbers[0] + step * i:0{width}}{start[3]}{suffix}" for i in range(count)]
    for path, place in zip(paths, places, strict=True):
        names[place] = path.name
    return names, places


def _natural(path):
    pieces = re.split(r"(\d+)", path.name.lower())
    return [int(piece) if place % 2 else piece for place, piece in enumerate(pieces)], path.name


def _require_opaque(path, alpha):
    opaque = 1 if alpha.dtype.kind == "f" else np.iinfo(alpha.dtype).max
    if (alpha < opaque).any():
        raise ValueError(
            f"{path} has transparent pixels, which a volume cannot have; pass opaque frames, and a "
            "mask, black where a pixel is to be filled in"
        )


def channels_of(shape: Sequence[int]) -> int:
    """Of frames, one where they are grey."""
    return math.prod(shape[3:])


def _size(frame):
    return " x ".join(str(side) for side in frame.shape)
