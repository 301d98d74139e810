"""Training: every variant learns, stops at its best, goes on where it was interrupted."""

import jax
import numpy as np
import optax
import pytest
from flax import nnx

from ntkmc import autoencoder
from ntkmc.architecture import Conv, Downsample, Sequential
from ntkmc.datasets import hole_mask
from ntkmc.finite import CheckpointError, from_architecture, train
from ntkmc.metrics import psnr

MASK = hole_mask((12, 16), (3, 4))
FEATURES = jax.random.uniform(jax.random.key(0), (12, 16, 8))


def picture(channels=2):
    y, x = np.mgrid[:12, :16]
    plane = 0.5 + 0.3 * np.sin(y / 3) * np.cos(x / 4)
    return np.stack([plane * (1 - 0.2 * c) for c in range(channels)], axis=-1)


def module(out_channels=2, seed=0, **options):
    rngs = nnx.Rngs(seed)
    return from_architecture(autoencoder(1), 16, 8, out_channels, rngs=rngs, **options)


@pytest.mark.slow
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"parameterization": "standard"},
        {"batch_norm": True, "sigmoid": True, "skip_channels": 4},
    ],
    ids=["plain", "standard", "batch norm, sigmoid, skip"],
)
def test_loss_falls_tenfold(options):
    result = train(module(**options), FEATURES, picture(), MASK, steps=60)
    assert result.history["loss"].shape == (60,)
    assert result.history["loss"][-1] < result.history["loss"][0] / 10
    assert list(result.history) == ["loss"]
    assert result.best is None
    assert result.held_out is None
    np.testing.assert_allclose(result.image[MASK], picture()[MASK], rtol=1e-6)
    np.testing.assert_array_equal(result.image[~MASK], result.prediction[~MASK])


def test_the_loss_is_the_mean_square_on_observed_pixels():
    network = module()
    before = np.asarray(network(FEATURES[None])[0])
    result = train(network, FEATURES, picture(), MASK, optimiser=optax.sgd(0.1), steps=1)
    expected = np.mean((before - picture())[MASK] ** 2)
    assert result.history["loss"][0] == pytest.approx(expected, rel=1e-5)
    # and the module is the trained one
    after = np.asarray(network(FEATURES[None])[0])
    np.testing.assert_allclose(result.prediction, after, atol=1e-6)
    assert np.mean((after - picture())[MASK] ** 2) < expected


@pytest.mark.slow
def test_stops_at_the_best_against_the_truth_and_on_held_out_pixels():
    truth, heard = picture(), []
    network = module(batch_norm=True, sigmoid=True)
    result = train(
        network,
        FEATURES,
        np.where(MASK[..., None], truth, np.nan),
        MASK,
        optimiser=optax.adam(0.1),  # large, for a bumpy path
        steps=70,
        truth=truth,
        held_out=0.1,
        progress=lambda *call: heard.append(call),
    )
    assert heard == [("training", 50, 70), ("training", 70, 70)]
    for stopped, name in ((result.best, "psnr"), (result.held_out, "held_out_psnr")):
        curve = result.history[name]
        assert stopped.step == curve.argmax() if stopped.step < 70 else stopped.psnr > curve.max()
        assert stopped.psnr >= curve.max()
        np.testing.assert_allclose(stopped.image[MASK], truth[MASK], rtol=1e-6)
    assert result.best.step != result.held_out.step
    assert result.best.psnr == pytest.approx(psnr(truth, result.best.image.astype(float)), abs=1e-3)
    # the same training, stopped at that step, ends with that image
    again = train(
        module(batch_norm=True, sigmoid=True),
        FEATURES,
        truth,
        MASK,
        optimiser=optax.adam(0.1),
        steps=result.best.step,
        held_out=0.1,
    )
    np.testing.assert_allclose(again.image, result.best.image, atol=1e-4)


def test_held_out_pixels_are_not_trained_on():
    """Values there can be anything: the weights, and so the prediction, stay the same."""
    network, other = module(), module()
    first = train(network, FEATURES, picture(), MASK, steps=5, held_out=0.2, seed=3)
    image = picture()
    seen = np.flatnonzero(MASK)
    held = np.random.default_rng(3).choice(seen, round(0.2 * seen.size), replace=False)
    image.reshape(-1, 2)[held] += 5
    second = train(other, FEATURES, image, MASK, steps=5, held_out=0.2, seed=3)
    np.testing.assert_array_equal(first.prediction, second.prediction)
    assert (first.history["held_out_psnr"] > second.history["held_out_psnr"]).all()


@pytest.mark.slow
def test_an_interrupted_training_ends_as_if_it_had_not_been(tmp_path):
    def run(steps, **where):
        settings = {"truth": picture(), "held_out": 0.1, "checkpoint_every": 10, **where}
        network = module(batch_norm=True, sigmoid=True)
        return train(network, FEATURES, picture(), MASK, steps=steps, **settings)

    whole = run(32)
    begun = run(17, checkpoint=tmp_path / "state")
    resumed = run(32, checkpoint=tmp_path / "state")
    assert (begun.resumed_from, resumed.resumed_from, resumed.steps) == (0, 17, 32)
    np.testing.assert_array_equal(resumed.prediction, whole.prediction)
    for name, curve in whole.history.items():
        np.testing.assert_array_equal(resumed.history[name], curve)
    for one, other in ((resumed.best, whole.best), (resumed.held_out, whole.held_out)):
        assert (one.step, one.psnr) == (other.step, other.psnr)
        np.testing.assert_array_equal(one.image, other.image)
    # nothing is left to do
    assert run(32, checkpoint=tmp_path / "state").resumed_from == 32


def test_a_checkpoint_of_another_training_is_refused(tmp_path):
    train(module(), FEATURES, picture(), MASK, steps=2, checkpoint=tmp_path)
    with pytest.raises(CheckpointError, match="another module; pass a new folder"):
        train(module(seed=1), FEATURES, picture(), MASK, steps=4, checkpoint=tmp_path)
    with pytest.raises(CheckpointError, match="another image"):
        train(module(), FEATURES, picture() / 2, MASK, steps=4, checkpoint=tmp_path)
    with pytest.raises(CheckpointError, match="has 2 steps behind it; steps was 1"):
        train(module(), FEATURES, picture(), MASK, steps=1, checkpoint=tmp_path)


def test_an_image_smaller_than_the_features_and_without_channels():
    image = picture()[:11, :13, 0]
    result = train(module(1), FEATURES, image, MASK[:11, :13], steps=3, truth=image)
    assert result.image.shape == result.prediction.shape == result.best.image.shape == (11, 13)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"mask": MASK[:, 1:]}, r"mask has shape \(12, 15\)"),
        ({"mask": np.zeros_like(MASK)}, "nothing is observed"),
        ({"image": np.full((12, 16, 2), np.nan)}, "observed pixels of the image are not finite"),
        ({"image": np.zeros((12, 16, 2), np.uint8)}, "dtype uint8"),
        ({"image": picture(3)}, r"into \(12, 16, 2\); the image is \(12, 16, 3\)"),
        ({"features": FEATURES[:8]}, r"features have shape \(8, 16, 8\)"),
        ({"truth": picture(3)}, r"truth has shape \(12, 16, 3\)"),
        ({"held_out": 1.0}, "held_out was 1.0"),
        ({"held_out": 0.9999}, "leaves no pixel to train on"),
        ({"steps": 0}, "steps was 0"),
        ({"checkpoint_every": 0}, "checkpoint_every was 0"),
    ],
)
def test_refusals(change, message):
    arguments = {"features": FEATURES, "image": picture(), "mask": MASK} | change
    with pytest.raises(ValueError, match=message):
        train(module(), **arguments)


def test_a_network_that_makes_a_smaller_image():
    network = Sequential([Conv(3), Downsample(2)])
    small = from_architecture(network, 4, 8, 2, rngs=nnx.Rngs(0))
    with pytest.raises(ValueError, match=r"into \(6, 8, 2\)"):
        train(small, FEATURES, picture(), MASK)
