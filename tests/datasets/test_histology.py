"""Tiles from folders and archives, and what is refused."""

import numpy as np
import pytest

from ntkmc.datasets import area_average, load_tiles
from ntkmc.images import write_image


def tiles(count, side=14, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (count, side, side, 3), dtype=np.uint8)


@pytest.fixture
def folder(tmp_path):
    """Three classes of two to four tiles, in three formats, and files that are no part of it."""
    for name, suffix, count in (("TUM", "tif", 4), ("ADI", "png", 2), ("MUS", "png", 3)):
        for number, tile in enumerate(tiles(count, seed=len(name) + count)):
            write_image(tmp_path / "all" / name / f"{name}-{number}.{suffix}", tile)
    (tmp_path / "all" / "TUM" / ".DS_Store").write_text("")
    (tmp_path / "all" / "README.txt").write_text("")
    return tmp_path / "all"


def archive(path, **arrays):
    np.savez(path, **arrays)
    return path


def test_means_over_areas_are_those_of_an_integral():
    """Against sums of a finer grid, on which both sizes fit."""
    rng = np.random.default_rng(0)
    image = rng.random((2, 15, 15, 3))
    fine = image.repeat(4, axis=1).repeat(4, axis=2)  # 60 x 60
    for size in (15, 12, 6, 5, 1):
        step = 60 // size
        expected = fine.reshape(2, size, step, size, step, 3).mean(axis=(2, 4))
        np.testing.assert_allclose(area_average(image, size), expected, atol=1e-14)
    seven = rng.random((224, 224, 3))
    averaged = area_average(seven, 32)
    np.testing.assert_allclose(averaged[3, 5], seven[21:28, 35:42].mean(axis=(0, 1)))
    # A turned image is averaged to the turned average.
    turned = area_average(np.rot90(image, axes=(1, 2)), 4)
    np.testing.assert_allclose(turned, np.rot90(area_average(image, 4), axes=(1, 2)), atol=1e-14)
    with pytest.raises(ValueError, match="the images are 15 x 15 pixels, less than 32 x 32; pass"):
        area_average(image, 32)
    with pytest.raises(ValueError, match="size was 0; pass a whole number"):
        area_average(image, 0)


def test_a_folder(folder):
    loaded = load_tiles(folder, size=7)
    assert loaded.classes == ("ADI", "MUS", "TUM")
    np.testing.assert_array_equal(loaded.labels, [0] * 2 + [1] * 3 + [2] * 4)
    assert loaded.images.dtype == np.float32
    first = tiles(4, seed=7)[0].reshape(7, 2, 7, 2, 3).mean(axis=(1, 3)) / 255
    np.testing.assert_allclose(loaded.images[5], first, atol=1e-7)
    assert len(load_tiles(folder.name, size=7, root=folder.parent)) == 9


def test_classes_are_matched_by_name(folder):
    """A folder that lacks the first class, with the names of one that has it."""
    (folder / "ADI").rename(folder.parent / "ADI")
    loaded = load_tiles(folder, "test", size=7, classes=("ADI", "BACK", "MUS", "TUM"))
    assert loaded.classes == ("ADI", "BACK", "MUS", "TUM")
    np.testing.assert_array_equal(loaded.labels, [2] * 3 + [3] * 4)
    with pytest.raises(ValueError, match="TUM is not among the classes ADI, MUS; move"):
        load_tiles(folder, size=7, classes=("ADI", "MUS"))


def test_some_of_a_class(folder):
    some = load_tiles(folder, size=7, per_class=3, seed=1)
    np.testing.assert_array_equal(some.labels, [0] * 2 + [1] * 3 + [2] * 3)
    every = load_tiles(folder, size=7).images
    places = [np.flatnonzero((every == one).all(axis=(1, 2, 3))).item() for one in some.images]
    assert sorted(set(places)) == places
    draws = {load_tiles(folder, size=7, per_class=1, seed=s).images.tobytes() for s in range(9)}
    assert len(draws) > 1


@pytest.mark.parametrize("columns", [False, True])
def test_an_archive_as_medmnist_has_it(tmp_path, columns):
    labels = {"train": [2, 0, 1, 2], "val": [1, 0], "test": [0, 1, 1]}
    arrays = {}
    for number, (part, its) in enumerate(labels.items()):
        arrays[f"{part}_images"] = tiles(len(its), seed=number)
        arrays[f"{part}_labels"] = np.array(its, np.uint8).reshape((-1, 1) if columns else -1)
    path = archive(tmp_path / "pathmnist.npz", **arrays)
    for part, its in labels.items():
        loaded = load_tiles(path, part, size=14)
        order = np.argsort(its, kind="stable")
        # Classes are those of all parts: there is no 2 in `test`.
        assert loaded.classes == ("0", "1", "2")
        np.testing.assert_array_equal(loaded.labels, np.sort(its))
        np.testing.assert_array_equal(np.rint(loaded.images * 255), arrays[f"{part}_images"][order])


def test_an_archive_with_names(tmp_path):
    images = tiles(3) / 255
    path = archive(
        tmp_path / "named.npz", test_x=images, test_y=np.array([1, 0, 1]), classes=["H", "AC"]
    )
    loaded = load_tiles(path, "test", size=7, classes=("AC", "H"))
    np.testing.assert_array_equal(loaded.labels, [0, 0, 1])
    np.testing.assert_allclose(loaded.images[2], area_average(images[1], 7), atol=1e-7)
    with pytest.raises(ValueError, match="AC is not among the classes T, H; pass its name"):
        load_tiles(path, "test", size=7, classes=("T", "H"))


def test_names_of_classes_as_bytes(tmp_path):
    """In Latin-1, and "NA" is one."""
    names = np.array([name.encode("latin-1") for name in ("NA", "Ödem", "nan")])[:, None]
    path = archive(tmp_path / "bytes.npz", **{**GOOD, "classes": names})
    loaded = load_tiles(path, size=14)
    assert loaded.classes == ("NA", "Ödem", "nan")
    np.testing.assert_array_equal(loaded.labels, [0, 1, 1, 2])


@pytest.mark.parametrize("place", ["folder", "archive"])
@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"size": 0}, "size was 0; pass a whole number that is at least 1"),
        ({"size": -7}, "size was -7"),
        ({"size": 7.5}, "size was 7.5"),
        ({"per_class": 0}, "per_class was 0; pass a whole number that is at least 1"),
        ({"per_class": -2}, "per_class was -2"),
        ({"per_class": 0.5}, "per_class was 0.5"),
        ({"seed": -1}, "seed was -1; pass a whole number that is at least 0"),
        (
            {"split": "training"},
            r"split was 'training'; did you mean 'train'\? \(known: train, val",
        ),
        ({"split": "all"}, "split was 'all'; .*known: train, val, test"),
        ({"split": None}, "split was None; known: train, val, test"),
    ],
)
def test_settings_that_make_no_sense(place, wrong, message, folder, tmp_path, unchecked):
    path = folder if place == "folder" else archive(tmp_path / "good.npz", **GOOD)
    with pytest.raises(ValueError, match=message):
        load_tiles(path, **{"size": 7, **wrong})


def test_the_real_files(data_dir):
    histology = data_dir / "histology"
    train = load_tiles("histology/NCT-CRC-HE-100K", root=data_dir)
    assert len(train) == len(train.classes) == 9
    assert train.images.shape == (9, 32, 32, 3)
    test = load_tiles(histology / "CRC-VAL-HE-7K", "test", classes=train.classes)
    assert test.classes == train.classes
    counts = np.bincount(test.labels, minlength=9)
    assert counts[train.classes.index("BACK")] == 0
    assert counts.sum() == 32
    # Background, mucus and fat are the lightest, and where there is no background it is fat.
    light = train.images.mean(axis=(1, 2, 3))
    assert {train.classes[i] for i in np.argsort(light)[-3:]} == {"ADI", "BACK", "MUC"}
    bright = [test.images[test.labels == i].mean() for i in range(9) if counts[i]]
    present = [name for i, name in enumerate(train.classes) if counts[i]]
    assert present[int(np.argmax(bright))] == "ADI"
    small = load_tiles(histology / "colorectal_tiles_32px.npz", per_class=20)
    assert small.classes == ("AC", "H", "S", "T", "V")
    np.testing.assert_array_equal(np.bincount(small.labels), [20] * 5)


def test_nothing_there(tmp_path, folder, monkeypatch):
    monkeypatch.delenv("NTKMC_DATA", raising=False)
    with pytest.raises(FileNotFoundError, match="tiles 'all': there is no data folder; set NTKMC"):
        load_tiles("all")
    with pytest.raises(FileNotFoundError, match=r"no tiles at .*none"):
        load_tiles(tmp_path / "none")
    monkeypatch.setenv("NTKMC_DATA", str(tmp_path))
    assert len(load_tiles("all", size=7)) == 9


def replace_by(folder, name, image):
    write_image(folder / "MUS" / name, image)


BAD_FOLDERS = {
    "no sub-folders": (
        lambda folder: [entry.rename(folder.parent / entry.name) for entry in folder.iterdir()],
        "it has no sub-folders; pass a folder with one for each class",
    ),
    "one class": (
        lambda folder: [(folder / n).rename(folder.parent / n) for n in ("ADI", "MUS")],
        "the classes are TUM; pass at least two, each once",
    ),
    "an empty class": (lambda folder: (folder / "BACK").mkdir(), "BACK: it is empty; pass a class"),
    "another file": (
        lambda folder: (folder / "MUS" / "notes.txt").write_text(""),
        r"notes.txt: among the tiles of a class are only files that end in .tif, .tiff, .png",
    ),
    "a file that is no image": (
        lambda folder: (folder / "MUS" / "a.png").write_text("no"),
        r"a.png cannot be read as an image",
    ),
    "another size": (
        lambda folder: replace_by(folder, "z.png", tiles(1, 15)[0]),
        r"z.png is 15 x 15 pixels and .*ADI-0.png 14 x 14; pass tiles of one size",
    ),
    "not square": (
        lambda folder: replace_by(folder, "z.png", tiles(1)[0, :-1]),
        r"z.png: 13 x 14 pixels are not square",
    ),
    "grey": (
        lambda folder: replace_by(folder, "z.png", tiles(1)[0, :, :, 0]),
        r"z.png: the image has shape \(14, 14\); pass colour",
    ),
}


@pytest.mark.parametrize("name", BAD_FOLDERS)
def test_a_folder_that_is_laid_out_differently(folder, name):
    spoil, message = BAD_FOLDERS[name]
    spoil(folder)
    with pytest.raises(ValueError, match=message):
        load_tiles(folder, size=7)


def test_tiles_that_are_too_small(folder):
    with pytest.raises(ValueError, match=r"png: the images are 14 x 14 pixels, less than 32 x 32"):
        load_tiles(folder)


GOOD = {"train_x": tiles(4), "train_y": np.array([0, 1, 2, 1]), "classes": ["a", "b", "c"]}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"train_y": None}, "it holds train_x, classes; the train part of a file is train_images"),
        (
            {"train_y": np.array([0, 1, 3, 1])},
            r"train_y\[2\] is 3, and there are 3 classes; pass",
        ),
        ({"train_y": np.array([0, 1, -1, 1])}, r"train_y\[2\] is -1"),
        ({"train_y": np.array([0, 1, 2])}, r"train_y is int64 of shape \(3,\), and there are 4"),
        ({"train_y": np.zeros(4)}, r"train_y is float64 of shape \(4,\)"),
        ({"train_x": tiles(4)[:, :, :-1]}, "14 x 13 pixels are not square"),
        ({"train_x": tiles(4)[..., 0]}, r"the image has shape \(4, 14, 14\); pass colour"),
        ({"train_x": tiles(4).astype(np.int64)}, "values are int64; pass uint8, or floats in"),
        ({"train_x": tiles(4).astype(float)}, r"values are not all in \[0, 1\]"),
        ({"train_x": np.full((4, 14, 14, 3), np.nan)}, r"values are not all in \[0, 1\]"),
        ({"train_x": np.array([None])}, "cannot be read: Object arrays"),
        ({"train_x": tiles(0), "train_y": np.zeros(0, int)}, "there are no images"),
        ({"classes": ["a", "b", "a"]}, "the classes are a, b, a; pass at least two, each once"),
        ({"classes": ["a", "", "c"]}, "the classes are a, , c; pass at least two, each once"),
        ({"classes": np.array("abc")}, r"train_y\[1\] is 1, and there are 1 classes"),
        ({"classes": None, "test_y": np.array(["a"])}, "test_y is <U1; pass whole numbers"),
        ({"classes": None, "val_y": np.array([np.nan])}, "val_y is float64; pass whole numbers"),
    ],
)
def test_an_archive_that_is_laid_out_differently(tmp_path, changes, message):
    arrays = {key: value for key, value in {**GOOD, **changes}.items() if value is not None}
    path = archive(tmp_path / "bad.npz", **arrays)
    with pytest.raises(ValueError, match=message):
        load_tiles(path, size=14)


def test_files_that_are_no_archive(tmp_path):
    (tmp_path / "tiles.npz").write_text("no")
    with pytest.raises(ValueError, match=r"tiles.npz cannot be read"):
        load_tiles(tmp_path / "tiles.npz")
    archive(tmp_path / "tiles.npz", **GOOD)
    whole = (tmp_path / "tiles.npz").read_bytes()
    (tmp_path / "tiles.npz").write_bytes(whole[:300] + b"changed" + whole[307:])
    with pytest.raises(ValueError, match=r"tiles.npz cannot be read: Bad CRC"):
        load_tiles(tmp_path / "tiles.npz")
    with (tmp_path / "tiles.npz").open("wb") as file:
        np.save(file, tiles(2))
    with pytest.raises(ValueError, match=r"tiles.npz cannot be read: it is no .npz archive"):
        load_tiles(tmp_path / "tiles.npz")
    (tmp_path / "tiles.zip").write_text("no")
    with pytest.raises(ValueError, match=r"tiles.zip: pass a folder with a sub-folder for each"):
        load_tiles(tmp_path / "tiles.zip")
