import math

import numpy as np
import pytest

from ntkmc.baselines import biharmonic
from ntkmc.datasets import load_image
from ntkmc.metrics import psnr, psnr_inside, ssim, ssim_inside

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


@pytest.mark.parametrize("shape", [(9, 8, 10), (9, 8, 10, 2)])
def test_the_measures_of_a_part(shape):
    rng = np.random.default_rng(0)
    truth = rng.random(shape)
    inside = np.zeros((9, 8, 10), bool)
    inside[4:6, 4, 5] = True
    estimate = np.where(inside.reshape(9, 8, 10, *[1] * (len(shape) - 3)), truth + 0.1, truth)
    # Twice the range is 6 dB more; the voxels outside do not count.
    assert psnr_inside(truth, estimate, inside, 2.0) == pytest.approx(20 + 20 * np.log10(2))
    assert psnr_inside(truth, truth, inside, 1.0) == np.inf
    similarity = ssim_inside(truth, estimate, inside, 1.0)
    assert 0 < similarity < ssim_inside(truth, estimate, ~inside, 1.0) < 1
    assert ssim_inside(truth, truth, inside, 1.0) == pytest.approx(1.0)


def test_a_part_that_cannot_be_measured_is_refused(unchecked):
    truth, inside = np.zeros((8, 8)), np.ones((8, 8), bool)
    with pytest.raises(ValueError, match="inside is False everywhere"):
        psnr_inside(truth, truth, ~inside, 1.0)
    with pytest.raises(ValueError, match=r"inside \(8, 7\); pass equal shapes"):
        psnr_inside(truth, truth, inside[:, :7], 1.0)
    with pytest.raises(ValueError, match=r"the sides are \(6, 8\)"):
        ssim_inside(truth[:6], truth[:6], inside[:6], 1.0)
