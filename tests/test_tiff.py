"""TIFF of more than 8 bits a value: types, layouts and tags that are met with."""

import numpy as np
import pytest
import tifffile
from PIL import Image

from ntkmc.images import read_image, write_image

HEIGHTS = np.random.default_rng(0).normal(500, 300, (6, 9))


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize(
    "dtype", ["float16", "float32", "float64", "int8", "int16", "int32", "uint16", "uint32"]
)
def test_what_is_written_is_read(tmp_path, dtype, channels):
    image = np.stack([HEIGHTS / 10 * (1 + c) for c in range(channels)], axis=-1).clip(0, 120)
    image = image.astype(dtype) if channels > 1 else image[..., 0].astype(dtype)
    write_image(tmp_path / "a.tif", image)
    read = read_image(tmp_path / "a.tif")
    assert read.dtype == dtype
    np.testing.assert_array_equal(read, image)
    np.testing.assert_array_equal(tifffile.imread(tmp_path / "a.tif"), image)


@pytest.mark.parametrize("compression", ["tiff_lzw", "tiff_adobe_deflate", "packbits"])
@pytest.mark.parametrize("dtype", ["float32", "int32", "uint16"])
def test_compressed_files(tmp_path, compression, dtype):
    image = HEIGHTS.clip(0).astype(dtype)
    predictor = {317: 3} if dtype == "float32" and compression != "packbits" else {}
    Image.fromarray(image).save(tmp_path / "a.tif", compression=compression, tiffinfo=predictor)
    read = read_image(tmp_path / "a.tif")
    assert read.dtype == dtype
    np.testing.assert_array_equal(read, image)


def test_bands_apart_and_big_files(tmp_path):
    bands = np.stack([HEIGHTS, 2 * HEIGHTS, 3 * HEIGHTS]).astype(np.float32)
    tifffile.imwrite(tmp_path / "a.tif", bands, photometric="rgb", planarconfig="separate")
    np.testing.assert_array_equal(read_image(tmp_path / "a.tif"), np.moveaxis(bands, 0, -1))
    tifffile.imwrite(tmp_path / "b.tif", HEIGHTS, bigtiff=True, byteorder=">")
    read = read_image(tmp_path / "b.tif")
    np.testing.assert_array_equal(read, HEIGHTS)


def gdal(path, image, text):
    tifffile.imwrite(path, image, extratags=[(42113, "s", 0, text, True)])


@pytest.mark.parametrize(
    ("dtype", "text", "becomes"),
    [
        ("float32", "-9999", "float32"),
        ("float32", "-3.4028234663852886e+38", "float32"),
        ("float64", "1e20", "float64"),
        ("int16", "-32768", "float32"),
        ("int32", "-2147483648", "float64"),
    ],
)
def test_what_stands_for_no_data_is_nan(tmp_path, dtype, text, becomes):
    image = HEIGHTS.astype(dtype)
    image[2, 3:5] = np.array(float(text), dtype)
    gdal(tmp_path / "a.tif", image, text)
    read = read_image(tmp_path / "a.tif")
    assert read.dtype == becomes
    np.testing.assert_array_equal(np.argwhere(np.isnan(read)), [[2, 3], [2, 4]])
    np.testing.assert_array_equal(read[~np.isnan(read)], image[~np.isnan(read)])


@pytest.mark.parametrize(
    ("dtype", "text"),
    [("int16", "-1234"), ("float32", "nan"), ("float64", "none"), ("uint16", "0")],
)
def test_where_no_pixel_is_without_data_the_type_stays(tmp_path, dtype, text):
    image = HEIGHTS.clip(0).astype(dtype)
    gdal(tmp_path / "a.tif", image, text)
    read = read_image(tmp_path / "a.tif")
    assert read.dtype == dtype
    np.testing.assert_array_equal(read, image)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_turned_as_pillow_turns_photographs(tmp_path, orientation):
    eight = np.arange(54, dtype=np.uint8).reshape(6, 9)
    exif = Image.Exif()
    exif[274] = orientation
    Image.fromarray(eight).save(tmp_path / "a.png", exif=exif)
    expected = read_image(tmp_path / "a.png")
    for image in (eight, eight.astype(np.float32), np.dstack([eight.astype(np.uint16)] * 3)):
        tags = [(274, "H", 1, orientation, True)]
        tifffile.imwrite(tmp_path / "a.tif", image, extratags=tags)
        read = read_image(tmp_path / "a.tif")
        np.testing.assert_array_equal(read if read.ndim == 2 else read[..., 1], expected)


@pytest.mark.parametrize(
    ("image", "options", "words"),
    [
        (np.zeros((5, 6, 9), "f4"), {"planarconfig": "separate"}, "has 5 bands; pass greys"),
        (np.zeros((6, 9, 4), "u2"), {"photometric": "rgb", "extrasamples": [0]}, "has 4 bands"),
        (np.zeros((6, 9), "c8"), {}, "holds complex64 along YX"),
    ],
)
def test_what_is_no_image(tmp_path, image, options, words):
    tifffile.imwrite(tmp_path / "a.tif", image, **{"photometric": "minisblack", **options})
    with pytest.raises(ValueError, match=rf"a\.tif cannot be read as an image: it {words}"):
        read_image(tmp_path / "a.tif")


def test_a_file_that_breaks_off(tmp_path):
    write_image(tmp_path / "whole.tif", HEIGHTS)
    content = (tmp_path / "whole.tif").read_bytes()
    for size in (3, 4, 8, 30, len(content) - 40):
        (tmp_path / "a.tif").write_bytes(content[:size])
        with pytest.raises(ValueError, match=r"a\.tif cannot be read as an image"):
            read_image(tmp_path / "a.tif")


def test_of_several_pages_the_first_is_read_and_said_to_be(tmp_path):
    with tifffile.TiffWriter(tmp_path / "a.tif") as file:
        for factor in (1, 2, 3):
            file.write(factor * HEIGHTS)
    with pytest.warns(UserWarning, match="has 3 pages; the first is read"):
        np.testing.assert_array_equal(read_image(tmp_path / "a.tif"), HEIGHTS)
