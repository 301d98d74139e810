import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from ntkmc.images import as_float, holds, read_image, read_mask, require_held, write_image


def pixels(shape, dtype=np.uint8):
    return np.random.default_rng(0).integers(0, np.iinfo(dtype).max, shape, dtype, endpoint=True)


SUFFIXES = (".png", ".jp2", ".webp", ".tga", ".jpg", ".bmp", ".ppm", ".pgm", ".gif", ".tif")


@pytest.mark.parametrize("shape", [(5, 7), (5, 7, 2), (5, 7, 3), (5, 7, 4)])
def test_eight_bits_round_trip_as_integers_and_floats(tmp_path, shape):
    image = pixels(shape)
    for given in (image, as_float(image), as_float(image, np.float32)):
        write_image(tmp_path / "new" / "a.png", given)
        read = read_image(tmp_path / "new" / "a.png")
        assert read.dtype == np.uint8
        np.testing.assert_array_equal(read, image)


def test_sixteen_bit_greys_round_trip(tmp_path):
    image = pixels((5, 7), np.uint16)
    for given in (image, as_float(image, np.float32)):
        write_image(tmp_path / "a.png", given, bits=16)
        read = read_image(tmp_path / "a.png")
        assert read.dtype == np.uint16
        np.testing.assert_array_equal(read, image)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_what_a_format_is_said_to_hold_comes_back(tmp_path, suffix):
    """And what it is not is refused: compression may change values of 8 bits, by little."""
    held = 0
    for dtype in (np.uint8, np.uint16, np.int16, np.int32, np.float32, np.float64):
        for channels in (1, 2, 3, 4):
            image = np.full((16, 16, channels), 99, dtype)
            if np.dtype(dtype).itemsize > 1:
                image += (300 * np.arange(16)).astype(dtype)[:, None, None]
            path = tmp_path / f"{np.dtype(dtype)}_{channels}{suffix}"
            if not holds(path, dtype, channels):
                with pytest.raises(ValueError, match=rf"{suffix} does not hold .*; pass a name"):
                    require_held(path, dtype, channels)
                continue
            held += 1
            write_image(path, image)
            read = read_image(path)
            assert read.dtype == dtype
            # Greys may come back as colours.
            expected = 99 if dtype is np.uint8 else image.reshape(read.shape)
            np.testing.assert_allclose(read, expected, atol=2)
    assert held >= 1


def test_floats_become_integers_where_no_floats_are_held(tmp_path):
    image = np.linspace(0, 1, 35, dtype=np.float32).reshape(5, 7)
    write_image(tmp_path / "a.tif", image)
    np.testing.assert_array_equal(read_image(tmp_path / "a.tif"), image)
    write_image(tmp_path / "a.tif", image, bits=8)
    assert read_image(tmp_path / "a.tif").dtype == np.uint8
    with pytest.raises(ValueError, match=r"a\.png cannot be written: the image has NaN"):
        write_image(tmp_path / "a.png", np.where(image > 0.5, np.nan, image))
    write_image(tmp_path / "a.pfm.tif", np.where(image > 0.5, np.nan, image))
    assert np.isnan(read_image(tmp_path / "a.pfm.tif")).sum() == (image > 0.5).sum()


def test_floats_that_are_no_tiff(tmp_path):
    image = np.linspace(-5, 3000, 35, dtype=np.float32).reshape(5, 7)
    Image.fromarray(image).save(tmp_path / "a.pfm")
    np.testing.assert_array_equal(read_image(tmp_path / "a.pfm"), image)


def sixteen_bit_colour_png(height, width):
    """The bytes of a white PNG with 16 bits a colour, which Pillow reads and cannot write."""

    def chunk(kind, data):
        checksum = struct.pack(">I", zlib.crc32(kind + data))
        return struct.pack(">I", len(data)) + kind + data + checksum

    rows = (b"\0" + b"\xff" * 6 * width) * height  # each row starts with its filter, 0
    header = struct.pack(">IIBBBBB", width, height, 16, 2, 0, 0, 0)
    signature = b"\x89PNG\r\n\x1a\n"
    body = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    return signature + body


def test_sixteen_bit_colour_is_read_with_a_warning(tmp_path):
    (tmp_path / "a.png").write_bytes(sixteen_bit_colour_png(3, 4))
    with pytest.warns(UserWarning, match="has 16 bits a colour; 8 of them are read"):
        image = read_image(tmp_path / "a.png")
    np.testing.assert_array_equal(image, np.full((3, 4, 3), 255, np.uint8))


def test_palette_one_bit_and_cmyk(tmp_path):
    colour = Image.fromarray(pixels((8, 8, 3)))
    colour.convert("P").save(tmp_path / "p.png")
    colour.convert("1").save(tmp_path / "one.png")
    colour.convert("CMYK").save(tmp_path / "c.jpg")
    assert read_image(tmp_path / "p.png").shape == (8, 8, 3)
    assert set(np.unique(read_image(tmp_path / "one.png"))) <= {0, 255}
    assert read_image(tmp_path / "c.jpg").shape == (8, 8, 3)


def test_a_colour_that_stands_for_transparent(tmp_path):
    """The chunk tRNS of a PNG: by palette, by grey, by colour, with 1, 8 and 16 bits."""
    grey = np.arange(35, dtype=np.uint8).reshape(5, 7)
    colour = np.dstack([grey, grey, grey[::-1]])
    palette = Image.fromarray(grey)
    palette.putpalette([value for i in range(256) for value in (i, i // 2, 255 - i)])
    for name, image, key, transparent in (
        ("palette", palette, 9, grey == 9),
        ("grey", Image.fromarray(grey), 11, grey == 11),
        ("colour", Image.fromarray(colour), (17, 17, 17), (colour == 17).all(axis=2)),
        ("bits", Image.fromarray(grey > 20), 0, grey <= 20),
        ("deep", Image.fromarray(grey.astype(np.uint16) * 999), 1998, grey == 2),
    ):
        image.save(tmp_path / f"{name}.png", transparency=key)
        read = read_image(tmp_path / f"{name}.png")
        assert read.shape[2] == (4 if name in ("palette", "colour") else 2)
        np.testing.assert_array_equal(read[..., -1] == 0, transparent)
        assert (read[..., -1][~transparent] == np.iinfo(read.dtype).max).all()


def test_of_several_pictures_the_first_is_read_and_said_to_be(tmp_path):
    frames = [Image.fromarray(np.full((4, 4), value, np.uint8)) for value in (3, 200)]
    for suffix, words in (("gif", "2 pictures"), ("tif", "2 pages"), ("png", "2 pictures")):
        path = tmp_path / f"a.{suffix}"
        frames[0].save(path, save_all=True, append_images=frames[1:])
        with pytest.warns(UserWarning, match=f"has {words}; the first is read"):
            assert read_image(path).max() == 3


def test_photographs_are_turned_as_their_tag_says(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by a quarter
    Image.fromarray(pixels((4, 6))).save(tmp_path / "a.jpg", exif=exif)
    assert read_image(tmp_path / "a.jpg").shape == (6, 4)


def test_floats_are_clipped_and_rounded(tmp_path):
    write_image(tmp_path / "a.png", np.array([[-0.2, 0.0019, 0.002, 1.3]]))
    assert read_image(tmp_path / "a.png").tolist() == [[0, 0, 1, 255]]


def test_mask_is_true_where_light(tmp_path):
    for name, image in {
        "grey": np.array([[0, 100, 200, 255]], np.uint8),
        "rgb": np.array([[0, 100, 200, 255]], np.uint8)[..., None].repeat(3, 2),
        "rgba": np.array(
            [[[0, 0, 0, 255], [99, 99, 99, 255], [200, 200, 200, 0], [255] * 4]], "u1"
        ),
    }.items():
        write_image(tmp_path / f"{name}.png", image)
        assert read_mask(tmp_path / f"{name}.png").tolist() == [[False, False, True, True]]


@pytest.mark.parametrize("white", [1, 100, 255])
def test_white_in_a_mask_may_be_any_number(tmp_path, white):
    seen = np.eye(6, dtype=bool)
    for dtype in (np.uint8, np.int16, np.float32, np.float64):
        write_image(tmp_path / "mask.tif", (white * seen).astype(dtype))
        np.testing.assert_array_equal(read_mask(tmp_path / "mask.tif"), seen)
    write_image(tmp_path / "mask.tif", np.where(seen, np.float32(white), np.nan))
    np.testing.assert_array_equal(read_mask(tmp_path / "mask.tif"), seen)
    write_image(tmp_path / "mask.tif", np.zeros((6, 6), np.float32))
    assert not read_mask(tmp_path / "mask.tif").any()


def test_what_cannot_be_read_or_written(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no image at .*a\.png"):
        read_image(tmp_path / "a.png")
    (tmp_path / "a.png").write_text("not an image")
    with pytest.raises(ValueError, match="cannot be read as an image"):
        read_image(tmp_path / "a.png")
    with pytest.raises(ValueError, match="cannot be written"):
        write_image(tmp_path / "a.jpg", pixels((4, 4, 4)))
    with pytest.raises(ValueError, match="cannot be written"):
        write_image(tmp_path / "a.what", pixels((4, 4)))
    with pytest.raises(ValueError, match=r"hold RGB of type uint16; pass a name that .* \.tif or"):
        write_image(tmp_path / "a.png", np.zeros((4, 4, 3)), bits=16)
    with pytest.raises(ValueError, match="a name without ending does not hold greys"):
        write_image(tmp_path / "a", pixels((4, 4)))
    with pytest.raises(ValueError, match="5 channels of type uint8; pass 1 to 4 channels"):
        write_image(tmp_path / "a.tif", pixels((4, 4, 5)))
