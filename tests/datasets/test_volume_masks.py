import numpy as np
import pytest

from ntkmc.datasets import (
    ball_mask,
    dropped_mask,
    moving_hole_mask,
    random_mask,
    slabs_mask,
)


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_of_every_three_slices_the_last_is_missing_but_not_the_last_of_all(axis):
    mask = np.moveaxis(dropped_mask((9, 9, 9), 3, axis), axis, 0)
    assert mask.shape == (9, 9, 9)
    assert np.flatnonzero(~mask[:, 4, 4]).tolist() == [2, 5]
    assert (mask == mask[:, :1, :1]).all()


def test_several_slices_of_each_period_are_missing():
    mask = dropped_mask((9, 2, 3), 4, count=3)
    assert np.flatnonzero(mask[:, 0, 0]).tolist() == [0, 4, 8]


def test_slabs_are_evenly_spaced_with_observed_slices_around():
    mask = slabs_mask((4, 5, 12), 3, count=2, axis=2)
    assert np.flatnonzero(~mask[0, 0]).tolist() == [2, 3, 4, 7, 8, 9]
    assert not slabs_mask((3, 2, 2), 1)[1].any()


def test_a_ball_is_in_the_middle_or_at_a_place():
    assert np.argwhere(~ball_mask((5, 5, 5), 1.0)).shape == (7, 3)
    np.testing.assert_array_equal(np.argwhere(~ball_mask((5, 6, 7), 0.5, (1, 2, 3))), [[1, 2, 3]])


def test_a_hole_moves_through_the_frames():
    mask = moving_hole_mask((3, 9, 11), 0.5, start=(0, 0.5), stop=(1, 0.5))
    np.testing.assert_array_equal(np.argwhere(~mask), [[0, 0, 5], [1, 4, 5], [2, 8, 5]])


def test_voxels_are_missing_at_random():
    assert (~random_mask((4, 5, 6), 0.7, seed=1)).sum() == 84


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: dropped_mask((9, 9, 9), 3, 3), "axis was 3; pass 0, 1 or 2"),
        (lambda: dropped_mask((9, 9, 9), 3, count=3), "count was 3 and every 3"),
        (lambda: dropped_mask((3, 9, 9), 3), "of 3 slices none would be missing"),
        (lambda: slabs_mask((8, 9, 9), 3, 2), "2 slabs of 3 do not lie apart within 8 slices"),
        (lambda: slabs_mask((8, 9, 9), 0), "1 slabs of 0"),
        (lambda: ball_mask((4, 4, 4), 0.1), "holds no voxel of a volume"),
        (lambda: ball_mask((4, 4, 4), 9.0), "holds all voxels of a volume"),
        (lambda: moving_hole_mask((4, 4, 4), 9.0), "holds all pixels of a video"),
    ],
)
def test_wrong_arguments_are_refused(make, words):
    with pytest.raises(ValueError, match=words):
        make()
