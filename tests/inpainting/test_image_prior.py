"""A prior made of the image: it learns texture, is chosen honestly, and knows how sure it is."""

import dataclasses

import numpy as np
import pytest

from ntkmc import IIDUniform, PeriodicKernel, autoencoder, inpaint
from ntkmc.inpainting import image_prior, regression, rehearsal, scene
from ntkmc.inpainting.completion import complete
from ntkmc.inpainting.facts import prior_sentence, prior_table, solve_facts
from ntkmc.inpainting.holes import DEEP, HeldOutHoles, depth_of, widen
from ntkmc.inpainting.positions import solve_positions
from ntkmc.inpainting.rehearsal import hold_out_with_surroundings, rehearse
from ntkmc.kernels import padded_shape
from ntkmc.metrics import psnr
from ntkmc.solvers import Cholesky

NETWORK = autoencoder(2)
SHAPE = (48, 56)


def woven(channels=None, seed=0):
    """Stripes that change direction, a little noise: texture that positions cannot tell."""
    y, x = np.mgrid[: SHAPE[0], : SHAPE[1]]
    stripes = np.where(x < 30, np.sin(1.9 * x + 0.7 * y), np.sin(1.7 * y - 0.4 * x))
    image = 0.5 + 0.3 * stripes + 0.01 * np.random.default_rng(seed).normal(size=SHAPE)
    if channels is None:
        return image
    return np.stack([image * (1 - 0.3 * c) + 0.1 * c for c in range(channels)], axis=-1)


@pytest.fixture(scope="module")
def mask():
    return np.random.default_rng(3).random(SHAPE) < 0.5


@pytest.fixture(scope="module")
def positions():
    return PeriodicKernel.build(NETWORK, padded_shape(NETWORK, SHAPE))


@pytest.fixture(scope="module")
def result(mask):
    return inpaint(woven(), mask, network=NETWORK, prior="image", return_std=True)


@pytest.mark.slow
def test_texture_is_learned(result, mask):
    image = woven()
    alone = inpaint(image, mask, network=NETWORK)
    assert psnr(image, result.image) > psnr(image, alone.image) + 5
    np.testing.assert_array_equal(result.image[mask], image[mask])
    np.testing.assert_allclose(result.prediction[mask], image[mask], rtol=1e-14)
    prior = result.image_prior
    assert prior.used
    assert prior.rmse < 0.6 * prior.rmse_without
    assert prior.trials[0][1] == prior.rmse
    assert prior.settings == prior.trials[0][0]
    errors = [error for _, error in prior.trials]
    assert errors == sorted(errors)
    assert len(set(prior.trials)) == len(prior.trials) >= 17
    assert 1 <= len(prior.changes) <= image_prior.ROUNDS
    assert prior.changes[-1] < prior.changes[0]
    # what was promised by pixels held out is about what missing ones turn out to have
    missed = np.sqrt(np.mean((result.image - image)[~mask] ** 2))
    assert missed < 1.2 * prior.rmse
    assert set(result.seconds) == {"kernel", "choosing a prior", "image-made prior"}
    assert result.solve.method == "cholesky"  # so few pixels are solved for together
    assert result.solve.converged
    assert prior.off < 0.1


def test_uncertainty_covers(result, mask):
    error = abs(result.image - woven())[~mask]
    # fitted to 168 pixels held out: three standard errors of a share
    for level, slack in ((0.5, 0.12), (0.9, 0.06)):
        share = np.mean(error <= result.uncertainty.half_width(level)[~mask])
        assert abs(share - level) < slack
    assert (result.std[mask] == 0).all()
    assert (result.std[~mask] > 0).all()
    assert result.uncertainty.method == "nearest and similar"


def test_each_pixel_is_filled_from_pixels_that_are_named(result, mask):
    near = result.image_prior.neighbours
    n = mask.sum()
    assert near.shape == ((~mask).sum(), scene.MOST)
    observed, missing = np.argwhere(mask), np.argwhere(~mask)
    for row, target in zip(near[::50], missing[::50], strict=True):
        there = row[row < n]
        assert len(set(there)) == len(there)
        apart = np.hypot(*(observed[there] - target).T)
        assert apart.max() <= scene.REACH + 1e-9


def test_values_held_out_have_no_part(positions, mask, monkeypatch):
    """Other values of the held-out pixels change their errors and nothing that predicts them."""
    image = np.where(mask, woven() - 0.5, 0)[..., None]
    seen = []
    condition = rehearsal.condition

    def listen(*arguments):
        found = condition(*arguments)
        seen.append(dataclasses.astuple(found))
        return found

    monkeypatch.setattr(rehearsal, "condition", listen)
    monkeypatch.setattr(rehearsal, "unit_of", lambda image, mask: 1.0)
    monkeypatch.setattr(rehearsal, "OTHERS", {})
    rehearse(positions, image, mask, 0.0)
    held, left = hold_out_with_surroundings(mask, 0)
    assert not left[tuple(held.T)].any()
    assert len(held) >= 0.09 * mask.sum()
    assert (~left & mask).sum() <= mask.sum() / 8
    first, count = seen[:], len(seen)
    changed = image.copy()
    changed[mask & ~left] = 7.0
    rehearse(positions, changed, mask, 0.0)
    tried = len(rehearsal.WEIGHTS) * len(rehearsal.BANDWIDTHS)
    assert min(count, len(seen) - count) >= tried
    for before, after in zip(first[:tried], seen[count : count + tried], strict=True):
        for one, other in zip(before, after, strict=True):
            np.testing.assert_array_equal(one, other)


def test_the_last_round_together_is_the_regression_with_its_kernel(result, mask):
    """Against the dense kernel matrix of the sum, solved by hand in float64."""
    image, prior = woven(), result.image_prior
    pixels, missing = np.nonzero(mask), np.nonzero(~mask)
    kernel = prior.kernel
    matrix = np.asarray(kernel.dense(pixels, pixels), np.float64)
    shift = prior.settings.ridge * np.diag(matrix).mean()
    assert prior.settings.shift == pytest.approx(shift, rel=1e-3)
    centred = image[mask] - image[mask].mean()
    weights = np.linalg.solve(matrix + shift * np.eye(len(matrix)), centred)
    expected = np.asarray(kernel.dense(missing, pixels), np.float64) @ weights
    np.testing.assert_allclose(
        result.prediction[~mask], expected + image[mask].mean(), atol=2e-3 * image.std()
    )


def test_near_and_similar_pixels_are_nearly_all_that_count(result, mask, monkeypatch):
    """Each missing pixel on its own, as in larger images however few are observed."""
    monkeypatch.setattr(regression, "TOGETHER", mask.size - 1)
    own = inpaint(woven(), mask, network=NETWORK, prior="image")
    assert own.solve is None
    assert own.image_prior.off is None
    assert own.image_prior.settings == result.image_prior.settings
    errors = [np.sqrt(np.mean((r.image - woven())[~mask] ** 2)) for r in (result, own)]
    assert abs(20 * np.log10(errors[1] / errors[0])) < 0.2
    apart = np.sqrt(np.mean((result.image - own.image)[~mask] ** 2))
    assert apart < 0.5 * errors[0]
    scale = np.sqrt(np.mean((result.image - woven()[mask].mean())[~mask] ** 2))
    assert result.image_prior.off == pytest.approx(apart / scale, rel=1e-2)


@pytest.mark.slow
def test_any_units_and_channels(mask, monkeypatch):
    monkeypatch.setattr(rehearsal, "OTHERS", {})  # each is compiled for three channels
    image = woven(3)
    first = inpaint(image, mask, network=NETWORK, prior="image")
    other = inpaint(1e4 * image - 300, mask, network=NETWORK, prior="image")
    assert first.image.shape == image.shape
    np.testing.assert_allclose(other.image, 1e4 * first.image - 300, atol=30)
    assert other.image_prior.settings == first.image_prior.settings
    assert other.image_prior.rmse == pytest.approx(1e4 * first.image_prior.rmse, rel=1e-2)
    holed = np.where(mask[..., None], image, np.nan)
    np.testing.assert_array_equal(inpaint(holed, network=NETWORK, prior="image").image, first.image)


def test_what_does_not_help_is_left_out(positions, mask):
    """A draw of the process that positions have: nothing that patches could add."""
    pixels = tuple(side.ravel() for side in np.indices(SHAPE))
    matrix = np.asarray(positions.dense(pixels, pixels), np.float64)
    factor = np.linalg.cholesky(matrix + 1e-6 * matrix[0, 0] * np.eye(len(matrix)))
    image = (factor @ np.random.default_rng(5).normal(size=len(matrix))).reshape(*SHAPE, 1)
    image = np.where(mask[..., None], image - image[mask].mean(), 0)
    chosen = rehearse(positions, image, mask, 0.0)
    assert not chosen.used
    assert "It is not used" in prior_sentence(chosen)
    assert rehearse(positions, image, mask, 0.0, asked_for=True).used


@pytest.mark.slow
def test_in_a_hole_it_is_used_near_the_edge_only(positions, result, monkeypatch):
    mask = np.ones(SHAPE, bool)
    mask[14:34, 16:38] = False
    image = np.where(mask, woven() - 0.5, 0)
    solver, clock = Cholesky(ridge=1e-5), regression._Clock(None)
    chosen = dataclasses.replace(result.image_prior, kernel=None, neighbours=None, off=None)
    settings = {"exact": None, "return_std": True, "clock": clock}
    done = complete(positions, image, mask, solver, chosen, everywhere=False, **settings)
    alone, _, uncertainty = solve_positions(positions, image, mask, solver, True, None)
    depth, prior = depth_of(mask), done.image_prior
    assert prior.used
    assert 0 < prior.deepest <= DEEP
    assert prior.neighbours.shape[0] == (~mask & (depth <= prior.deepest)).sum()
    deep = depth > prior.deepest
    np.testing.assert_array_equal(done.image[deep], alone[deep])
    shallow = ~mask & ~deep
    errors = [np.mean((made - woven() + 0.5)[shallow] ** 2) for made in (done.image, alone)]
    assert errors[0] < 0.8 * errors[1]
    # Intervals at any depth are those of single pixels, as much wider as held-out holes say.
    assert {"holes held out", "image-made prior"} < set(clock.seconds)
    widths = dict(done.uncertainty.widths)
    assert list(widths.values()) == sorted(widths.values())
    factor = widen(depth[deep], done.uncertainty.widths)
    half, single = done.uncertainty.half_width(0.9), uncertainty.half_width(0.9)
    np.testing.assert_allclose(half[deep], factor * single[deep], rtol=1e-9)
    assert "It is used up to" in prior_sentence(prior)
    # Where holes held out say that it does not help, all is left to positions.
    monkeypatch.setattr(HeldOutHoles, "deepest_that_helps", lambda self, gain: 0.0)
    left = complete(positions, image, mask, solver, chosen, everywhere=False, **settings)
    assert not left.image_prior.used
    np.testing.assert_array_equal(left.image, alone)
    assert "in holes held out it does not help" in prior_sentence(left.image_prior)


def test_facts_for_a_report(result):
    facts = solve_facts(result)
    assert facts["solver"] == "cholesky"
    assert facts["last round"].startswith("all pixels together; each pixel from 40 near and")
    assert facts["rounds"].startswith(f"{len(result.image_prior.changes)}, changing pixels by")
    assert "chosen among" in prior_sentence(result.image_prior)
    columns, rows = prior_table(result.image_prior, 3)
    assert columns == ("patches", "RMSE")
    assert len(rows) == 3


@pytest.mark.slow
@pytest.mark.parametrize(
    "case", ["constant", "stripes", "small", "holes", "all but missing around one"]
)
def test_odd_images(case, mask, monkeypatch):
    monkeypatch.setattr(rehearsal, "OTHERS", {})
    image, observed = woven(), mask.copy()
    if case == "constant":
        image = np.full(SHAPE, 0.25)
    elif case == "stripes":
        observed = np.broadcast_to(np.arange(SHAPE[0])[:, None] % 3 == 0, SHAPE).copy()
    elif case == "small":  # smaller than the window
        image, observed = image[:14, :20], observed[:14, :20]
    elif case == "holes":  # wider than the window, so that nothing is observed in it
        observed = np.ones(SHAPE, bool)
        observed[5:40, 5:45] = False
    else:
        observed = np.zeros(SHAPE, bool)
        observed[:, -4:] = True
        observed[0, 0] = True
    result = inpaint(image, observed, network=NETWORK, prior="image", ridge=1e-4, return_std=True)
    assert np.isfinite(result.image).all()
    assert np.isfinite(result.std).all()
    assert result.image.min() > image.min() - 1
    assert result.image.max() < image.max() + 1


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"prior": "images"}, "prior was a str of shape .*, or 'image'"),
        ({"prior": "image", "mask": "one"}, "mask has 1 observed and 2687 missing pixels; a prior"),
    ],
)
def test_refusals(settings, message, mask):
    observed = mask
    if settings.pop("mask", None):
        observed = np.zeros(SHAPE, bool)
        observed[3, 4] = True
    with pytest.raises(ValueError, match=message):
        inpaint(woven(), observed, network=NETWORK, **settings)


def test_priors_that_say_nothing_of_the_image_leave_it_alone(mask):
    result = inpaint(woven(), mask, network=NETWORK, prior=IIDUniform(0.0, 0.1))
    assert result.image_prior is None
    assert result.solve.converged
