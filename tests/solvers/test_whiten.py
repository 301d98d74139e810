"""The inverse of a Cholesky factor, by halves."""

import jax.numpy as jnp
import numpy as np
import pytest

from ntkmc._compat import enable_x64
from ntkmc.solvers.whiten import whiten


# One factorisation, an odd number, halves of halves.
@pytest.mark.parametrize("rows", [5, 163, 328])
def test_it_is_the_inverse_of_the_cholesky_factor(rows):
    rng = np.random.default_rng(0)
    root = rng.standard_normal((rows, rows))
    matrix = root @ root.T + np.eye(rows)
    indefinite = matrix - 2 * np.trace(matrix) * np.eye(rows)
    with enable_x64():
        W = np.asarray(whiten(jnp.asarray(matrix)))
    assert not np.triu(W, 1).any()
    np.testing.assert_allclose(W @ np.linalg.cholesky(matrix), np.eye(rows), atol=1e-9)
    with enable_x64():
        assert np.isnan(np.asarray(whiten(jnp.asarray(indefinite)))).any()
