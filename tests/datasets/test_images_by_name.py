import functools
import hashlib
import http.server
import threading
from pathlib import Path

import numpy as np
import platformdirs
import pytest
import skimage

from ntkmc.datasets import CHECKSUMS, images, load_image
from ntkmc.datasets.images import PHOTOGRAPHS
from ntkmc.images import write_image

# Of the authors' images those that the data folder need not have.
NAMES = ("bird", "car", "flower", "horse", "lion", "squirrel", "tiger", "truck", "turtle")
AUTHORS_FILES = ("kate.png", *(f"{name}.jpg" for name in NAMES))


class QuietHandler(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *arguments):
        pass


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.delenv("NTKMC_DATA", raising=False)
    greys = np.arange(48, dtype=np.uint8).reshape(6, 8)
    write_image(tmp_path / "images" / "mine.png", greys)
    write_image(tmp_path / "images" / "mine_mask.png", (greys > 9).astype(np.uint8) * 255)
    write_image(tmp_path / "images" / "photo.jpg", greys)
    return tmp_path


@pytest.fixture
def server():
    """Serves a folder over HTTP for the length of a test: ``server(folder)`` is its address."""
    servers = []

    def serve(folder):
        handler = functools.partial(QuietHandler, directory=str(folder))
        servers.append(http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler))
        threading.Thread(target=servers[-1].serve_forever, daemon=True).start()
        return f"http://127.0.0.1:{servers[-1].server_port}"

    yield serve
    for running in servers:
        running.shutdown()
        running.server_close()


def test_from_a_folder(folder):
    data = load_image("mine", root=folder)
    assert data.name == "mine"
    np.testing.assert_array_equal(data.image * 255, np.arange(48).reshape(6, 8))
    assert (~data.mask).sum() == 10
    assert load_image("photo", root=folder).mask is None


def test_from_the_environment(folder, monkeypatch):
    monkeypatch.setenv("NTKMC_DATA", str(folder))
    assert load_image("mine").image.shape == (6, 8)


def test_a_missing_file_says_where_it_was_looked_for(folder):
    with pytest.raises(FileNotFoundError, match=r"not at .*images/vase.png or .*; set NTKMC_DATA"):
        load_image("vase", root=folder)
    with pytest.raises(FileNotFoundError, match="there is no data folder; set NTKMC_DATA"):
        load_image("vase")


@pytest.mark.parametrize("file", AUTHORS_FILES)
def test_the_authors_images_by_name(folder, file):
    name, pixels = Path(file).stem, np.full((6, 8, 3), 51, np.uint8)
    source = rf"{file}.* can be had from .*https://github.com/uhlerlab/ntk_matrix_completion"
    places = rf"not at {folder}/images/{name}.png or {folder}/images/{name}.jpg; set NTKMC_DATA"
    with pytest.raises(FileNotFoundError, match=rf"{places}.*{source}"):
        load_image(name, root=folder)
    with pytest.raises(FileNotFoundError, match=rf"there is no data folder; set .*{source}"):
        load_image(name)
    write_image(folder / "images" / file, pixels)
    data = load_image(name, root=folder)
    np.testing.assert_allclose(data.image, pixels / 255, atol=2 / 255)
    assert data.mask is None
    mask = np.arange(48).reshape(6, 8) > 9
    write_image(folder / "images" / f"{name}_mask.png", mask.astype(np.uint8) * 255)
    np.testing.assert_array_equal(load_image(name, root=folder).mask, mask)


def test_photographs_of_scikit_image(folder):
    for name in PHOTOGRAPHS:
        data = load_image(name, root=folder)
        np.testing.assert_array_equal(data.image, getattr(skimage.data, name)() / 255)
        assert data.mask is None
    assert load_image("coffee").image.shape == (400, 600, 3)
    write_image(folder / "images" / "coffee.png", np.zeros((6, 8), np.uint8))
    assert load_image("coffee", root=folder).image.shape == (6, 8)


def test_a_mask_of_another_size_is_refused(folder):
    write_image(folder / "images" / "mine_mask.png", np.ones((3, 3)))
    with pytest.raises(ValueError, match=r"mine_mask.png is \(3, 3\) and its image \(6, 8\)"):
        load_image("mine", root=folder)


def test_download_is_checked(folder, tmp_path, monkeypatch, server):
    monkeypatch.setattr(platformdirs, "user_cache_dir", lambda name: str(tmp_path / "cache"))
    content = (folder / "images" / "mine.png").read_bytes()
    monkeypatch.setattr(images, "CHECKSUMS", {"mine.png": hashlib.sha256(content).hexdigest()})
    url = server(folder / "images")
    assert load_image("mine", url=url).image.shape == (6, 8)
    (tmp_path / "cache" / "images" / "mine.png").unlink()
    write_image(folder / "images" / "mine.png", np.ones((6, 8)))
    with pytest.raises(ValueError, match="does not match the known hash"):
        load_image("mine", url=url)


def test_only_images_with_a_checksum_are_downloaded(monkeypatch):
    monkeypatch.delenv("NTKMC_DATA", raising=False)
    with pytest.raises(
        FileNotFoundError, match=r"'mine' has no checksum; pass one of barbara, bird, boat"
    ):
        load_image("mine", url="http://localhost:1/")


def test_checksums_are_those_of_the_real_files(data_dir):
    absent = {*AUTHORS_FILES, "kate_mask.png"}
    for file, checksum in CHECKSUMS.items():
        if file in absent and not (data_dir / "images" / file).exists():
            continue
        content = (data_dir / "images" / file).read_bytes()
        assert hashlib.sha256(content).hexdigest() == checksum
