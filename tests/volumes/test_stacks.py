"""NumPy arrays, TIFFs of several pages and folders of frames."""

import numpy as np
import pytest
import tifffile

from ntkmc import read_volume, write_volume
from ntkmc.images import read_image, write_image
from ntkmc.volumes import is_volume, read_volume_mask


def numbers(shape=(4, 5, 6), dtype=np.uint8):
    return np.random.default_rng(0).integers(0, 120, shape).astype(dtype)


def frames(folder, video, names):
    for name, frame in zip(names, video, strict=True):
        write_image(folder / name, frame)
    return folder


@pytest.mark.parametrize("dtype", ["uint8", "int16", "uint16", "int32", "float32", "float64"])
@pytest.mark.parametrize("shape", [(4, 5, 6), (3, 5, 6, 3), (4, 5, 6, 2)])
@pytest.mark.parametrize("name", ["a.npy", "a.tif"])
def test_what_is_written_is_read(tmp_path, name, shape, dtype):
    array = numbers(shape, dtype)
    np.save(tmp_path / "given.npy", array)
    volume = read_volume(tmp_path / "given.npy")
    write_volume(tmp_path / "new" / name, volume.values, volume)
    assert is_volume(tmp_path / "new" / name)
    again = read_volume(tmp_path / "new" / name)
    assert again.values.dtype == dtype
    np.testing.assert_array_equal(again.values, array)
    assert again.spacing is None


def test_arrays_that_are_no_volume(tmp_path):
    for array, words in (
        (numbers((5, 6)), r"has shape \(5, 6\); a volume has three axes"),
        (numbers((2, 3, 4, 5)), "the last axis for channels, of which there are at most 4"),
        (numbers((2, 3, 0)), r"has shape \(2, 3, 0\)"),
        (np.array([[["a"]]]), "holds <U1; pass real numbers"),
        (np.array([None]), "cannot be read as a NumPy array"),
    ):
        np.save(tmp_path / "a.npy", array)
        with pytest.raises(ValueError, match=words):
            read_volume(tmp_path / "a.npy")
    with open(tmp_path / "a.npy", "wb") as file:
        np.savez(file, a=numbers(), b=numbers())
    with pytest.raises(ValueError, match="holds several arrays"):
        read_volume(tmp_path / "a.npy")
    (tmp_path / "a.npy").write_text("no array")
    with pytest.raises(ValueError, match="cannot be read as a NumPy array"):
        read_volume(tmp_path / "a.npy")


def test_tiffs_of_other_programs(tmp_path):
    stack = numbers((5, 6, 7), np.uint16)
    tifffile.imwrite(tmp_path / "imagej.tif", stack, imagej=True)
    tifffile.imwrite(tmp_path / "deflated.tif", stack, compression="zlib", bigtiff=True)
    for name in ("imagej.tif", "deflated.tif"):
        np.testing.assert_array_equal(read_volume(tmp_path / name).values, stack)
    bits = stack % 2 == 0
    tifffile.imwrite(tmp_path / "bits.tif", bits, photometric="minisblack")
    np.testing.assert_array_equal(read_volume(tmp_path / "bits.tif").values, 255 * bits)


def test_tiffs_that_are_no_volume(tmp_path):
    tifffile.imwrite(tmp_path / "one.tif", numbers((5, 6)))
    with tifffile.TiffWriter(tmp_path / "sizes.tif") as file:
        file.write(numbers((5, 6)))
        file.write(numbers((6, 6)))
    for name in ("one.tif", "sizes.tif"):
        assert not is_volume(tmp_path / name)
        with pytest.raises(ValueError, match=f"{name} is no volume; pass a NIfTI"):
            read_volume(tmp_path / name)
    tifffile.imwrite(tmp_path / "hyper.tif", numbers((2, 3, 5, 6)), imagej=True)
    with pytest.raises(ValueError, match="a hyperstack, of axes ZCYX; pass one stack"):
        read_volume(tmp_path / "hyper.tif")
    tifffile.imwrite(tmp_path / "negative.tif", numbers(), photometric="miniswhite")
    with pytest.raises(ValueError, match="its pages are palettes, inks or negatives"):
        read_volume(tmp_path / "negative.tif")
    tifffile.imwrite(tmp_path / "bands.tif", numbers((2, 5, 6, 7)), photometric="minisblack")
    content = (tmp_path / "one.tif").read_bytes()
    (tmp_path / "short.tif").write_bytes(content[:12])
    (tmp_path / "text.tif").write_text("no image")
    assert not is_volume(tmp_path / "short.tif")
    assert not is_volume(tmp_path / "text.tif")
    assert not is_volume(tmp_path / "none.tif")


@pytest.mark.parametrize("shape", [(12, 5, 6), (12, 5, 6, 3)])
def test_frames_in_natural_order(tmp_path, shape):
    video = numbers(shape)
    frames(tmp_path / "in", video, [f"frame{i}.png" for i in range(12)])  # 2 before 10
    (tmp_path / "in" / "notes.txt").write_text("not a frame")
    volume = read_volume(tmp_path / "in")
    assert volume.absent == ()
    np.testing.assert_array_equal(volume.values, video)
    write_volume(tmp_path / "out", volume.values, volume)
    for i, frame in enumerate(video):
        np.testing.assert_array_equal(read_image(tmp_path / "out" / f"frame{i}.png"), frame)


def test_dropped_frames(tmp_path):
    video = numbers((6, 5, 6), np.uint16)
    frames(tmp_path / "in", video[[0, 1, 3, 5]], [f"a_{i:03}_left.png" for i in (7, 8, 10, 12)])
    volume = read_volume(tmp_path / "in")
    assert volume.absent == (2, 4)
    np.testing.assert_array_equal(volume.has_values.any(axis=(1, 2)), [1, 1, 0, 1, 0, 1])
    write_volume(tmp_path / "out", video, volume)
    written = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert written == [f"a_{i:03}_left.png" for i in range(7, 13)]
    np.testing.assert_array_equal(read_volume(tmp_path / "out").values, video)


def test_the_step_of_the_numbering_is_found(tmp_path):
    frames(tmp_path / "in", numbers((3, 5, 6)), ["10.png", "20.png", "40.png"])
    volume = read_volume(tmp_path / "in")
    assert volume.absent == (2,)
    write_volume(tmp_path / "out", numbers(), volume)
    assert (tmp_path / "out" / "30.png").is_file()
    frames(tmp_path / "names", numbers((3, 5, 6)), ["a1.png", "b5.png", "c.png"])
    assert read_volume(tmp_path / "names").absent == ()


def test_frames_are_written_without_loss(tmp_path):
    frames(tmp_path / "in", numbers((3, 16, 16)), ["1.jpg", "2.jpg", "3.jpg"])
    volume = read_volume(tmp_path / "in")
    write_volume(tmp_path / "out", volume.values, volume)
    np.testing.assert_array_equal(read_volume(tmp_path / "out").values, volume.values)
    assert (tmp_path / "out" / "1.png").is_file()
    deviations = volume.values.astype(np.float32) / 7
    write_volume(tmp_path / "std", deviations, volume)
    np.testing.assert_array_equal(read_volume(tmp_path / "std").values, deviations)
    assert (tmp_path / "std" / "3.tif").is_file()
    frames(tmp_path / "two", numbers((3, 16, 16)), ["1.jpg", "1.png", "x.png"])
    two = read_volume(tmp_path / "two")
    write_volume(tmp_path / "two_out", two.values, two)
    np.testing.assert_array_equal(read_volume(tmp_path / "two_out").values, two.values)


def test_an_array_becomes_frames_and_frames_an_array(tmp_path):
    np.save(tmp_path / "a.npy", numbers((11, 5, 6)))
    volume = read_volume(tmp_path / "a.npy")
    write_volume(tmp_path / "frames", volume.values, volume)
    assert (tmp_path / "frames" / "09.png").is_file()
    video = read_volume(tmp_path / "frames")
    np.testing.assert_array_equal(video.values, volume.values)
    for name in ("b.npy", "b.tif", "b.nii"):
        write_volume(tmp_path / name, video.values, video)
        np.testing.assert_array_equal(read_volume(tmp_path / name).values, volume.values)


def test_masks_of_frames(tmp_path):
    volume = read_volume(frames(tmp_path / "in", numbers(), [f"{i}.png" for i in range(4)]))
    white = 255 * (numbers() > 60).astype(np.uint8)
    for name, mask in (("grey", white), ("colour", np.stack([white] * 3, axis=-1))):
        mask = np.where(mask == 0, 3, mask)  # as JPEG leaves black
        frames(tmp_path / name, mask, [f"{i}.png" for i in range(4)])
        np.testing.assert_array_equal(read_volume_mask(tmp_path / name, volume), white > 0)
    write_volume(tmp_path / "mask.tif", white, volume)
    np.testing.assert_array_equal(read_volume_mask(tmp_path / "mask.tif", volume), white > 0)


def test_folders_that_are_no_video(tmp_path):
    def refused(name, words):
        with pytest.raises(ValueError, match=words):
            read_volume(tmp_path / name)

    (tmp_path / "empty").mkdir()
    refused("empty", "holds no volume: neither DICOM slices nor pictures for frames")
    frames(tmp_path / "sizes", [numbers((5, 6)), numbers((6, 5))], ["1.png", "2.png"])
    refused("sizes", "2.png is 6 x 5 of uint8 and .*1.png 5 x 6 of uint8; pass a folder of frames")
    frames(tmp_path / "types", [numbers((5, 6)), numbers((5, 6), "u2")], ["1.png", "2.png"])
    refused("types", "2.png is 5 x 6 of uint16 and")
    frames(tmp_path / "twice", numbers((2, 5, 6)), ["1.png", "01.png"])
    refused("twice", "have one number; pass a folder with one file a frame")
    frames(tmp_path / "far", numbers((3, 5, 6)), ["1.png", "2.png", "99.png"])
    refused("far", "has 3 frames, numbered 1 to 99, so that most would be missing")
    frames(tmp_path / "clear", numbers((2, 5, 6, 4)), ["1.png", "2.png"])
    refused("clear", "has transparent pixels")
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "1.png").write_text("no picture")
    refused("broken", "1.png cannot be read as an image")


def test_targets_that_do_not_hold_it(tmp_path):
    volume = read_volume(frames(tmp_path / "in", numbers((2, 5, 6, 3)), ["1.png", "2.png"]))
    frames(tmp_path / "other", numbers((1, 5, 6)), ["x.png"])
    for name, words in (
        ("other", "holds 1 other pictures, such as x.png; name another folder to write"),
        ("o.nii", "would hold colours; pass a name that ends in .npy or .tif"),
        ("o.png", "o.png cannot be written; pass a name that ends in .nii.gz"),
    ):
        with pytest.raises(ValueError, match=words):
            write_volume(tmp_path / name, volume.values, volume)
    write_volume(tmp_path / "in", 1 + volume.values, volume)
    np.testing.assert_array_equal(read_volume(tmp_path / "in").values, 1 + volume.values)
