"""Holes held out: cut where they can be judged, and what is learned from them."""

import numpy as np
import pytest
from scipy import ndimage

from ntkmc.inpainting.holes import (
    DEEP,
    SHARE,
    deep,
    depth_of,
    hold_out_holes,
    hold_out_whole,
    widen,
)


def with_holes(shape=(96, 120), corners=((10, 12), (50, 70)), side=22, observed=1.0, seed=0):
    mask = np.random.default_rng(seed).random(shape) < observed
    for row, column in corners:
        mask[row : row + side, column : column + side + 6] = False
    return mask


def test_depth_is_the_distance_to_the_nearest_observed_pixel():
    mask = np.ones((5, 7), bool)
    mask[1:4, 2:6] = False
    depth = depth_of(mask)
    observed = np.argwhere(mask)
    for pixel in np.argwhere(~mask):
        assert depth[tuple(pixel)] == np.hypot(*(observed - pixel).T).min()
    assert (depth[mask] == 0).all()


@pytest.mark.parametrize("observed", [1.0, 0.6])
def test_holes_of_the_same_shape_are_cut_elsewhere(observed):
    mask = with_holes(observed=observed)
    holes = hold_out_holes(mask)
    assert not (holes.hidden & ~mask).any()
    np.testing.assert_array_equal(holes.left, mask & ~holes.hidden)
    assert 0.1 * mask.sum() < holes.hidden.sum() <= SHARE * mask.sum()
    # as deep as those that are missing
    assert holes.depth.max() == pytest.approx(depth_of(mask).max(), abs=3)
    again = hold_out_holes(mask)
    np.testing.assert_array_equal(again.hidden, holes.hidden)
    assert (hold_out_holes(mask, seed=1).hidden != holes.hidden).any()
    if observed == 1.0:
        labels, count = ndimage.label(holes.hidden)
        boxes = [holes.hidden[box].shape for box in ndimage.find_objects(labels)]
        assert count >= 1
        assert max(rows for rows, _ in boxes) >= 20


def test_a_hole_that_is_too_large_is_cut_smaller():
    mask = with_holes(shape=(64, 100), corners=((2, 2),), side=50)
    holes = hold_out_holes(mask)
    assert 0 < holes.hidden.sum() <= SHARE * mask.sum()
    assert holes.depth.max() > DEEP


def test_where_nothing_is_deep_there_are_no_holes():
    assert hold_out_holes(np.random.default_rng(0).random((40, 40)) < 0.5) is None
    ring = np.zeros((40, 40), bool)
    ring[0] = True  # and here no place for one
    assert hold_out_holes(ring) is None


@pytest.mark.parametrize("share", [0.8, 0.9, 0.95])
def test_what_chance_leaves_is_no_hole(share):
    masks = [np.random.default_rng(seed).random((160, 200)) >= share for seed in range(10)]
    assert max(depth_of(mask).max() for mask in masks) > DEEP
    for mask in masks:
        assert depth_of(mask).max() <= deep(mask)
        assert hold_out_holes(mask) is None


def test_beside_what_chance_leaves_a_hole_is_one():
    mask = np.random.default_rng(0).random((160, 200)) >= 0.8
    mask[40:80, 30:70] = False
    assert hold_out_holes(mask).depth.max() > deep(mask)


def test_signals_and_volumes_have_holes_too():
    rng = np.random.default_rng(0)
    signal, volume = rng.random(2000) < 0.5, rng.random((30, 30, 30)) < 0.3
    assert hold_out_holes(signal) is None
    assert hold_out_holes(volume) is None
    assert deep(signal) > deep(volume) == DEEP
    signal[400:440], volume[5:20, 8:20, 6:18] = False, False
    assert hold_out_holes(signal).hidden.any()
    assert hold_out_holes(volume).hidden.any()


def test_whole_slices_are_hidden_where_whole_ones_are_missing():
    mask = np.ones((6, 5, 60), bool)
    mask[:, :, 2:-1:4] = False
    mask[:, :, 40:44] = False
    holes = hold_out_whole(mask)
    hidden = holes.hidden.all(axis=(0, 1))
    np.testing.assert_array_equal(holes.hidden, np.broadcast_to(hidden, mask.shape))
    assert (mask[0, 0] & hidden == hidden).all()
    assert 0 < hidden.sum() <= SHARE * mask[0, 0].sum()
    np.testing.assert_array_equal(holes.left, mask & ~holes.hidden)
    # no wider than the widest that are missing, and none beside another
    _, groups = ndimage.label(hidden)
    assert groups > 2
    lines = mask.copy()
    lines[:] = np.random.default_rng(0).random((6, 1, 60)) < 0.6
    along = hold_out_whole(lines).hidden
    np.testing.assert_array_equal(along, np.broadcast_to(along[:, :1], mask.shape))
    assert hold_out_whole(np.random.default_rng(0).random((20, 30)) < 0.5) is None


def test_what_helps_near_the_edge_only_is_used_there_only():
    holes = hold_out_holes(with_holes())
    rng = np.random.default_rng(2)
    gain = np.where(holes.depth <= 4, 1.0, -1.0) + 0.1 * rng.normal(size=len(holes.depth))
    assert holes.deepest_that_helps(gain) == 4.0
    assert holes.deepest_that_helps(-gain - 2) == 0.0
    assert holes.deepest_that_helps(np.abs(gain)) == DEEP
    shallower = np.where(holes.depth <= 1.5, 1.0, -1.0)
    assert holes.deepest_that_helps(shallower) == 1.5
    # by chance alone: one block's luck is no reason
    lucky = np.zeros(len(holes.depth))
    lucky[0] = 1.0
    assert holes.deepest_that_helps(lucky) == 0.0


def test_widths_make_intervals_hold_at_each_depth():
    holes = hold_out_holes(with_holes())
    depth = holes.depth
    rng = np.random.default_rng(3)
    true = 1 + np.maximum(depth - 2, 0) / 4
    errors = (true * rng.normal(size=len(depth)))[:, None]
    half = np.full_like(errors, 1.6449)  # of 90% were the errors of standard deviation 1
    widths = holes.widths(errors, half)
    factors = widen(depth, widths)
    assert (np.diff([factor for _, factor in widths]) >= 0).all()
    assert min(factor for _, factor in widths) >= 1
    for low, high in ((0, 2.5), (4, 6), (9, 13)):
        inside = (depth > low) & (depth <= high)
        share = np.mean(np.abs(errors[inside, 0]) <= factors[inside] * half[inside, 0])
        assert 0.87 < share < 0.97
    # intervals that hold are left alone, and so is everything where nothing was held out
    assert {factor for _, factor in holes.widths(0.1 * errors, half)} == {1.0}
    assert (widen(depth, ()) == 1).all()
    assert widen(np.array([1e6]), widths)[0] == widths[-1][1]
