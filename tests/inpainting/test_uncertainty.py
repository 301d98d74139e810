"""Fitted uncertainties: nominal on draws from the process itself, local where images are not."""

import functools
from pathlib import Path

import numpy as np
import pytest
import scipy.stats
from inpainting.draws import RIDGE, SCALES, SIDE, drawn
from solvers.problems import kernel

from ntkmc import autoencoder, inpaint
from ntkmc.datasets import load_image, random_mask
from ntkmc.experiments import load
from ntkmc.inpainting.uncertainty import describe, quantify
from ntkmc.solvers import Cholesky, ConjugateGradient, posterior
from ntkmc.solvers.result import shift_of


@functools.cache
def prepared():
    return Cholesky(ridge=RIDGE).prepare(kernel(SIDE), np.nonzero(drawn()[0]))


@functools.cache
def known():
    mask, image = drawn()
    solve = prepared().solve(image[mask])
    return solve, quantify(prepared(), kernel(SIDE), mask, image[mask], solve, RIDGE)


def predict(solve):
    mask, _ = drawn()
    across = np.asarray(kernel(SIDE).dense(np.nonzero(~mask), np.nonzero(mask)), np.float64)
    return across @ solve.weights


def test_intervals_of_draws_from_the_process_are_nominal():
    mask, image = drawn()
    solve, found = known()
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
    _, found = known()
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


@functools.cache
def iterative():
    solver = ConjugateGradient(ridge=RIDGE, rtol=1e-6)
    return solver.prepare(kernel(SIDE), np.nonzero(drawn()[0]))


@pytest.mark.slow
def test_variances_by_conjugate_gradients():
    mask, _ = drawn()
    _, exact = known()
    few = tuple(side[:6] for side in np.nonzero(~mask))
    seen = []
    found = posterior.iterated(iterative(), few, lambda *a: seen.append(a))
    shift = shift_of(kernel(SIDE), np.nonzero(mask), RIDGE)
    np.testing.assert_allclose(found + shift, exact.variance[few], rtol=1e-4)
    assert seen == [("variance", 4, 6), ("variance", 6, 6)]
    with pytest.raises(ValueError, match="rows go from 32 to 32"):
        posterior.iterated(iterative(), (np.array([SIDE]), np.array([0])))


class Other:
    """Some prepared system of another solver."""

    def solve(self, values, progress=None):
        raise NotImplementedError


@pytest.mark.parametrize("prepare", [iterative, Other])
def test_without_a_factor_the_error_of_the_variance_is_stated(prepare):
    mask, image = drawn()
    solve, exact = known()
    found = quantify(prepare(), kernel(SIDE), mask, image[mask], solve, RIDGE)
    assert found.method == "nearest"
    off = np.sqrt(found.variance[~mask] / exact.variance[~mask]) - 1
    assert found.checked == 8
    assert found.discrepancy == pytest.approx(np.sqrt(np.mean(off**2)), rel=0.6)
    assert 1e-4 < found.discrepancy < 0.02
    assert f"off by {found.discrepancy:.1%} at 8 pixels" in describe(found)["variance"]
    np.testing.assert_allclose(found.std, exact.std, rtol=0.1)


def test_an_image_that_is_busy_on_one_side_is_uncertain_there():
    mask, image = drawn()
    loud = np.where(np.arange(SIDE) < SIDE // 2, 0.01, 1.0)[:, None]
    image = 255 * image * loud
    solve = prepared().solve(image[mask])
    found = quantify(prepared(), kernel(SIDE), mask, image[mask], solve, RIDGE)
    assert found.noise.share < 0.5
    errors, missing = predict(solve) - image[~mask], np.nonzero(~mask)
    # Away from the edge between the two: there the scale of one reaches into the other.
    for side in ((missing[1] > 2) & (missing[1] < 13), (missing[1] > 18) & (missing[1] < 29)):
        deviations = found.std[~mask][side]
        ratio = np.sqrt(np.mean(errors[side] ** 2, axis=0) / np.mean(deviations**2, axis=0))
        np.testing.assert_allclose(ratio, 1, atol=0.5)


@pytest.mark.slow
def test_intervals_of_the_papers_greys_are_nominal(data_dir):
    """SI figure 10, the middle of each: between 85 and 95 percent within a 90% interval."""
    mask, covered = random_mask((SIDE, SIDE), 0.5), []
    _, config = load(Path(__file__).parents[2] / "configs" / "calibration" / "half_missing.yaml")
    for name in config.images:
        image = load_image(name, data_dir).image
        image = image[tuple(slice((side - SIDE) // 2, (side + SIDE) // 2) for side in image.shape)]
        result = inpaint(image, mask, network=autoencoder(2), return_std=True)
        errors = np.abs(result.image - image)[~mask]
        intervals = (result.uncertainty.half_width(level)[~mask] for level in (0.5, 0.9))
        covered.append([np.mean(errors <= width) for width in intervals])
    half, nine_tenths = np.mean(covered, axis=0)
    assert 0.46 < half < 0.54
    assert 0.87 < nine_tenths < 0.93


def test_half_widths_of_heavy_tails():
    _, found = known()
    noise = found.noise
    expected = noise.tail * scipy.stats.t.ppf(0.95, noise.freedom)
    assert noise.half_width(0.9) == pytest.approx(expected)
    for level in (0, 1, 90):
        with pytest.raises(ValueError, match=f"level was {level}; pass a share"):
            found.half_width(level)
