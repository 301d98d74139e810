import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from ntkmc.images import as_float, read_image, read_mask, write_image


def pixels(shape, dtype=np.uint8):
    return np.random.default_rng(0).integers(0, np.iinfo(dtype).max, shape, dtype, endpoint=True)


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
    with pytest.raises(ValueError, match="for greys only"):
        write_image(tmp_path / "a.png", np.zeros((4, 4, 3)), bits=16)
