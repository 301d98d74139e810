"""Images, masks and settings that are refused before any work."""

import numpy as np
import pytest

from ntkmc import autoencoder, inpaint
from ntkmc.architecture import Conv

NETWORK = autoencoder(2)


@pytest.mark.parametrize(
    ("image", "mask", "message"),
    [
        (np.zeros((8, 8)), np.ones((8, 9)), r"mask has shape \(8, 9\); expected \(8, 8\)"),
        (np.zeros((8, 8)), np.zeros((8, 8)), "nothing is observed"),
        (np.zeros((8, 8)), np.ones((8, 8)), "nothing is missing"),
        (np.zeros((8, 8)), None, "mask was None and the image has no NaN"),
        (np.full((8, 8), np.nan), None, "nothing is observed"),
        (np.full((8, 8), np.inf), None, "infinite"),
        (np.full((8, 8), np.nan), np.eye(8), r"8 observed pixels are not finite.*\(0, 0\)"),
        (np.zeros(8), None, r"image has shape \(8,\)"),
        (np.zeros((0, 8)), None, r"image has shape \(0, 8\)"),
        (np.zeros((8, 8), complex), None, "dtype complex128"),
        (
            np.zeros((8, 8, 3)),
            np.ones((8, 8, 3)),
            "if the last are channels, pass a mask",
        ),
        (np.zeros((8, 8)), np.ones((8, 8, 8)), r"image has shape \(8, 8\); expected 3 axes"),
        (np.zeros((8, 8, 8)), np.ones((8, 8, 9)), r"mask has shape \(8, 8, 9\)"),
        (np.full((8, 8, 8), np.nan), np.ones((8, 8, 8)) - np.eye(8), r"the first at \(0, 0, 1\)"),
    ],
)
def test_bad_images_and_masks(image, mask, message):
    with pytest.raises(ValueError, match=message):
        inpaint(image, mask, network=NETWORK)


@pytest.mark.parametrize(
    ("settings_", "words"),
    [
        ({"network": 6}, "network was 6; pass 'auto', or a Sequential or Parallel, such as"),
        ({"network": np.ones(3)}, "network was array"),
        ({"network": [Conv(3)]}, r"network was \[Conv"),
        ({"ridge": "loo"}, "ridge was 'loo'; pass a number >= 0"),
        ({"ridge": -1.0, "network": "auto"}, "ridge was -1.0; pass a number"),
        ({"ridge": float("nan")}, "ridge was nan"),
        ({"ridge": [1e-3, 1e-4]}, r"ridge was \[0.001, 0.0001\]; pass a number"),
        ({"rtol": -1e-3, "solver": "cholesky"}, "rtol was -0.001; pass a number between 0 and 1"),
        ({"margin": 1.5}, "margin was 1.5; pass a whole number of pixels, at least 0"),
        ({"margin": "8"}, "margin was '8'; pass a whole"),
        ({"margin": (4, 4)}, r"margin was \(4, 4\); pass a whole"),
        ({"rtol": "fast"}, "rtol was 'fast'"),
        ({"prior": "iid_uniform"}, r"prior was a str of shape \(\); pass features"),
        ({"prior": np.ones((20, 26))}, r"prior was a ndarray of shape \(20, 26\)"),
        ({"solver": "magic"}, "solver was 'magic'"),
        ({"solver": None}, "solver was None; pass 'auto'"),
        ({"kernel": np.eye(520)}, "kernel was a ndarray; pass a GridKernel"),
        ({"channel_axis": 2}, r"channel_axis was 2 and the image has shape"),
        ({"channel_axis": "last"}, "channel_axis was 'last'"),
        ({"channel_axis": 0}, "expected 2 axes as its mask has|expected .* and that of channels"),
    ],
)
def test_settings_are_checked_before_the_work(settings_, words, unchecked):
    image, heard = np.random.default_rng(0).random((20, 26)), []
    options = {"network": NETWORK, "progress": lambda *call: heard.append(call), **settings_}
    with pytest.raises(ValueError, match=words):
        inpaint(image, image < 0.5, **options)
    assert not heard


@pytest.mark.parametrize(
    ("settings_", "words"),
    [
        ({"prior": "image"}, "the mask has 3 axes; features, .* and priors made of the image are"),
        ({"prior": np.ones((1, 8, 8))}, "the mask has 3 axes; features"),
        ({"network": autoencoder(1, padding="same")}, "the network no PeriodicKernel"),
    ],
)
def test_what_only_pictures_have(settings_, words):
    volume = np.random.default_rng(0).random((8, 8, 8))
    with pytest.raises(ValueError, match=words):
        inpaint(volume, volume < 0.5, **{"network": NETWORK, **settings_})
