"""Which observed pixels filled in a missing one: their weights make its value."""

import dataclasses

import numpy as np
import pytest
from inpainting.test_image_prior import NETWORK, SHAPE, woven

from ntkmc import inpaint
from ntkmc.inpainting import regression, rehearsal
from ntkmc.inpainting.filled_from import by_prior, filled_from, weights
from ntkmc.inpainting.scene import BY_POSITION, REACH


def made_of_the_image(image, mask):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rehearsal, "OTHERS", {})
        patch.setattr(regression, "TOGETHER", 0)  # each pixel on its own
        return inpaint(image, mask, network=NETWORK, prior="image", ridge=1e-4)


@pytest.fixture(scope="module")
def half():
    return made_of_the_image(woven(), np.random.default_rng(3).random(SHAPE) < 0.5)


@pytest.fixture(scope="module")
def hole():
    """Wider than the window that similar pixels are looked for in."""
    mask = np.ones(SHAPE, bool)
    mask[5:40, 5:45] = False
    return made_of_the_image(woven(), mask)


@pytest.mark.slow
@pytest.mark.parametrize("case", ["half", "hole"])
def test_weights_times_values_are_the_prediction(case, request):
    result = request.getfixturevalue(case)
    prior, mask = result.image_prior, result.mask
    which = np.arange(np.count_nonzero(~mask))
    found = weights(prior, mask, which)
    assert found.shape == prior.neighbours.shape
    assert found.dtype == np.float64
    absent = prior.neighbours == mask.sum()
    assert absent.any() or case == "half"  # deep in holes
    assert not found[absent].any()
    mean = result.prediction[mask].mean()
    values = result.prediction[mask].take(prior.neighbours, mode="clip") - mean
    predicted = mean + np.sum(found * values, axis=1)
    np.testing.assert_allclose(predicted, result.prediction[~mask], rtol=0, atol=1e-11)
    np.testing.assert_allclose(weights(prior, mask, which[5:9]), found[5:9], rtol=0, atol=1e-11)


@pytest.mark.parametrize("case", ["half", "hole"])
def test_the_largest_weights_and_where_they_are(case, request):
    result = request.getfixturevalue(case)
    prior, mask = result.image_prior, result.mask
    which = np.arange(0, np.count_nonzero(~mask), 7)
    every = weights(prior, mask, which)
    nearest = int(BY_POSITION * every.shape[1])
    found = filled_from(prior, mask, which, 12)
    np.testing.assert_array_equal(found.pixels, np.argwhere(~mask)[which])
    largest = -np.sort(-np.abs(every), axis=1)[:, :12]
    np.testing.assert_array_equal(-np.sort(-np.abs(found.weights), axis=1), largest)
    sources = found.pixels[:, None] + found.offsets
    told = found.weights != 0
    assert mask[tuple(sources[told].T)].all()
    total = np.abs(every).sum(axis=1)
    np.testing.assert_allclose(found.told, largest.sum(axis=1) / total)
    np.testing.assert_allclose(found.near_share, np.abs(every[:, :nearest]).sum(axis=1) / total)
    observed = np.argwhere(mask)
    for pixel in range(0, len(which), 20):
        near = prior.neighbours[which[pixel]]
        where = {tuple(observed[n]): w for n, w in zip(near, every[pixel], strict=True) if w}
        for k in np.flatnonzero(told[pixel]):
            source = tuple(sources[pixel, k])
            assert where[source] == found.weights[pixel, k]
            position = list(near).index(np.flatnonzero((observed == source).all(axis=1))[0])
            assert (position < nearest) == (k < found.near[pixel])
    # What is near may be farther than similar ones are looked for; all of a wide hole's is near.
    apart = np.hypot(*found.offsets.transpose(2, 0, 1)).max(axis=1)
    assert (apart.max() > REACH) == (case == "hole")
    np.testing.assert_allclose(found.near_share[apart > REACH], 1)


def test_pixels_that_the_prior_left_to_others_are_none_of_its(hole):
    prior, mask = hole.image_prior, hole.mask
    deep = np.argwhere(~mask)
    depth = np.minimum(np.minimum(deep[:, 0] - 4, 40 - deep[:, 0]), deep[:, 1] - 4)
    depth = np.minimum(depth, 45 - deep[:, 1])
    shallow = depth <= 3
    np.testing.assert_array_equal(by_prior(prior, mask), deep)
    edge = dataclasses.replace(prior, deepest=3.0, neighbours=prior.neighbours[shallow])
    np.testing.assert_array_equal(by_prior(edge, mask), deep[shallow])
    which = np.arange(shallow.sum())
    everywhere = weights(prior, mask, np.flatnonzero(shallow))
    np.testing.assert_allclose(weights(edge, mask, which), everywhere, rtol=0, atol=1e-12)


def test_a_prior_that_was_not_used_filled_in_nothing(half):
    prior = dataclasses.replace(half.image_prior, kernel=None, neighbours=None)
    with pytest.raises(ValueError, match="prior was not used; pass one with a kernel"):
        weights(prior, half.mask, np.arange(3))
