"""Pixels held out, and their prediction from near ones."""

import numpy as np
import pytest

from ntkmc.inpainting.held_out import hold_out
from ntkmc.kernels.weighted import between

IMAGE = np.random.default_rng(0).random((40, 50))


def random_mask(share=0.5):
    return np.random.default_rng(1).random(IMAGE.shape) < share


class Exponential:
    """What `between` asks of a kernel."""

    @staticmethod
    def entries(pixels_a, pixels_b):
        return np.exp(-np.hypot(pixels_a[0] - pixels_b[0], pixels_a[1] - pixels_b[1]) / 5)


def nearest_by_hand(mask, target, radius, m):
    observed = np.argwhere(mask)
    distance = np.linalg.norm(observed - target, axis=1)
    far = distance >= radius - 1e-9
    return np.sort(distance[far])[:m]


@pytest.mark.parametrize("shape", [IMAGE.shape, (400,), (9, 14, 10)])
def test_where_single_pixels_are_missing_each_is_held_out_alone(shape):
    image = np.random.default_rng(0).random(shape)
    mask = np.random.default_rng(1).random(shape) < 0.5
    samples = hold_out(image, mask, 10_000, 12)
    assert len(samples.points) == mask.sum()
    assert samples.present.all()
    assert samples.gap < 5
    for *near, target in samples.points:
        assert mask[tuple(target)]
        assert not (near == target).all(axis=1).any()
        found = np.sort(np.linalg.norm(near - target, axis=1))
        np.testing.assert_allclose(found, nearest_by_hand(mask, target, found[0], 12))
    np.testing.assert_array_equal(samples.truth[:, 0], image[tuple(samples.points[:, -1].T)])
    near_values = image[tuple(samples.points[:, :-1].T)].T
    np.testing.assert_array_equal(samples.near_values[..., 0], near_values)


def test_where_a_hole_is_missing_holes_are_held_out():
    mask = np.ones(IMAGE.shape, bool)
    mask[8:32, 10:34] = False
    samples = hold_out(IMAGE, mask, 200, 8)
    assert 8 < samples.gap <= 12
    nearest = np.hypot(*(samples.points[:, 0] - samples.points[:, -1]).T)
    missing = np.argwhere(~mask)
    depth = np.minimum(
        np.minimum(missing[:, 0] - 7, 32 - missing[:, 0]),
        np.minimum(missing[:, 1] - 9, 34 - missing[:, 1]),
    )
    # as far from the pixels that are left as the missing ones are from the observed ones
    assert nearest.mean() == pytest.approx(depth.mean(), rel=0.25)


@pytest.mark.parametrize(
    ("shape", "axes"), [((30, 40), [0]), ((14, 12, 16), [2]), ((14, 12, 16), [0, 2])]
)
def test_where_rows_slices_or_lines_are_missing_they_are_held_out(shape, axes):
    image = np.random.default_rng(0).random(shape)
    if len(axes) == 1:
        line = np.arange(shape[axes[0]]) % 3 != 1
    else:
        line = np.random.default_rng(1).random([shape[axis] for axis in axes]) < 0.6
    others = tuple(axis for axis in range(len(shape)) if axis not in axes)
    mask = np.broadcast_to(np.expand_dims(line, others), shape)
    samples = hold_out(image, mask, 60, 12)
    assert samples.present.all()
    places = np.argwhere(line)
    for *near, target in samples.points:
        apart = np.linalg.norm(np.subtract(near, target)[:, axes], axis=1)
        nearest = np.sort(np.linalg.norm(places - target[axes], axis=1))[1]
        assert apart.min() >= nearest
        # Of those that are so far along these axes, the nearest altogether.
        observed = np.argwhere(mask)
        far = np.linalg.norm((observed - target)[:, axes], axis=1) >= apart.min() - 1e-9
        every = np.sort(np.linalg.norm((observed - target)[far], axis=1))[:12]
        np.testing.assert_allclose(np.sort(np.linalg.norm(near - target, axis=1)), every)


def test_of_two_rows_none_can_be_held_out_with_its_own():
    mask = np.zeros(IMAGE.shape, bool)
    mask[[3, 20]] = True
    image = np.zeros((40, 100))
    samples = hold_out(image, np.repeat(mask, 2, axis=1), 30, 8)
    assert samples.present.all()


def test_few_neighbours_are_padded_and_do_not_count():
    mask = random_mask()
    samples = hold_out(IMAGE, mask, 64, 12)
    kernels = between(Exponential, samples.points)
    error, relative = samples.errors(kernels, 0.01)
    assert 0 < error < relative
    absent = np.zeros((64, 3), bool)
    padded = type(samples)(
        np.insert(samples.points, [12, 12, 12], 0, axis=1),
        np.concatenate([samples.present, absent], axis=1),
        np.concatenate([samples.near_values, np.full((64, 3, 1), 7.0)], axis=1),
        samples.truth,
        samples.gap,
    )
    np.testing.assert_allclose(
        padded.errors(between(Exponential, padded.points), 0.01), (error, relative), rtol=1e-12
    )


def test_there_may_be_fewer_neighbours_than_asked_for():
    mask = random_mask(0.08)
    samples = hold_out(IMAGE, mask, 130, 200)
    for points, present in zip(samples.points, samples.present, strict=True):
        found = np.sort(np.hypot(*(points[:-1][present] - points[-1]).T))
        np.testing.assert_allclose(found, nearest_by_hand(mask, points[-1], found[0], 200))
    assert not samples.present.all(axis=1).any()


def test_errors_are_those_of_kriging_by_hand():
    mask = random_mask()
    samples = hold_out(IMAGE, mask, 64, 10)
    kernels = between(Exponential, samples.points)
    squares, contrasts = [], []
    for kernel, values, truth in zip(kernels, samples.near_values, samples.truth, strict=True):
        weights = np.linalg.solve(kernel[:10, :10] + 0.1 * np.eye(10), values)
        missed = 1 - np.linalg.solve(kernel[:10, :10] + 0.1 * np.eye(10), kernel[10, :10]).sum()
        shifts = 3 * samples.truth.std() * missed * np.array([-1, 1])  # of another level
        squares.append(np.mean((kernel[10, :10] @ weights - truth + shifts) ** 2))
        contrasts.append(2 * values.var() + (0.03 * np.ptp(samples.truth)) ** 2)
    error, relative = samples.errors(kernels, 0.1)
    assert error == pytest.approx(np.mean(squares), rel=1e-10)
    assert relative == pytest.approx(np.mean(np.divide(squares, contrasts)), rel=1e-10)
    smallest = min(np.linalg.eigvalsh(kernel[:10, :10]).min() for kernel in kernels)
    assert samples.regular(kernels, smallest * (1 - 1e-6))
    assert not samples.regular(kernels, smallest * (1 + 1e-6))
    assert samples.errors(np.zeros_like(kernels), 0.0) == (np.inf, np.inf)


def test_too_little_to_hold_out():
    mask = np.zeros(IMAGE.shape, bool)
    mask[:5, :5] = True
    with pytest.raises(ValueError, match=r"25 observed and 1975 missing.* at least 128 observed"):
        hold_out(IMAGE, mask, 10, 4)
    with pytest.raises(ValueError, match="0 missing"):
        hold_out(IMAGE, np.ones(IMAGE.shape, bool), 10, 4)


def test_holes_wider_than_what_is_observed_leave_half_of_it():
    mask = np.zeros((48, 48), bool)
    mask[:12, :14] = True
    image = np.random.default_rng(0).random(mask.shape)
    samples = hold_out(image, mask, 100, 32)
    assert samples.gap > 20
    assert samples.present.all()
    assert np.isfinite(samples.contrast).all()
