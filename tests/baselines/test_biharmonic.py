import numpy as np
import pytest

from ntkmc.baselines import biharmonic
from ntkmc.datasets import hole_mask


@pytest.mark.parametrize("channels", [(), (3,)])
def test_fills_a_plane_and_keeps_what_is_observed(channels):
    rows, columns = np.mgrid[0:16, 0:16] / 40
    image = (rows + columns).reshape((16, 16) + (1,) * len(channels)) + np.zeros(channels)
    mask = hole_mask((16, 16), (5, 5))
    hidden = np.where(mask.reshape(16, 16, *[1] * len(channels)), image, np.nan)
    filled = biharmonic(hidden, mask)
    np.testing.assert_allclose(filled, image, atol=1e-10)
    np.testing.assert_array_equal(filled[mask], image[mask])


def test_a_mask_of_another_shape_or_type_is_refused(unchecked):
    with pytest.raises(ValueError, match=r"mask is bool \(4, 5\); pass a bool array"):
        biharmonic(np.zeros((4, 4)), np.ones((4, 5), bool))
    with pytest.raises(ValueError, match="mask is uint8"):
        biharmonic(np.zeros((4, 4)), np.ones((4, 4), np.uint8))
