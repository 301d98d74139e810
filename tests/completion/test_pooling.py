"""Rubin's rules."""

import numpy as np
import pytest
import scipy.stats

from ntkmc import pool


def test_by_hand():
    """M = 4, mean 5, within 2, between 5/3: T = 2 + 1.25 * 5/3 = 49/12, gamma = 25/49."""
    pooled = pool([4.0, 4.0, 5.0, 7.0], [1.0, 2.0, 2.0, 3.0])
    assert pooled.estimate == 5
    np.testing.assert_allclose(pooled.variance, 2 + 1.25 * 2, rtol=1e-15)
    gamma = 2.5 / 4.5
    np.testing.assert_allclose(pooled.dof, 3 / gamma**2, rtol=1e-14)
    ratio = 2.5 / 2
    lost = (ratio + 2 / (pooled.dof + 3)) / (ratio + 1)
    np.testing.assert_allclose(pooled.missing_information, lost, rtol=1e-14)
    half = scipy.stats.t.ppf(0.975, 3 / gamma**2) * np.sqrt(4.5)
    np.testing.assert_allclose([pooled.low, pooled.high], [5 - half, 5 + half], rtol=1e-14)


def test_degrees_of_freedom_of_small_tables():
    """Barnard & Rubin 1999, Eq. 3: never more than without gaps, and those where M is large."""
    Q, U = [[1.0, 2.0], [1.5, 2.5], [0.5, 1.0]], np.ones((3, 2))
    pooled, without = pool(Q, U, dof=20.0), pool(Q, U)
    gamma = 4 / 3 * np.var(Q, axis=0, ddof=1) / without.variance
    observed = 21 / 23 * 20 * (1 - gamma)
    old = 2 / gamma**2
    np.testing.assert_allclose(pooled.dof, old * observed / (old + observed), rtol=1e-14)
    assert (pooled.dof < 20).all()
    np.testing.assert_allclose(pool(Q, U, dof=1e12).dof, without.dof, rtol=1e-9)


def test_without_gaps_it_is_the_usual_interval():
    pooled = pool([3.0, 3.0], [4.0, 4.0], level=0.9)
    assert pooled.dof == np.inf
    assert pooled.missing_information == 0
    z = scipy.stats.norm.ppf(0.95)
    np.testing.assert_allclose([pooled.low, pooled.high], [3 - 2 * z, 3 + 2 * z], rtol=1e-14)
    small = pool([3.0, 3.0], [4.0, 4.0], dof=10)
    np.testing.assert_allclose(small.dof, 110 / 13)


@pytest.mark.parametrize(
    ("arguments", "settings", "message"),
    [
        (([1.0], [1.0]), {}, "two completed tables or more"),
        (([1.0, 2.0], [1.0]), {}, "variances \\(1,\\)"),
        (([1.0, np.nan], [1.0, 1.0]), {}, "must be finite"),
        (([1.0, 2.0], [1.0, 0.0]), {}, "variances above 0"),
        (([1.0, 2.0], [1.0, 1.0]), {"dof": 0}, "dof was 0"),
        (([1.0, 2.0], [1.0, 1.0]), {"level": 1}, "level was 1"),
    ],
)
def test_refused(arguments, settings, message, unchecked):
    with pytest.raises(ValueError, match=message):
        pool(*arguments, **settings)
