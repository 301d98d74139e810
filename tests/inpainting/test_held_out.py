"""Pixels held out, and their prediction from near ones."""

import numpy as np
import pytest

from ntkmc.inpainting.held_out import hold_out

IMAGE = np.random.default_rng(0).random((40, 50))


def random_mask(share=0.5):
    return np.random.default_rng(1).random(IMAGE.shape) < share


def nearest_by_hand(mask, target, radius, m):
    observed = np.argwhere(mask)
    distance = np.hypot(*(observed - target).T)
    far = distance >= radius - 1e-9
    return np.sort(distance[far])[:m]


def test_where_single_pixels_are_missing_each_is_held_out_alone():
    mask = random_mask()
    samples = hold_out(IMAGE, mask, 10_000, 12)
    assert len(samples.targets) == mask.sum()
    assert samples.present.all()
    assert samples.gap < 3
    for target, near in zip(samples.targets, samples.near, strict=True):
        assert mask[tuple(target)]
        assert not (near == target).all(axis=1).any()
        found = np.sort(np.hypot(*(near - target).T))
        np.testing.assert_allclose(found, nearest_by_hand(mask, target, found[0], 12))
    np.testing.assert_array_equal(samples.truth[:, 0], IMAGE[tuple(samples.targets.T)])
    near_values = IMAGE[samples.near[..., 0], samples.near[..., 1]]
    np.testing.assert_array_equal(samples.near_values[..., 0], near_values)


def test_where_a_hole_is_missing_holes_are_held_out():
    mask = np.ones(IMAGE.shape, bool)
    mask[8:32, 10:34] = False
    samples = hold_out(IMAGE, mask, 200, 8)
    assert 8 < samples.gap <= 12
    nearest = np.hypot(*(samples.near[:, 0] - samples.targets).T)
    missing = np.argwhere(~mask)
    depth = np.minimum(
        np.minimum(missing[:, 0] - 7, 32 - missing[:, 0]),
        np.minimum(missing[:, 1] - 9, 34 - missing[:, 1]),
    )
    # as far from the pixels that are left as the missing ones are from the observed ones
    assert nearest.mean() == pytest.approx(depth.mean(), rel=0.25)


def test_few_neighbours_are_padded_and_do_not_count():
    mask = random_mask()
    samples = hold_out(IMAGE, mask, 64, 12)
    rows, columns = samples.offsets()
    distance = np.hypot(rows[1], columns[1])
    kernels = np.exp(-distance / 5)
    error, relative = samples.errors(kernels, 0.01)
    assert 0 < error < relative
    absent = np.zeros((64, 3), bool)
    padded = type(samples)(
        samples.targets,
        np.concatenate([samples.near, np.zeros((64, 3, 2), int)], axis=1),
        np.concatenate([samples.present, absent], axis=1),
        np.concatenate([samples.near_values, np.zeros((64, 3, 1))], axis=1),
        samples.truth,
        samples.gap,
    )
    rows, columns = padded.offsets()
    wider = np.exp(-np.hypot(rows[1], columns[1]) / 5)
    np.testing.assert_allclose(padded.errors(wider, 0.01), (error, relative), rtol=1e-12)


def test_errors_are_those_of_kriging_by_hand():
    mask = random_mask()
    samples = hold_out(IMAGE, mask, 64, 10)
    rows, columns = samples.offsets()
    kernels = np.exp(-np.hypot(rows[1], columns[1]) / 5)
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
    assert samples.smallest_eigenvalue(kernels) == pytest.approx(smallest, rel=1e-6)
    assert samples.errors(np.zeros_like(kernels), 0.0) == (np.inf, np.inf)


def test_too_little_to_hold_out():
    mask = np.zeros(IMAGE.shape, bool)
    mask[:5, :5] = True
    with pytest.raises(ValueError, match=r"25 observed and 1975 missing.* at least 128 observed"):
        hold_out(IMAGE, mask, 10, 4)
    with pytest.raises(ValueError, match="0 missing"):
        hold_out(IMAGE, np.ones(IMAGE.shape, bool), 10, 4)
