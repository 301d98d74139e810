import numpy as np
import pytest

from ntkmc.datasets import hole_mask, random_mask


@pytest.mark.parametrize("fraction", [0.0, 0.25, 0.5, 1.0])
def test_random_mask_misses_exactly_the_fraction(fraction):
    mask = random_mask((16, 20), fraction, seed=3)
    assert mask.shape == (16, 20)
    assert (~mask).sum() == round(fraction * 320)


def test_random_mask_depends_on_its_seed_only():
    np.testing.assert_array_equal(random_mask((9, 9), 0.5, 1), random_mask((9, 9), 0.5, 1))
    assert (random_mask((9, 9), 0.5, 1) != random_mask((9, 9), 0.5, 2)).any()


def test_hole_mask():
    mask = hole_mask((8, 10), (4, 2))
    assert (~mask).sum() == 8
    assert not mask[2:6, 4:6].any()
    assert not hole_mask((8, 10), (1, 1), corner=(7, 9))[7, 9]


def test_wrong_arguments_are_refused():
    with pytest.raises(ValueError, match=r"fraction was 50\.0"):
        random_mask((4, 4), 50.0)
    with pytest.raises(ValueError, match="does not lie within an image"):
        hole_mask((8, 8), (4, 4), corner=(5, 0))
