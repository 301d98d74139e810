"""Tiles of tissue and the classes they belong to, from folders and from NumPy's archives."""

import zipfile
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from jaxtyping import Float, Int

from ntkmc import _spelling
from ntkmc.datasets._folder import ROOT_VARIABLE, data_folder
from ntkmc.datasets._names import as_names
from ntkmc.images import as_float, read_image
from ntkmc.progress import Progress

SUFFIXES = (".tif", ".tiff", ".png", ".jpg", ".jpeg")
_KEYS = {
    # What medmnist.com calls its arrays, and what others do.
    "train": (("train_images", "train_labels"), ("train_x", "train_y")),
    "val": (("val_images", "val_labels"), ("val_x", "val_y")),
    "test": (("test_images", "test_labels"), ("test_x", "test_y")),
}
_AT_A_TIME = 256

Split = Literal["train", "val", "test"]


@dataclass(frozen=True)
class Tiles:
    """Square images, each of one class.

    Attributes
    ----------
    images : (n, h, h, 3), float32 in [0, 1].
    labels : (n,), positions in `classes`.
    classes : their names.
    """

    images: Float[np.ndarray, "n h h 3"]
    labels: Int[np.ndarray, " n"]
    classes: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.labels)

    def take(self, places: Int[np.ndarray, " m"]) -> "Tiles":
        """Some of them, of the same classes."""
        return Tiles(self.images[places], self.labels[places], self.classes)


def load_tiles(
    path: str | Path,
    split: Split = "train",
    *,
    size: int = 32,
    classes: Sequence[str] | None = None,
    per_class: int | None = None,
    seed: int = 0,
    root: str | Path | None = None,
    progress: Progress | None = None,
) -> Tiles:
    """Tiles from a folder with a sub-folder for each class, or from one part of a .npz file.

    A folder is laid out as NCT-CRC-HE-100K and CRC-VAL-HE-7K are (Kather, Halama and Marx 2018):
    images of one size, as .tif, .png or .jpg, in sub-folders that are named for their class. A .npz
    file holds ``train_images`` (n, h, h, 3) and ``train_labels`` (n,) or (n, 1), likewise for
    ``val`` and ``test``, as PathMNIST does, or ``train_x`` and ``train_y``; and it may hold
    ``classes``, the names.

    Parameters
    ----------
    path : relative to `root`, or absolute.
    split : which part of a .npz file; a folder has no parts.
    size : the sides of the tiles in pixels, to which larger ones are averaged down.
    classes : names of all classes, such as the training tiles' when these are for testing: labels
        are positions among them, and a folder need not have them all. What is there where not
        given, in the order of the alphabet (a folder) or of the numbers (a file).
    per_class : at most so many tiles of each class, drawn at random; no others are read from a
        folder.
    seed : of what is drawn.
    root : a data folder; ``$NTKMC_DATA`` where not given.
    progress : called with the stage, the tiles read and their number.

    Raises
    ------
    FileNotFoundError : there is nothing at `path`, or it is relative and there is no data folder.
    ValueError : `split` is unknown or `size`, `per_class` or `seed` is no such number; or what is
        there is laid out differently, and the message says where.
    """
    if split not in _KEYS:
        raise ValueError(f"split was {split!r}; {_spelling.nearest(split, _KEYS)}")
    _require_whole("size", size, 1)
    if per_class is not None:
        _require_whole("per_class", per_class, 1)
    _require_whole("seed", seed, 0)
    place = _located(Path(path).expanduser(), root)
    draw = _Draw(per_class, seed)
    if place.is_dir():
        return _from_folder(place, size, classes, draw, progress)
    if place.suffix.lower() != ".npz":
        raise ValueError(
            f"{place}: pass a folder with a sub-folder for each class, or a file that ends in .npz"
        )
    return _from_archive(place, split, size, classes, draw)


def area_average(image: Float[np.ndarray, "*n H H C"], size: int) -> Float[np.ndarray, "*n h h C"]:
    r"""Means of images over `size` x `size` equal squares, which cover them.

    A pixel counts with the share of its area that lies in the square: :math:`A x A^T`, with
    :math:`A_{ij}` the length of the overlap of :math:`[j, j + 1]` with
    :math:`[i H / h, (i + 1) H / h]` over :math:`H / h`. From 224 to 32 pixels it is the mean of
    7 x 7.

    Raises
    ------
    ValueError : `size` is no whole number from 1 on, or larger than the images.
    """
    _require_whole("size", size, 1)
    side = image.shape[-2]
    if side < size:
        raise ValueError(
            f"the images are {side} x {side} pixels, less than {size} x {size}; pass size={side}"
        )
    if side == size:
        return image
    if side % size == 0:
        step = side // size
        squares = image.reshape(*image.shape[:-3], size, step, size, step, image.shape[-1])
        return squares.mean(axis=(-4, -2))
    edges = np.arange(size + 1) * (side / size)
    pixels = np.arange(side)
    overlap = np.minimum(edges[1:, None], pixels + 1) - np.maximum(edges[:-1, None], pixels)
    weights = np.maximum(overlap, 0) * (size / side)
    return np.einsum("ik,jl,...klc->...ijc", weights, weights, image, optimize=True)


def _require_whole(name: str, value: Any, least: int) -> None:
    whole = isinstance(value, int | np.integer) and not isinstance(value, bool)
    if not whole or value < least:
        raise ValueError(f"{name} was {value!r}; pass a whole number that is at least {least}")


@dataclass(frozen=True)
class _Draw:
    per_class: int | None
    seed: int

    def of(self, count: int, label: int) -> np.ndarray:
        """Which of `count` tiles of a class are taken, in their order."""
        if self.per_class is None or count <= self.per_class:
            return np.arange(count)
        rng = np.random.default_rng((self.seed, label))
        return np.sort(rng.choice(count, self.per_class, replace=False))


def _located(path: Path, root: str | Path | None) -> Path:
    if not path.is_absolute():
        folder = data_folder(root)
        if folder is None:
            raise FileNotFoundError(
                f"tiles {str(path)!r}: there is no data folder; set {ROOT_VARIABLE} (or root) to "
                "the folder that holds them, or pass an absolute path"
            )
        path = folder / path
    if not path.exists():
        raise FileNotFoundError(f"no tiles at {path}")
    return path


def _from_folder(folder: Path, size: int, classes, draw: _Draw, progress) -> Tiles:
    found = sorted(entry.name for entry in _visible(folder) if entry.is_dir())
    if not found:
        raise ValueError(f"{folder}: it has no sub-folders; pass a folder with one for each class")
    names = _names(found, classes)
    for name in found:
        if name not in names:
            raise ValueError(
                f"{folder / name}: {name} is not among the classes {', '.join(names)}; "
                "move the sub-folder away, or pass its name in classes"
            )
    files = {name: _image_files(folder / name) for name in found}
    chosen = [
        (names.index(name), paths[number])
        for name, paths in files.items()
        for number in draw.of(len(paths), names.index(name))
    ]
    images = np.empty((len(chosen), size, size, 3), np.float32)
    first_side = None
    for number, (_, path) in enumerate(chosen):
        tile = _square(read_image(path), path)
        side = first_side = first_side or len(tile)
        if len(tile) != side:
            raise ValueError(
                f"{path} is {len(tile)} x {len(tile)} pixels and {chosen[0][1]} {side} x {side}; "
                "pass tiles of one size"
            )
        images[number] = _averaged(tile, size, path)
        if progress:
            progress("reading tiles", number + 1, len(chosen))
    return Tiles(images, np.array([label for label, _ in chosen]), names)


def _visible(folder: Path) -> list[Path]:
    return sorted(entry for entry in folder.iterdir() if not entry.name.startswith("."))


def _image_files(folder: Path) -> list[Path]:
    files = _visible(folder)
    if not files:
        raise ValueError(f"{folder}: it is empty; pass a class with tiles, or remove the folder")
    for file in files:
        if file.is_dir() or file.suffix.lower() not in SUFFIXES:
            raise ValueError(
                f"{file}: among the tiles of a class are only files that end in "
                f"{', '.join(SUFFIXES)}; move it away"
            )
    return files


def _from_archive(path: Path, split: Split, size: int, classes, draw: _Draw) -> Tiles:
    try:
        if not zipfile.is_zipfile(path):
            raise ValueError("it is no .npz archive")
        with np.load(path, allow_pickle=False) as stored:
            keys = [pair for pair in _KEYS[split] if set(pair) <= set(stored.files)]
            if not keys:
                wanted = " or ".join(" and ".join(pair) for pair in _KEYS[split])
                raise KeyError(
                    f"it holds {', '.join(stored.files) or 'nothing'}; the {split} part of a file "
                    f"is {wanted}"
                )
            images, labels = (stored[key] for key in keys[0])
            found = None
            if "classes" in stored.files:
                found = as_names(np.ravel(stored["classes"])).tolist()
            ends = {pair[1] for pairs in _KEYS.values() for pair in pairs}
            all_labels = {key: stored[key] for key in stored.files if key in ends}
    except KeyError as error:
        raise ValueError(f"{path}: {error.args[0]}") from None
    except (ValueError, OSError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise ValueError(f"{path} cannot be read: {' '.join(str(error).split())}") from None
    images = _square(images, path)
    labels = _whole(labels, len(images), keys[0][1], path)
    if found is None:
        # A part may lack the last classes: they are counted over all parts.
        for key, part in all_labels.items():
            if part.dtype.kind not in "iu":
                raise ValueError(f"{path}: {key} is {part.dtype}; pass whole numbers")
        count = 1 + max(int(part.max(initial=0)) for part in all_labels.values())
        found = [str(label) for label in range(count)]
    wrong = np.flatnonzero((labels < 0) | (labels >= len(found)))
    if wrong.size:
        raise ValueError(
            f"{path}: {keys[0][1]}[{wrong[0]}] is {labels[wrong[0]]}, and there are "
            f"{len(found)} classes; pass labels from 0 to {len(found) - 1}"
        )
    names = _names(found, classes)
    lost = [found[label] for label in np.unique(labels) if found[label] not in names]
    if lost:
        raise ValueError(
            f"{path}: {lost[0]} is not among the classes {', '.join(names)}; pass its name in "
            "classes"
        )
    labels = np.array([names.index(name) if name in names else -1 for name in found])[labels]
    taken = np.concatenate(
        [
            np.flatnonzero(labels == label)[draw.of(int((labels == label).sum()), label)]
            for label in range(len(names))
        ]
    )
    # A part at a time: as float64 all of them may not fit.
    parts = np.array_split(taken, -(-len(taken) // _AT_A_TIME))
    averaged = np.concatenate([_averaged(images[part], size, path) for part in parts])
    return Tiles(averaged, labels[taken], names)


def _names(found: list[str], classes: Sequence[str] | None) -> tuple[str, ...]:
    names = tuple(found if classes is None else classes)
    if len(set(names)) < max(len(names), 2) or "" in names:
        raise ValueError(
            f"the classes are {', '.join(names) or 'none'}; pass at least two, each once"
        )
    return names


def _square(images: np.ndarray, place: Path) -> np.ndarray:
    """One image, or several along the first axis, if that is what they are."""
    batch = images.ndim == 4
    if images.ndim not in (3, 4) or images.shape[-1] != 3:
        raise ValueError(
            f"{place}: {'images have' if batch else 'the image has'} shape {images.shape}; pass "
            "colour, (height, width, 3), without transparency"
        )
    height, width = images.shape[-3:-1]
    if height != width:
        raise ValueError(f"{place}: {height} x {width} pixels are not square; pass square tiles")
    if images.dtype.kind not in "uf":
        raise ValueError(f"{place}: values are {images.dtype}; pass uint8, or floats in [0, 1]")
    return images


def _averaged(images: np.ndarray, size: int, place: Path) -> np.ndarray:
    values = as_float(images)
    if values.size and not (values.min() >= 0 and values.max() <= 1):  # NaN is not either
        raise ValueError(f"{place}: values are not all in [0, 1]; pass uint8, or floats that are")
    try:
        return area_average(values, size).astype(np.float32)
    except ValueError as error:
        raise ValueError(f"{place}: {error}") from None


def _whole(labels: np.ndarray, count: int, name: str, path: Path) -> np.ndarray:
    if labels.shape not in ((count,), (count, 1)) or labels.dtype.kind not in "iu":
        raise ValueError(
            f"{path}: {name} is {labels.dtype} of shape {labels.shape}, and there are {count} "
            "images; pass a whole number for each"
        )
    if not count:
        raise ValueError(f"{path}: there are no images")
    return labels.reshape(-1).astype(np.int64)
