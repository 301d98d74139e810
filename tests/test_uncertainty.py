"""Fitted uncertainties: nominal on draws from the process itself, local where images are not."""

import functools

import numpy as np
import pytest
import scipy.stats
from solvers.problems import kernel

from ntkmc.solvers import Cholesky, ConjugateGradient
from ntkmc.solvers.result import shift_of
from ntkmc.uncertainty import _student, describe, fit_noise, quantify

SIDE = 32
RIDGE = 0.02
SCALES = np.repeat([0.5, 4.0], 4)  # of four channels each


@functools.cache
def drawn():
    """A mask, and an image of eight channels drawn from the process and its noise."""
    mask = np.random.default_rng(0).random((SIDE, SIDE)) < 0.5
    everywhere = tuple(side.ravel() for side in np.indices((SIDE, SIDE)))
    matrix = np.asarray(kernel(SIDE).dense(everywhere, everywhere), np.float64)
    matrix = (matrix + matrix.T) / 2
    matrix += shift_of(kernel(SIDE), everywhere, RIDGE) * np.eye(len(matrix))
    draws = np.random.default_rng(5).standard_normal((len(matrix), 8))
    return mask, (np.linalg.cholesky(matrix) @ draws * SCALES).reshape(SIDE, SIDE, 8)


@functools.cache
def known(solver):
    mask, image = drawn()
    prepared = solver.prepare(kernel(SIDE), np.nonzero(mask))
    solve = prepared.solve(image[mask])
    return solve, quantify(prepared, kernel(SIDE), mask, image[mask], solve, RIDGE)


def predict(solve):
    mask, _ = drawn()
    across = np.asarray(kernel(SIDE).dense(np.nonzero(~mask), np.nonzero(mask)), np.float64)
    return across @ solve.weights


def test_intervals_of_draws_from_the_process_are_nominal():
    mask, image = drawn()
    solve, found = known(Cholesky(ridge=RIDGE))
    errors = np.abs(predict(solve) - image[~mask])
    deviations = found.std[~mask]
    for level in (0.5, 0.9):
        covered = errors <= found.half_width(level)[~mask]
        # 4 standard deviations of a binomial; neighbouring errors are alike, hence the factor.
        assert abs(covered.mean() - level) < 4 * 1.5 * np.sqrt(level * (1 - level) / covered.size)
    np.testing.assert_allclose(np.mean(deviations**2, axis=0), np.mean(errors**2, axis=0), rtol=0.2)
    assert found.noise.freedom > 20
    assert found.noise.share >= 0.6
    # n numbers tell a scale up to its share of 1 / sqrt(2 n).
    tolerance = 4 / np.sqrt(2 * mask.sum())
    np.testing.assert_allclose(found.marginal_scale, SCALES, rtol=tolerance)


def test_variances_are_those_of_a_dense_gaussian_process():
    mask, _ = drawn()
    where, there = np.nonzero(mask), np.nonzero(~mask)
    _, found = known(Cholesky(ridge=RIDGE))
    matrix = np.asarray(kernel(SIDE).dense(where, where), np.float64)
    shift = RIDGE * np.mean(np.diag(matrix))
    matrix = (matrix + matrix.T) / 2 + shift * np.eye(len(matrix))
    across = np.asarray(kernel(SIDE).dense(where, there), np.float64)
    prior = np.asarray(kernel(SIDE).entries(there, there), np.float64)
    variance = prior - np.sum(across * np.linalg.solve(matrix, across), axis=0) + shift
    np.testing.assert_allclose(found.variance[~mask], variance, rtol=1e-4)
    assert (found.variance[mask] == 0).all()
    assert (found.std[mask] == 0).all()
    assert found.method == "cholesky"
    assert (found.discrepancy, found.checked) == (0, 0)
    assert describe(found)["variance"] == "exact, by Cholesky"


def test_without_a_factor_the_error_of_the_variance_is_stated():
    mask, _ = drawn()
    _, exact = known(Cholesky(ridge=RIDGE))
    _, found = known(ConjugateGradient(ridge=RIDGE))
    assert found.method == "nearest"
    off = np.sqrt(found.variance[~mask] / exact.variance[~mask]) - 1
    assert found.checked == 8
    assert found.discrepancy == pytest.approx(np.sqrt(np.mean(off**2)), rel=0.6)
    assert 1e-4 < found.discrepancy < 0.02
    assert f"off by {found.discrepancy:.1%} at 8 pixels" in describe(found)["variance"]
    np.testing.assert_allclose(found.std, exact.std, rtol=0.1)


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
    where = tuple(side[:100] for side in np.nonzero(mask))
    values = image[mask][:100]
    solve = Cholesky(ridge=RIDGE).prepare(kernel(SIDE), where).solve(values)
    settings = {"ridges": (RIDGE,), "neighbours": 100, "sample": 60}
    predicted = fit_noise(kernel(SIDE), where, values, **settings)
    solved = fit_noise(kernel(SIDE), where, values, weights=solve.weights, **settings)
    assert predicted.log_score == pytest.approx(solved.log_score, abs=1e-3)
    assert predicted.spread == pytest.approx(solved.spread, rel=1e-3)
    np.testing.assert_allclose(predicted.scale, solved.scale, rtol=1e-2)


def test_an_image_that_is_busy_on_one_side_is_uncertain_there():
    rng = np.random.default_rng(1)
    mask = rng.random((SIDE, SIDE)) < 0.5
    image = np.where(np.arange(SIDE) < SIDE // 2, 0.002, 0.2) * rng.standard_normal((SIDE, SIDE))
    prepared = Cholesky(ridge=RIDGE).prepare(kernel(SIDE), np.nonzero(mask))
    solve = prepared.solve(image[mask])
    found = quantify(prepared, kernel(SIDE), mask, image[mask], solve, RIDGE, unit=255.0)
    assert found.noise.share < 0.5
    calm, busy = (~mask & side for side in (np.arange(SIDE) < 12, np.arange(SIDE) > 20))
    assert 10 < np.median(found.std[busy]) / np.median(found.std[calm[:, :]]) < 200
    truth = 255 * np.std(image[busy])
    assert np.sqrt(np.mean(found.std[busy] ** 2)) == pytest.approx(truth, rel=0.3)


def test_an_image_of_zeros_is_certain():
    mask, _ = drawn()
    noise = fit_noise(kernel(SIDE), np.nonzero(mask), np.zeros(mask.sum()))
    assert np.isfinite(noise.log_score)
    assert noise.deviation(np.ones(3), np.zeros((3, 1))) == pytest.approx(0, abs=1e-100)


@pytest.mark.parametrize("freedom", [1.5, 4.0])
def test_student_tails_are_recovered(freedom):
    draws = 3.0 * scipy.stats.t.rvs(freedom, size=20_000, random_state=0)
    scale, found, score = _student(draws)
    assert scale == pytest.approx(3.0, rel=0.03)
    assert found == pytest.approx(freedom, rel=0.08)
    assert score == pytest.approx(np.mean(scipy.stats.t.logpdf(draws, freedom, 0, 3)), abs=1e-3)


def test_half_widths_of_heavy_tails():
    _, found = known(Cholesky(ridge=RIDGE))
    noise = found.noise
    expected = noise.tail * scipy.stats.t.ppf(0.95, noise.freedom)
    assert noise.half_width(0.9) == pytest.approx(expected)
    for level in (0, 1, 90):
        with pytest.raises(ValueError, match=f"level was {level}; pass a share"):
            found.half_width(level)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"ridges": ()}, "ridges is empty"),
        ({"ridges": (-1.0,)}, "ridge was -1"),
        ({"ridges": (0.0, 1.0), "weights": np.zeros((20, 8))}, "weights are of one ridge"),
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
