"""Deep Image Prior: the hourglass of its paper, and what training it does to an image."""

import math
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from ntkmc import NotEnoughMemoryError, memory
from ntkmc.finite import SkipNetwork, deep_image_prior
from ntkmc.metrics import psnr

dip = sys.modules["ntkmc.finite.deep_image_prior"]  # the package has a function of this name
SHAPE = (26, 32)  # padded to 28 x 32


def smooth():
    y, x = np.mgrid[: SHAPE[0], : SHAPE[1]]
    return 0.5 + 0.25 * np.sin(y / 9) + 0.2 * np.cos(x / 7 + y / 20)


@pytest.fixture(scope="module")
def mask():
    return np.random.default_rng(0).random(SHAPE) < 0.5


@pytest.fixture(autouse=True, scope="module")
def small():
    """A network that compiles in little time."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(dip, "SCALES", 2)
        patch.setattr(dip, "WIDTH", 16)
        yield


@pytest.fixture(scope="module")
def result(mask):
    # What is missing has no part: no number would be left.
    holed = np.where(mask, smooth(), np.nan)
    return deep_image_prior(holed, mask, steps=150, learning_rate=1e-2, seed=1, truth=smooth())


@pytest.mark.slow
def test_is_trained_on_what_is_observed(result, mask):
    image = smooth()
    assert result.image.shape == SHAPE
    np.testing.assert_array_equal(result.image[mask], image[mask].astype(np.float32))
    assert result.steps == 150
    assert np.isfinite(result.prediction).all()
    assert result.history["loss"][-1] < 0.2 * result.history["loss"][0]
    assert 0 < result.prediction.min() < result.prediction.max() < 1
    flat = np.where(mask, image, image[mask].mean())
    assert psnr(image, result.best.image) > psnr(image, flat) + 3


def test_parameters_are_those_of_the_paper():
    """Counted by hand: 3 x 3 and 1 x 1 filters, gains and shifts of each normalization."""
    network = nnx.eval_shape(lambda: SkipNetwork(32, 1, rngs=nnx.Rngs(0)))
    expected = 0
    for channels in (32, 128, 128, 128, 128):
        expected += 4 * channels + 8  # beside
        expected += 9 * channels * 128 + 256 + 9 * 128 * 128 + 256  # down
        expected += 2 * 132 + 9 * 132 * 128 + 256 + 128 * 128 + 256  # up
    expected += 128 + 1
    counted = sum(math.prod(leaf.shape) for leaf in jax.tree.leaves(nnx.state(network, nnx.Param)))
    assert counted == expected


def test_a_shift_by_a_coarse_cell_shifts_the_image():
    """Where all is constant near the edges, exactly: mirrored, it stays so."""
    network = SkipNetwork(3, 2, rngs=nnx.Rngs(0), scales=1, width=8)
    x = jnp.full((1, 32, 32, 3), 0.5)
    x = x.at[:, 8:22, 8:22].set(jax.random.uniform(jax.random.key(0), (1, 14, 14, 3)))
    run = nnx.jit(lambda network, x: network(x))
    still, moved = run(network, x), run(network, jnp.roll(x, (2, 2), axis=(1, 2)))
    np.testing.assert_allclose(moved, jnp.roll(still, (2, 2), axis=(1, 2)), atol=1e-5)
    assert np.std(still) > 1e-3


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"image": 300 * smooth()}, "image has .* observed pixels, not all with values in"),
        ({"mask": np.zeros(SHAPE, bool)}, "image has 0 observed pixels"),
        ({"image": smooth()[..., None, None]}, r"image has shape \(26, 32, 1, 1\) and mask"),
        ({"image": np.full(SHAPE, np.nan)}, "not all with values in"),
        ({"input_noise": -1.0}, "input_noise was -1.0; pass a standard deviation"),
        ({"steps": 0}, "steps was 0; pass at least 1"),
    ],
)
def test_refusals(change, message, mask):
    arguments = {"image": smooth(), "mask": mask, "steps": 1} | change
    with pytest.raises(ValueError, match=message):
        deep_image_prior(**arguments)


def test_memory_is_predicted(mask, monkeypatch):
    monkeypatch.setattr(memory, "available_bytes", lambda: 1000)
    with pytest.raises(NotEnoughMemoryError, match="an hourglass of 16 channels on 28 x 32"):
        deep_image_prior(smooth(), mask)
