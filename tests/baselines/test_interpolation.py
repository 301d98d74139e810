import numpy as np
import pytest

from ntkmc.baselines import (
    biharmonic,
    biharmonic_bytes,
    interpolate_along,
    interpolate_linearly,
    interpolate_smoothly,
    nearest_observed,
)
from ntkmc.datasets import ball_mask, dropped_mask, moving_hole_mask, random_mask

SHAPE = (9, 8, 7)
A, B, C = np.mgrid[:9, :8, :7].astype(float)
PLANE = 1 + 2 * A - 3 * B + 0.5 * C


def hidden(values, mask):
    """NaN where missing: nothing may be read there."""
    return np.where(mask.reshape(mask.shape + (1,) * (values.ndim - mask.ndim)), values, np.nan)


def test_along_an_axis_a_spline_is_exact_for_polynomials_of_its_degree():
    mask = dropped_mask(SHAPE, 3, axis=0)
    linear = interpolate_along(hidden(PLANE, mask), mask, 0)
    np.testing.assert_allclose(linear, PLANE, atol=1e-10)
    cubic = PLANE + 0.1 * A**3
    np.testing.assert_allclose(interpolate_along(hidden(cubic, mask), mask, 0, 3), cubic, atol=1e-9)
    assert abs(interpolate_along(hidden(cubic, mask), mask, 0) - cubic).max() > 0.5


def test_along_an_axis_lines_may_lack_different_voxels_and_have_channels():
    mask = moving_hole_mask(SHAPE, 2.0)
    values = np.stack([PLANE, -PLANE], axis=-1)
    filled = interpolate_along(hidden(values, mask), mask, 0)
    inner = mask.cumsum(0).astype(bool) & mask[::-1].cumsum(0)[::-1].astype(bool)
    np.testing.assert_allclose(filled[inner], values[inner], atol=1e-10)
    np.testing.assert_array_equal(filled[mask], values[mask])


def test_along_an_axis_the_ends_are_repeated():
    values, mask = np.array([np.nan, 2.0, np.nan, 4.0, np.nan]), np.arange(5) % 2 == 1
    np.testing.assert_allclose(interpolate_along(values, mask, 0, 3), [2, 2, 3, 4, 4])
    one = np.arange(5) == 2
    np.testing.assert_array_equal(interpolate_along(np.arange(5.0), one, 0), np.full(5, 2))


@pytest.mark.parametrize("fill", [interpolate_linearly, interpolate_smoothly])
@pytest.mark.parametrize("mask", [ball_mask(SHAPE, 2.0), random_mask(SHAPE, 0.3, 0)])
def test_between_scattered_voxels_a_linear_function_is_exact(fill, mask):
    mask = mask.copy()
    mask[np.ix_([0, -1], [0, -1], [0, -1])] = True  # so that nothing lies outside
    values = np.stack([PLANE, 5 - PLANE], axis=-1)
    filled = fill(hidden(values, mask), mask)
    np.testing.assert_array_equal(filled[mask], values[mask])
    wrong = ~np.isclose(filled, values, atol=1e-3).all(axis=-1)
    # The nearest is taken where an edge's voxels are missing, outside of the others' hull.
    assert not wrong[1:-1, 1:-1, 1:-1].any()


def test_outside_of_the_observed_ones_the_nearest_is_repeated():
    mask = np.zeros((4, 4), bool)
    mask[0, :2] = mask[1, 0] = True
    filled = interpolate_linearly(np.arange(16.0).reshape(4, 4), mask)
    assert filled[3, 0] == 4
    assert filled[1, 1] in (1, 4)
    assert filled[0, 3] == 1
    mask[1, 0] = False  # on one line there are no triangles
    np.testing.assert_array_equal(
        interpolate_linearly(np.arange(16.0).reshape(4, 4), mask)[:, 0], np.zeros(4)
    )
    np.testing.assert_array_equal(nearest_observed(np.eye(4), mask)[:, 0], np.ones(4))


def test_biharmonic_of_a_volume():
    mask = ball_mask(SHAPE, 1.5, (4, 4, 3))
    filled = biharmonic(hidden(PLANE, mask), mask)
    np.testing.assert_allclose(filled, PLANE, atol=1e-8)
    # 19 voxels, three long: only the largest region counts.
    assert biharmonic_bytes(mask) == round(70 * 19**2 / 3)
    two = mask.copy()
    two[0, 0, 0] = False
    assert biharmonic_bytes(two) == biharmonic_bytes(mask)
    assert biharmonic_bytes(np.ones(SHAPE, bool)) == 0


def test_what_cannot_be_filled_in_is_refused(unchecked):
    nothing = np.zeros(SHAPE, bool)
    with pytest.raises(ValueError, match="nothing is observed"):
        nearest_observed(PLANE, nothing)
    with pytest.raises(ValueError, match="lines along axis 1 have no observed voxel"):
        interpolate_along(PLANE, dropped_mask(SHAPE, 3, axis=0), 1)
    with pytest.raises(ValueError, match=r"mask is bool \(8, 8, 7\)"):
        interpolate_linearly(PLANE, np.ones((8, 8, 7), bool))
    with pytest.raises(ValueError, match="pass at most one axis more"):
        interpolate_linearly(PLANE, np.ones(9, bool))
    with pytest.raises(ValueError, match="takes two or three"):
        interpolate_smoothly(np.ones(4), np.arange(4) > 1)
