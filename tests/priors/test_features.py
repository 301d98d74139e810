import jax
import numpy as np

from ntkmc.priors import IIDUniform, identity, meshgrid, uniform


def test_identity_is_one_channel():
    np.testing.assert_array_equal(identity((3, 4)), np.eye(3, 4)[None])


def test_meshgrid_has_columns_then_rows_from_0_to_1():
    grid = np.asarray(meshgrid((3, 5)))
    np.testing.assert_allclose(grid[0], np.tile([0, 0.25, 0.5, 0.75, 1], (3, 1)))
    np.testing.assert_allclose(grid[1], np.tile([[0], [0.5], [1]], (1, 5)))
    assert np.isfinite(meshgrid((1, 1))).all()


def test_uniform_has_the_papers_range_unless_told():
    z = uniform(jax.random.key(0), 100, (8, 4))
    assert z.shape == (100, 8, 4)
    assert 0 <= z.min() < 0.001
    assert 0.099 < z.max() < 0.1
    assert uniform(jax.random.key(0), 1, (8, 4), IIDUniform(2.0, 3.0)).min() >= 2
