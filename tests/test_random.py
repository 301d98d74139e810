"""Random arrays that compile quickly."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ntkmc import _random


@pytest.mark.parametrize("shape", [(), (7,), (2, 3, 5)])
def test_numbers_are_those_of_jax(shape):
    key = jax.random.key(3)
    expected = jax.random.normal(key, shape)
    np.testing.assert_array_equal(_random.normal(key, shape), expected)
    np.testing.assert_array_equal(_random.normal_initializer(0.5)(key, shape), 0.5 * expected)
    np.testing.assert_array_equal(
        _random.uniform(key, shape, -1.0, 2.0), jax.random.uniform(key, shape, minval=-1, maxval=2)
    )
    assert _random.normal(key, shape, jnp.bfloat16).dtype == jnp.bfloat16
