import numpy as np

from ntkmc.baselines.colour_histogram import (
    chi_squared,
    colour_histograms,
    histogram_kernel,
    mean_distance,
)


def test_pixels_are_counted_by_their_colour_alone():
    image = np.zeros((1, 2, 2, 3))
    image[0, 0, 0] = (1, 0, 0.49)
    image[0, 1, 1] = (0.2, 0.5, 0.1)
    (found,) = colour_histograms(image, bins=2)
    np.testing.assert_array_equal(found, [0.5, 0.25, 0.25, 0, 0, 0, 0, 0])
    images = np.random.default_rng(0).random((3, 6, 6, 3))
    turned = np.rot90(images, axes=(1, 2))
    np.testing.assert_array_equal(colour_histograms(turned), colour_histograms(images))
    np.testing.assert_allclose(colour_histograms(images).sum(axis=1), 1)


def test_the_kernel_is_that_of_its_formula():
    histograms = colour_histograms(np.random.default_rng(1).random((7, 5, 5, 3)), bins=3)
    first, second = histograms[:4], histograms[4:]
    total = first[:, None] + second
    squares = (first[:, None] - second) ** 2
    distances = np.divide(squares, total, out=np.zeros_like(total), where=total > 0).sum(axis=2)
    np.testing.assert_allclose(chi_squared(first, second), distances)
    np.testing.assert_allclose(histogram_kernel(first, second, 0.3), np.exp(-distances / 0.3))
    pairs = chi_squared(histograms, histograms)[np.triu_indices(7, 1)]
    np.testing.assert_allclose(mean_distance(histograms), pairs.mean())
    kernel = histogram_kernel(histograms, histograms, mean_distance(histograms))
    assert np.linalg.eigvalsh(kernel).min() > 0
