"""Random features of patches: their covariance, and what they leave out."""

import jax
import numpy as np
import pytest

from ntkmc.priors import PatchPrior


def noise(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape)


def distance(image, width, a, b):
    """|p(a) - p(b)|^2 in float64, by the definition: averages of averages, the middle left out."""
    image = image.reshape(*image.shape[:2], -1)
    radius = width // 2
    window = np.ones(1)
    for _ in range(radius):
        window = np.convolve(window, [1 / 3] * 3)
    around = [(radius, radius), (radius, radius), (0, 0)]
    padded = np.pad(image, around, mode="reflect")
    patches = [padded[y : y + width, x : x + width] for y, x in (a, b)]
    square = ((patches[0] - patches[1]) ** 2).mean(axis=-1) * np.outer(window, window)
    square[radius, radius] = 0
    return square.sum()


@pytest.mark.parametrize(
    ("shape", "width"), [((9, 11), 7), ((8, 7, 3), 5), ((3, 2), 3), ((1, 9), 3)]
)
def test_patches_have_the_distance_of_the_definition(shape, width):
    image = 5 + noise(*shape)
    patches = PatchPrior(image, 1.0, width).patches()
    for a, b in (((0, 0), (shape[0] - 1, shape[1] - 1)), ((shape[0] // 2, 1), (0, shape[1] // 2))):
        found = ((patches[a] - patches[b]) ** 2).sum()
        np.testing.assert_allclose(found, distance(image, width, a, b), rtol=1e-5)


def test_a_pixel_is_not_among_its_own_features():
    image = noise(9, 9)
    changed = image.copy()
    changed[4, 4] += 3
    before, after = (PatchPrior(each, 1.0).patches() for each in (image, changed))
    # One far from the change; the mean that is taken off moves both alike.
    squares = [((patches - patches[0, 0]) ** 2).sum(axis=-1) for patches in (before, after)]
    np.testing.assert_allclose(squares[1][4, 4], squares[0][4, 4], rtol=1e-5)
    assert abs(squares[1] - squares[0])[4, 5] > 0.01 * squares[0][4, 5]


def test_covariance_of_drawn_features():
    image = noise(4, 5, 2)
    prior = PatchPrior(image, 0.7, 3, scale=2.5)
    channels = 20_000
    features = np.asarray(prior.sample(jax.random.key(0), channels), np.float64)
    assert features.shape == (channels, 4, 5)
    flat = features.reshape(channels, -1)
    found = flat.T @ flat / channels
    places = np.argwhere(np.ones((4, 5), bool))
    expected = np.array(
        [
            [
                np.exp(-(distance(image, 3, a, b) / 0.49 + ((a - b) ** 2).sum() / 6.25) / 2)
                for b in map(np.array, places)
            ]
            for a in map(np.array, places)
        ]
    )
    # each product has a variance of at most 3/2 - 1
    assert abs(found - expected).max() < 4.5 * np.sqrt(1.5 / channels)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((np.ones(3), 1.0), "image was of shape .3,."),
        ((np.ones((3, 3), complex), 1.0), "type complex128"),
        ((np.full((3, 3), np.nan), 1.0), "image has values that are not finite"),
        ((np.ones((3, 3)), 0.0), "bandwidth was 0.0; pass a positive number"),
        ((np.ones((3, 3)), 1.0, 4), "width was 4; pass an odd number"),
        ((np.ones((3, 3)), 1.0, 1), "width was 1; pass an odd number"),
        ((np.ones((3, 3)), 1.0, 3, -1.0), "scale was -1.0; pass a positive number"),
    ],
)
def test_refusals(arguments, message):
    with pytest.raises(ValueError, match=message):
        PatchPrior(*arguments)
