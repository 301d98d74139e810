"""The sparse inverse Cholesky factor: neighbours by brute force, exactness, symmetry."""

import jax.numpy as jnp
import numpy as np
import pytest
from solvers.problems import kernel, pixels, values

from ntkmc.solvers import sparse_inverse
from ntkmc.solvers._balanced import Balanced
from ntkmc.solvers._neighbours import nearest_earlier
from ntkmc.solvers._system import System


def distances(pixels, shape):
    d = abs(pixels[:, None] - pixels[None])
    return (np.minimum(d, np.array(shape) - d) ** 2).sum(axis=-1)


@pytest.mark.parametrize("share", [0.05, 0.5, 1.0])
@pytest.mark.parametrize("shape", [(24, 40), (33, 17), (300,), (9, 12, 8)])
def test_neighbours_are_the_nearest_earlier_ones(shape, share):
    rng = np.random.default_rng(0)
    where = np.argwhere(rng.random(shape) < share)
    where = where[rng.permutation(len(where))]
    m = 6
    found = nearest_earlier(where, shape, m)
    squared = distances(where, shape)
    for i, row in enumerate(found):
        present = row[row < len(where)]
        assert len(present) == min(i, m)
        assert len(set(present)) == len(present)
        assert (present < i).all()
        nearest = np.sort(squared[i, :i])[:m]
        np.testing.assert_array_equal(squared[i, present], nearest)


def test_neighbours_across_a_large_hole():
    """Grid search must go on until it has found enough."""
    mask = np.ones((96, 96), bool)
    mask[:, 8:] = False
    mask[40:44, 50:54] = True
    where = np.argwhere(mask)[np.random.default_rng(0).permutation(mask.sum())]
    found = nearest_earlier(where, mask.shape, 8)
    squared = distances(where, mask.shape)
    for i in range(8, len(where)):
        np.testing.assert_array_equal(squared[i, found[i]], np.sort(squared[i, :i])[:8])


@pytest.mark.slow
def test_with_all_earlier_pixels_it_is_the_inverse():
    where = tuple(side[:60] for side in pixels())
    factor = sparse_inverse.build(kernel(), where, neighbours=60)
    matrix = np.asarray(kernel().dense(where, where), np.float64)
    product = np.asarray(factor(jnp.asarray(matrix, jnp.float32)))
    np.testing.assert_allclose(product, np.eye(60), atol=2e-4)  # float32 times a condition of 1e3


@pytest.mark.slow
def test_is_symmetric_positive_definite_and_close_to_the_inverse(x64):
    where = pixels()
    n = len(where[0])
    factor = sparse_inverse.build(kernel(), where, neighbours=16)
    matrix = np.asarray(factor(jnp.eye(n)))
    np.testing.assert_allclose(matrix, matrix.T, rtol=0, atol=1e-12 * abs(matrix).max())
    product = matrix @ np.asarray(kernel().dense(where, where), np.float64)
    spectrum = np.linalg.eigvals(product).real
    assert spectrum.min() > 0.05
    assert spectrum.max() < 20


@pytest.mark.slow
def test_shift_is_a_ridge(x64):
    where = tuple(side[:40] for side in pixels())
    factor = sparse_inverse.build(kernel(), where, shift=0.5, neighbours=40)
    matrix = np.asarray(kernel().dense(where, where), np.float64) + 0.5 * np.eye(40)
    np.testing.assert_allclose(factor(jnp.asarray(matrix)), np.eye(40), atol=1e-6)


@pytest.mark.slow
def test_several_vectors_are_each_on_their_own():
    where = pixels()
    factor = sparse_inverse.build(kernel(), where, neighbours=8)
    vectors = jnp.asarray(values(len(where[0]), 3), jnp.float32)
    np.testing.assert_allclose(
        factor(vectors)[:, 1:2], factor(vectors[:, 1:2]), rtol=1e-4, atol=1e-4
    )
    assert factor.memory_bytes > 0


@pytest.mark.slow
def test_balanced_is_symmetric_positive_definite_and_exact_on_constants(x64):
    where = pixels()
    n = len(where[0])
    common = kernel().common
    factor = sparse_inverse.build(kernel(), where, shift=0.01, neighbours=8, common=common)
    balanced = Balanced.of(factor, System.of(kernel(), where, 0.01))
    matrix = np.asarray(balanced(jnp.eye(n)))
    np.testing.assert_allclose(matrix, matrix.T, rtol=0, atol=1e-12 * abs(matrix).max())
    assert np.linalg.eigvalsh(matrix)[0] > 0
    dense = np.asarray(kernel().dense(where, where), np.float64) + 0.01 * np.eye(n)
    np.testing.assert_allclose(matrix @ dense @ np.ones(n), np.ones(n), rtol=1e-5)
    spectrum = np.linalg.eigvals(matrix @ dense).real
    assert spectrum.max() / spectrum.min() < 10
