"""The part of a report that shows what each pixel was filled in from."""

import base64
import json
import re
import shutil
import subprocess

import numpy as np
import pytest
from inpainting.test_image_prior import NETWORK, SHAPE, woven
from test_report import Balanced

from ntkmc import inpaint
from ntkmc.cli import filled_from_page, main
from ntkmc.images import write_image
from ntkmc.inpainting import rehearsal
from ntkmc.inpainting.filled_from import FilledFrom, filled_from

COUNT = filled_from_page.COUNT


@pytest.fixture(scope="module")
def mask():
    return np.random.default_rng(3).random(SHAPE) < 0.5


@pytest.fixture(scope="module")
def result(mask):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rehearsal, "OTHERS", {})
        return inpaint(woven(), mask, network=NETWORK, prior="image")


@pytest.fixture(scope="module")
def packed(result):
    return filled_from_page.pack(result.image_prior, result.mask, result.image)


def read(text, dtype):
    return np.frombuffer(base64.b64decode(text), dtype)


def in_javascript(packed, expression):
    """The value of an expression of the page's script, with `data` what was packed."""
    if shutil.which("node") is None:
        pytest.skip("there is no node")
    code = filled_from_page._SCRIPT.read_text()
    program = f"{code}\nconst data = unpack({json.dumps(packed)});\n"
    program += f"console.log(JSON.stringify({expression}));"
    done = subprocess.run(["node"], input=program, capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


def test_what_is_packed_is_what_filled_pixels_in(result, packed):
    packed, count = packed
    mask, which = result.mask, np.arange(count)
    assert count == np.count_nonzero(~mask)
    found = filled_from(result.image_prior, mask, which, COUNT)
    pixels = np.stack(np.unravel_index(read(packed["pixels"], "<u4"), packed["shape"]), axis=1)
    np.testing.assert_array_equal(pixels, found.pixels)
    assert not packed["wide"]
    offsets = read(packed["offsets"], "i1").reshape(count, COUNT, 2)
    np.testing.assert_array_equal(offsets, found.offsets)
    scales = read(packed["scales"], "<f4")[:, None]
    weights = read(packed["weights"], "i1").reshape(count, COUNT) / 127 * scales
    assert (abs(weights - found.weights) <= 0.501 / 127 * scales).all()
    np.testing.assert_array_equal(read(packed["near"], "u1"), found.near)
    np.testing.assert_allclose(read(packed["nearShare"], "u1"), 100 * found.near_share, atol=0.51)
    np.testing.assert_allclose(read(packed["told"], "u1"), 100 * found.told, atol=0.51)
    np.testing.assert_array_equal(
        read(packed["values"], "<f4"), result.image[~mask].astype(np.float32)
    )


def test_the_script_reads_it(result, packed):
    packed, count = packed
    found = filled_from(result.image_prior, result.mask, np.arange(count), COUNT)
    for i in (0, 700, count - 1):
        pixel = in_javascript(packed, f"told(data, {i})")
        np.testing.assert_array_equal([pixel["row"], pixel["column"]], found.pixels[i])
        assert pixel["value"] == [np.float32(result.image[tuple(found.pixels[i])])]
        kept = np.flatnonzero(np.rint(127 * found.weights[i] / abs(found.weights[i]).max()))
        assert len(pixel["sources"]) == len(kept) >= 4
        for source, k in zip(pixel["sources"], kept, strict=True):
            there = found.pixels[i] + found.offsets[i, k]
            np.testing.assert_array_equal([source["row"], source["column"]], there)
            slack = 0.501 / 127 * abs(found.weights[i]).max()
            assert source["weight"] == pytest.approx(found.weights[i, k], abs=slack)
            assert source["near"] == (k < found.near[i])
    said = in_javascript(packed, "sentence(told(data, 700))")
    assert said.startswith(f"Row {found.pixels[700, 0]}, column {found.pixels[700, 1]}: ")
    assert f"{round(100 * found.near_share[700])} % is of near pixels" in said


def test_arrow_keys_lead_to_the_next_missing_pixel(mask, packed):
    packed, _ = packed
    missing = np.argwhere(~mask)
    start = 700
    for key, axis, sign in (
        ("ArrowRight", 1, 1),
        ("ArrowLeft", 1, -1),
        ("ArrowUp", 0, -1),
        ("ArrowDown", 0, 1),
    ):
        apart = missing[in_javascript(packed, f"next(data, {start}, '{key}')")] - missing[start]
        assert apart[axis] * sign > 0
        assert abs(apart[1 - axis]) <= abs(apart[axis])
    assert in_javascript(packed, "next(data, 0, 'ArrowUp')") == 0
    row, column = missing[start]
    square = "(rows, columns) => rows ** 2 + columns ** 2"
    at = f"closest(data, {row} + 0.3, {column} - 0.3, {square})"
    assert in_javascript(packed, at) == start


def test_large_images_tell_of_some_pixels(result, monkeypatch):
    monkeypatch.setattr(filled_from_page, "LARGEST", 20_000)
    packed, count = filled_from_page.pack(result.image_prior, result.mask, result.image)
    assert 18_000 < len(json.dumps(packed)) < 20_500
    pixels = read(packed["pixels"], "<u4")
    missing = np.flatnonzero(~result.mask)
    assert len(pixels) == count < len(missing) / 2
    assert np.isin(pixels, missing).all()
    steps = np.diff(np.searchsorted(missing, pixels))
    assert steps.max() - steps.min() <= 1  # evenly
    values = result.image.ravel()[pixels].astype(np.float32)
    np.testing.assert_array_equal(read(packed["values"], "<f4"), values)


def test_far_neighbours_take_wider_offsets(result, monkeypatch):
    far = FilledFrom(
        np.array([[3, 4]]),
        np.array([[[0, 0], [300, -200]]]),
        np.array([[0.0, 0.5]]),
        np.array([2]),
        np.array([1.0]),
        np.array([0.5]),
    )
    monkeypatch.setattr(filled_from_page, "filled_from", lambda *arguments: far)
    packed, _ = filled_from_page.pack(result.image_prior, result.mask, result.image)
    assert packed["wide"]
    [source] = in_javascript(packed, "told(data, 0).sources")  # a weight of 0 is none
    assert source == {"row": 303, "column": -196, "weight": 0.5, "near": True}


def test_the_report_has_it_where_the_prior_is_made_of_the_image(mask, tmp_path, monkeypatch):
    monkeypatch.setattr(rehearsal, "OTHERS", {})
    write_image(tmp_path / "image.png", woven())
    write_image(tmp_path / "mask.png", mask.astype(np.uint8) * 255)
    files = ["inpaint", "image.png", "--mask", "mask.png", "--out", "out.png", "--levels", "2"]
    monkeypatch.chdir(tmp_path)
    for prior in ([], ["--prior", "image"]):
        with pytest.raises(SystemExit) as ended:
            main([*files, "--report", "--force", *prior])
        assert ended.value.code == 0
        page = (tmp_path / "out.html").read_text()
        assert ("What each pixel was filled in from" in page) == bool(prior)
        assert page.count("<script") == (1 if prior else 0)
    assert "missing pixels can be chosen" not in page
    assert re.search(r"all pixels were solved for together, .* by \d\.\d% from these sums", page)
    assert re.findall(r"(?:src|href)=\"(?!data:)", page) == []
    assert not re.search("https?:", page)
    markup = re.sub(r"<script>.*?</script>", "", page, flags=re.DOTALL)
    parser = Balanced()
    parser.feed(markup)
    assert parser.open == []
    assert len(page) < 500_000
