"""What errors are like, fitted to draws for which that is known."""

import numpy as np
import pytest
import scipy.stats
from inpainting.draws import RIDGE, SCALES, SIDE, drawn
from solvers.problems import kernel

from ntkmc import fit_noise
from ntkmc.inpainting.noise import _student
from ntkmc.solvers.result import shift_of


def test_the_noise_of_the_draws_is_found():
    mask, image = drawn()
    ridges = (0.0, RIDGE / 10, RIDGE, 10 * RIDGE)
    noise = fit_noise(kernel(SIDE), np.nonzero(mask), image[mask], ridges)
    assert noise.ridge == RIDGE
    np.testing.assert_allclose(noise.scale, SCALES, rtol=0.15)
    assert noise.pixels == mask.sum()


def test_errors_of_the_solution_are_those_of_leaving_out():
    """With all pixels for neighbours, predictions are the solution's: two ways to one fit."""
    mask, image = drawn()
    where = tuple(side[:64] for side in np.nonzero(mask))
    values = image[mask][:64] - image[mask][:64].mean(axis=0)
    matrix = np.asarray(kernel(SIDE).dense(where, where), np.float64)
    matrix += shift_of(kernel(SIDE), where, RIDGE) * np.eye(len(matrix))
    weights = np.linalg.solve(matrix, values)
    settings = {"ridges": (RIDGE,), "neighbours": 64, "sample": 32}
    predicted = fit_noise(kernel(SIDE), where, values, **settings)
    solved = fit_noise(kernel(SIDE), where, values, weights=weights, **settings)
    assert predicted.log_score == pytest.approx(solved.log_score, abs=1e-3)
    assert predicted.spread == pytest.approx(solved.spread, rel=1e-3)
    np.testing.assert_allclose(predicted.scale, solved.scale, rtol=1e-2)


def test_an_image_of_zeros_is_certain():
    mask, _ = drawn()
    noise = fit_noise(kernel(SIDE), np.nonzero(mask), np.zeros((mask.sum(), 4)))
    assert np.isfinite(noise.log_score)
    assert noise.deviation(np.ones(3), np.zeros((3, 4))) == pytest.approx(0, abs=1e-100)


@pytest.mark.parametrize("freedom", [1.5, 4.0])
def test_student_tails_are_recovered(freedom):
    draws = 3.0 * scipy.stats.t.rvs(freedom, size=20_000, random_state=0)
    scale, found, score = _student(draws)
    assert scale == pytest.approx(3.0, rel=0.03)
    assert found == pytest.approx(freedom, rel=0.08)
    assert score == pytest.approx(np.mean(scipy.stats.t.logpdf(draws, freedom, 0, 3)), abs=1e-3)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"ridges": ()}, "ridges is empty"),
        ({"ridges": (-1.0,)}, "ridge was -1"),
        ({"ridges": (0.0, 1.0), "weights": np.zeros((20, 4))}, "weights are of one ridge"),
        ({"weights": np.zeros(3)}, r"values have shape \(3,\); expected \(20,\)"),
        ({"sample": 3}, "sample was 3; pass at least 16"),
        ({"neighbours": 0}, "neighbours was 0"),
    ],
)
def test_bad_settings(settings, words):
    mask, image = drawn()
    where = tuple(side[:20] for side in np.nonzero(mask))
    with pytest.raises(ValueError, match=words):
        fit_noise(kernel(SIDE), where, image[mask][:20], **settings)


def test_too_few_pixels():
    mask, image = drawn()
    where = tuple(side[:15] for side in np.nonzero(mask))
    with pytest.raises(ValueError, match="pixels are 15; fitting a distribution takes at least 16"):
        fit_noise(kernel(SIDE), where, image[mask][:15])
