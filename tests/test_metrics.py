import math

import numpy as np
import pytest

from ntkmc.baselines import biharmonic
from ntkmc.datasets import load_image
from ntkmc.metrics import psnr, ssim

rng = np.random.default_rng(0)


def test_psnr_of_a_constant_error():
    truth = rng.random((8, 9, 3))
    assert psnr(truth, truth + 0.1) == pytest.approx(20.0)
    assert psnr(truth, truth + 0.1, data_range=10.0) == pytest.approx(40.0)
    assert psnr(truth, truth) == math.inf


def test_ssim_of_equal_images_is_one_and_channels_are_averaged():
    truth, estimate = rng.random((2, 16, 12, 3))
    assert ssim(truth, truth) == pytest.approx(1.0)
    channels = [ssim(truth[..., c], estimate[..., c]) for c in range(3)]
    assert ssim(truth, estimate) == pytest.approx(np.mean(channels))


@pytest.mark.parametrize("metric", [psnr, ssim])
def test_wrong_arguments_are_refused(unchecked, metric):
    image = np.zeros((8, 8))
    with pytest.raises(ValueError, match=r"truth has dtype uint8; pass floating point"):
        metric(image.astype(np.uint8), image)
    with pytest.raises(ValueError, match=r"truth is \(8, 8\) and estimate \(8, 9\)"):
        metric(image, np.zeros((8, 9)))
    with pytest.raises(ValueError, match="pass an image"):
        metric(np.zeros(8), np.zeros(8))


def test_ssim_needs_a_window():
    with pytest.raises(ValueError, match="sides of at least 7"):
        ssim(np.zeros((6, 8)), np.zeros((6, 8)))


@pytest.mark.parametrize(
    ("name", "decibels", "similarity"), [("vase", 28.96, 0.976), ("library", 17.71, 0.861)]
)
def test_biharmonic_column_of_the_paper(data_dir, name, decibels, similarity):
    data = load_image(name, root=data_dir)
    estimate = biharmonic(data.image, data.mask)
    assert round(psnr(data.image, estimate), 2) == decibels
    assert round(ssim(data.image, estimate), 3) == similarity
