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


def test_what_cannot_be_fitted(unchecked):
    kernel, labels, _, _ = problem()
    with pytest.raises(ValueError, match="ridge was 'best'; pass a number >= 0, or 'loo'"):
        KernelClassifier.fit(kernel, labels, 3, "best")
    kernel[1], kernel[:, 1] = kernel[0], kernel[:, 0]  # the same point twice
    with pytest.raises(SingularKernelError, match="40 examples, float64 numbers, is singular"):
        KernelClassifier.fit(kernel, labels, 3, 0.0)
    for ridge, message in (
        (-0.5, "ridge was -0.5; pass a number >= 0"),
        (np.float32(-0.25), "ridge was -0.25; pass a number >= 0"),
        (np.nan, "ridge was nan"),
        (np.inf, "ridge was inf"),
        (None, "ridge was None; pass a number >= 0, or 'loo'"),
    ):
        with pytest.raises(ValueError, match=message):
            KernelClassifier.fit(kernel, labels, 3, ridge)


@pytest.mark.parametrize(
    ("labels", "classes", "message"),
    [
        ([1, 2, 3, 1], 3, "labels go from 1 to 3, and classes was 3; pass labels from 0 to 2"),
        ([0, -1, 1, 0], 2, "labels go from -1 to 1, and classes was 2; pass labels from 0 to 1"),
        ([0, 1, 2, 3], 2, "labels go from 0 to 3"),
        ([0.0, 1.0, 1.0, 0.0], 2, r"labels are float64 of shape \(4,\); pass a whole number for"),
        ([True, False, True, False], 2, "labels are bool"),
        (["a", "b", "a", "b"], 2, "labels are <U1"),
        ([[0, 1], [1, 0], [0, 1], [1, 0]], 2, r"labels are int64 of shape \(4, 2\)"),
        ([0, 1, 0], 2, r"kernel has shape \(4, 4\) for 3 labels; pass the kernel between"),
        ([0, 0, 0, 0], 1, "classes was 1; pass how many there are, at least 2"),
        ([0, 1, 0, 1], 2.0, "classes was 2.0"),
    ],
)
def test_labels_are_numbers_from_zero(labels, classes, message, unchecked):
    with pytest.raises(ValueError, match=message):
        KernelClassifier.fit(np.eye(4), np.array(labels), classes, 1.0)


@pytest.mark.parametrize("ridge", ["loo", 0.0, 0.1])
@pytest.mark.parametrize("dtype", ["float64", "float32", "int64"])
def test_a_kernel_that_tells_nothing(dtype, ridge, unchecked):
    labels = np.arange(6) % 2
    for constant in (np.full((6, 6), 7, dtype), np.zeros((6, 6), dtype)):
        with pytest.raises(ValueError, match="6 examples is constant to rounding: it tells no two"):
            KernelClassifier.fit(constant, labels, 2, ridge)
    rng = np.random.default_rng(0)
    noise = (np.pi + 4e-16 * rng.integers(2, size=(6, 6))).astype(dtype)
    with pytest.raises(ValueError, match="constant to rounding"):
        KernelClassifier.fit(noise, labels, 2, ridge)
    distances = abs(np.subtract.outer(np.arange(6), np.arange(6))).astype(dtype)
    with pytest.raises(ValueError, match=r"not positive semidefinite: .* as of distances"):
        KernelClassifier.fit(distances, labels, 2, ridge)
    # A difference of a tenth of a per mille is enough.
    apart = 10_000 * np.ones((6, 6), dtype) + np.eye(6, dtype=dtype)
    fitted = KernelClassifier.fit(apart, labels, 2, 0.1)
    np.testing.assert_array_equal(fitted.predict(apart), labels)


def test_what_is_not_finite_or_of_another_size(unchecked):
    kernel, labels, cross, _ = problem()
    fitted = KernelClassifier.fit(kernel, labels, 3, ridge=0.1)
    for wrong in (cross[:, 1:], cross[:, :1], cross[0]):
        with pytest.raises(ValueError, match=r"cross has shape .* each of the 40"):
            fitted.predict(wrong)
    cross[3, 4] = np.nan
    with pytest.raises(ValueError, match=r"cross\[3, 4\] is nan; pass finite numbers"):
        fitted.predict(cross)
    kernel[5, 6] = np.inf
    for ridge in ("loo", 0.1):
        with pytest.raises(ValueError, match=r"kernel\[5, 6\] is inf; pass finite numbers"):
            KernelClassifier.fit(kernel, labels, 3, ridge)


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
    with pytest.raises(ValueError, match="confidence was 95; pass a number between 0 and 1"):
        crossed_interval(np.ones((3, 4)), 95)
    with pytest.raises(ValueError, match=r"values\[0, 1\] is nan"):
        crossed_interval(np.array([[1, np.nan], [0, 1]]), 0.95)


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
    with pytest.raises(ValueError, match="size was 34; pass a number from 0 to 33"):
        nested_orders(labels, 34, seed=3)
