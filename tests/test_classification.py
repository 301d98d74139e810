import numpy as np
import pytest

from ntkmc.classification import KernelClassifier, crossed_interval, nested_orders
from ntkmc.solvers import SingularKernelError


def problem(n=40, k=3, seed=0):
    """Points around k centres, and the kernel between them and with other points."""
    rng = np.random.default_rng(seed)
    centres = rng.standard_normal((k, 2)) * 2
    labels, asked = rng.integers(k, size=(2, n))
    points, others = (centres[which] + rng.standard_normal((n, 2)) for which in (labels, asked))

    def kernel(a, b):
        return np.exp(-((a[:, None] - b[None]) ** 2).sum(axis=2) / 4)

    # What is added is each point's own: without it, features could not be had from the kernel.
    return kernel(points, points) + 0.01 * np.eye(n), labels, kernel(others, points), asked


def with_constant(kernel, cross):
    """Both as inner products of features, which are centred and have a constant put beside."""
    values, vectors = np.linalg.eigh(kernel)
    features = vectors * np.sqrt(values)
    others = np.linalg.lstsq(features, cross.T, rcond=None)[0].T
    mean = features.mean(axis=0)
    size = np.sqrt(((features - mean) ** 2).sum(axis=1).mean())
    known, asked = (
        np.hstack([part - mean, np.full((len(part), 1), size)]) for part in (features, others)
    )
    return known @ known.T, asked @ known.T


def test_scores_are_those_of_the_formula():
    kernel, labels, cross, _ = problem()
    before = kernel.copy()
    fitted = KernelClassifier.fit(kernel, labels, 3, ridge=0.1)
    indicators = (labels[:, None] == np.arange(3)).astype(float)
    means = indicators.mean(axis=0)
    between, across = with_constant(kernel, cross)
    shift = 0.1 * np.diagonal(between).mean()
    weights = np.linalg.solve(between + shift * np.eye(40), indicators - means)
    scores = fitted.scores(cross)
    np.testing.assert_allclose(scores, across @ weights + means, atol=1e-10)
    np.testing.assert_allclose(scores.sum(axis=1), 1)
    np.testing.assert_array_equal(fitted.predict(cross), scores.argmax(axis=1))
    np.testing.assert_array_equal(kernel, before)
    # The ridge is relative: a multiple of the kernel changes nothing, and neither does a constant.
    scaled = KernelClassifier.fit(7 * kernel, labels, 3, ridge=0.1)
    np.testing.assert_allclose(scaled.scores(7 * cross), scores, atol=1e-10)
    moved = KernelClassifier.fit(kernel + 5, labels, 3, ridge=0.1)
    np.testing.assert_allclose(moved.scores(cross + 5), scores, atol=1e-10)


def test_the_ridge_is_the_one_with_the_least_errors_of_what_is_left_out():
    """Against regressions that were made again without each point."""
    kernel, labels, cross, asked = problem(n=30)
    indicators = (labels[:, None] == np.arange(3)).astype(float)
    centred = indicators - indicators.mean(axis=0)
    between, _ = with_constant(kernel, cross)

    def left_out(ridge):
        total = 0.0
        for i in range(30):
            rest = np.arange(30) != i
            shift = ridge * np.diagonal(between).mean()
            inner = between[np.ix_(rest, rest)] + shift * np.eye(29)
            predicted = between[i, rest] @ np.linalg.solve(inner, centred[rest])
            total += ((predicted - centred[i]) ** 2).sum()
        return total

    fitted = KernelClassifier.fit(kernel, labels, 3)
    best = left_out(fitted.ridge)
    assert best <= min(left_out(fitted.ridge * factor) for factor in (0.3, 3, 10)) + 1e-3
    assert (fitted.predict(cross) == asked).mean() > 0.6


def test_what_cannot_be_fitted():
    kernel, labels, _, _ = problem()
    with pytest.raises(ValueError, match="ridge was 'best'; pass a number >= 0, or 'loo'"):
        KernelClassifier.fit(kernel, labels, 3, "best")
    kernel[1], kernel[:, 1] = kernel[0], kernel[:, 0]  # the same point twice
    with pytest.raises(SingularKernelError, match="40 examples, float64 numbers, is singular"):
        KernelClassifier.fit(kernel, labels, 3, 0.0)


def test_intervals_hold_the_mean():
    """Effects of draws and of tiles, and noise: 95 % intervals hold the mean 95 times in 100."""
    rng = np.random.default_rng(0)
    held = []
    for draws, tiles in ((5, 30), (5, 300), (20, 20)):
        for _ in range(400):
            values = (
                0.3
                + 0.1 * rng.standard_normal((draws, 1))
                + 0.4 * rng.standard_normal((1, tiles))
                + 0.2 * rng.standard_normal((draws, tiles))
            )
            found = crossed_interval(values, 0.95)
            assert found.mean == pytest.approx(values.mean())
            held.append(found.low <= 0.3 <= found.high)
    assert 0.93 < np.mean(held) < 0.98
    wide, narrow = (crossed_interval(values, level) for level in (0.99, 0.5))
    assert wide.low < narrow.low < narrow.mean < narrow.high < wide.high
    same = crossed_interval(np.ones((3, 4)), 0.95)
    assert (same.mean, same.low, same.high) == (1, 1, 1)
    with pytest.raises(ValueError, match="values are 1 x 4; pass at least two draws and two tiles"):
        crossed_interval(np.ones((1, 4)), 0.95)


def test_training_sets_are_balanced_and_nested():
    labels = np.repeat([0, 1, 2], (10, 3, 20))
    order = nested_orders(labels, 24, seed=3)
    assert len(set(order)) == 24
    np.testing.assert_array_equal(nested_orders(labels, 9, seed=3), order[:9])
    for size in range(1, 10):
        counts = np.bincount(labels[order[:size]], minlength=3)
        assert counts.max() - counts.min() <= 1
    # The class that has only three is then left out, and the others go on.
    np.testing.assert_array_equal(np.bincount(labels[order]), [10, 3, 11])
    assert (nested_orders(labels, 24, seed=4) != order).any()
