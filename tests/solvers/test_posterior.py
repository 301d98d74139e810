"""Posterior variances against a dense float64 process (by iterations: see test_uncertainty)."""

import functools

import numpy as np
import pytest
from solvers.problems import kernel, pixels, singular_kernel, values

from ntkmc import memory
from ntkmc.architecture import autoencoder
from ntkmc.kernels import GridKernel
from ntkmc.solvers import Cholesky, SingularKernelError, posterior
from ntkmc.solvers._neighbours import NeighbourSearch
from ntkmc.solvers.result import shift_of

SIDE = 16


@functools.cache
def grid_kernel():
    features = np.random.default_rng(0).standard_normal((24, SIDE, SIDE))
    return GridKernel.build(autoencoder(1), features)


KERNELS = {"periodic": lambda: kernel(SIDE), "grid": grid_kernel}


def missing(where):
    mask = np.ones((SIDE, SIDE), bool)
    mask[where] = False
    return np.nonzero(mask)


def system(kernel, where, ridge, shift=0.0):
    matrix = np.asarray(kernel.dense(where, where), np.float64)
    shift += ridge * np.mean(np.diag(matrix))
    return (matrix + matrix.T) / 2 + shift * np.eye(len(matrix))


def gaussian_process(kernel, where, there, right, ridge=0.0, shift=0.0):
    """Mean and variance by the textbook, in float64."""
    across = np.asarray(kernel.dense(where, there), np.float64)
    solved = np.linalg.solve(system(kernel, where, ridge, shift), across)
    prior = np.asarray(kernel.entries(there, there), np.float64)
    return solved.T @ right, prior - np.sum(across * solved, axis=0)


@pytest.mark.parametrize(("make", "ridge"), [(KERNELS["periodic"], 1e-2), (grid_kernel, 0.0)])
def test_by_cholesky_and_by_all_neighbours_it_is_that_of_a_dense_process(make, ridge):
    built, where = make(), pixels(SIDE)
    there = missing(where)
    right = values(len(where[0]))
    mean, variance = gaussian_process(built, where, there, right, ridge)
    # Entries are float32, and K(x, x') differs from K(x', x) by their rounding.
    close = {"rtol": 1e-3, "atol": 1e-6 * float(np.mean(built.diagonal))}

    seen = []
    prepared = Cholesky(ridge=ridge).prepare(built, where)
    direct = posterior.exact(prepared, built, where, there, lambda *a: seen.append(a))
    np.testing.assert_allclose(direct, variance, **close)
    assert seen[-1] == ("variance", len(there[0]), len(there[0]))

    shift = shift_of(built, where, ridge)
    found = posterior.nearest(built, where, right, there, shift, neighbours=1000)
    np.testing.assert_allclose(found.variance, variance, **close)
    np.testing.assert_allclose(found.mean, mean, atol=1e-3)


@pytest.mark.parametrize("make", KERNELS.values(), ids=KERNELS)
def test_nearest_pixels_approach_it_from_above(make):
    built, where = make(), pixels(SIDE)
    there = missing(where)
    right = values(len(where[0]))
    _, variance = gaussian_process(built, where, there, right)
    errors = []
    for m in (4, 16, 64):
        found = posterior.nearest(built, where, right, there, neighbours=m).variance
        assert (found > variance * (1 - 1e-3)).all()
        errors.append(np.sqrt(np.mean((np.sqrt(found / variance) - 1) ** 2)))
    assert errors[0] > errors[1] > errors[2]
    assert errors[2] < 0.05


@pytest.mark.parametrize("make", KERNELS.values(), ids=KERNELS)
def test_an_observed_target_is_left_out(make):
    """Rasmussen & Williams, Eqs. 5.12: variance 1 / A_ii and mean y_i - (A y)_i / A_ii."""
    ridge, built, where = 1e-2, make(), pixels(SIDE)
    right = values(len(where[0]))
    shift = shift_of(built, where, ridge)
    inverse = np.linalg.inv(system(built, where, ridge))
    found = posterior.nearest(built, where, right, where, shift, neighbours=1000)
    diagonal = np.diag(inverse)
    np.testing.assert_allclose(found.variance + shift, 1 / diagonal, rtol=1e-4)
    expected = right - inverse @ right / diagonal[:, None]
    np.testing.assert_allclose(found.mean, expected, atol=1e-3)


def test_surprise_of_draws_from_the_process_is_their_squared_scale():
    built, where = kernel(SIDE), pixels(SIDE)
    root = np.linalg.cholesky(system(built, where, 1e-3))
    scales = np.array([0.5, 3.0])
    draws = np.random.default_rng(3).standard_normal((len(root), 2, 200))
    right = np.einsum("ij,jkr->ikr", root, draws) * scales[:, None]
    shift = shift_of(built, where, 1e-3)
    found = posterior.nearest(
        built, where, right.reshape(len(root), -1), missing(where), shift, neighbours=16
    )
    mean = found.surprise.reshape(-1, 2, 200).mean(axis=(0, 2))
    np.testing.assert_allclose(mean, scales**2, rtol=0.05)


def test_neighbours_by_brute_force():
    rng = np.random.default_rng(0)
    where, targets = pixels(SIDE, 0.3), np.argwhere(rng.random((SIDE, SIDE)) < 0.4)
    n, observed = len(where[0]), np.stack(where, axis=1)
    same = (targets[:, None] == observed).all(axis=-1)
    assert same.any()

    offsets = abs(targets[:, None] - observed)
    distance = (np.minimum(offsets, SIDE - offsets) ** 2).sum(axis=-1)
    found = NeighbourSearch(kernel(SIDE), where)(targets, 7)
    assert not np.take_along_axis(same, found, axis=1).any()
    np.testing.assert_array_equal(
        np.take_along_axis(distance, found, axis=1),
        np.sort(np.where(same, 1000, distance), axis=1)[:, :7],
    )

    built = grid_kernel()
    alike = np.abs(built.dense(tuple(targets.T), where)) / np.sqrt(built.entries(where, where))
    found = NeighbourSearch(built, where)(targets, 7)
    np.testing.assert_allclose(
        np.take_along_axis(alike, found, axis=1),
        -np.sort(np.where(same, 0, -alike), axis=1)[:, :7],
    )
    for built in (kernel(SIDE), grid_kernel()):
        assert (np.sort(NeighbourSearch(built, where)(targets, n + 3))[:, -3:] == n).all()


def test_neighbours_may_be_any():
    """Each target given a set of its own, of up to five pixels anywhere."""
    built, where, there = kernel(SIDE), pixels(SIDE), missing(pixels(SIDE))
    n, t = len(where[0]), len(there[0])
    right = values(n)
    rng = np.random.default_rng(4)
    near = np.stack([rng.choice(n, 5, replace=False) for _ in range(t)])
    near[: t // 2, 3:] = n  # none
    shift = shift_of(built, where, 1e-2)
    found = posterior.nearest(built, where, right, there, shift, near)
    for target in (0, t // 2, t - 1):
        some = near[target][near[target] < n]
        chosen, here = (
            tuple(side[some] for side in where),
            tuple(side[[target]] for side in there),
        )
        mean, variance = gaussian_process(built, chosen, here, right[some], shift=shift)
        np.testing.assert_allclose(found.mean[target], mean[0], atol=1e-5)
        np.testing.assert_allclose(found.variance[target], variance[0], rtol=1e-4)

    nearest = NeighbourSearch(built, where)(np.stack(there, axis=1), 7)
    weights = posterior.nearest_weights(built, where, there, shift, near)
    assert not weights[near == n].any()
    sums = np.einsum("tm,tmk->tk", weights, right.take(near, axis=0, mode="clip"))
    np.testing.assert_allclose(sums, found.mean, rtol=0, atol=1e-11)
    given = posterior.nearest(built, where, right, there, shift, nearest)
    expected = posterior.nearest(built, where, right, there, shift, 7)
    for name in ("mean", "variance", "surprise"):
        np.testing.assert_array_equal(getattr(given, name), getattr(expected, name))


def test_one_observed_pixel():
    where, built = (np.array([3]), np.array([4])), kernel(SIDE)
    found = posterior.nearest(built, where, [2.0], (np.array([3, 5]), np.array([4, 4])))
    here, there, both = (
        float(built.entries(*pair))
        for pair in (((3, 4), (3, 4)), ((5, 4), (5, 4)), ((3, 4), (5, 4)))
    )
    # Left out, nothing is known of it.
    np.testing.assert_allclose(found.variance, [here, there - both**2 / here], rtol=1e-5)
    np.testing.assert_allclose(found.mean[:, 0], [0, 2 * both / here], rtol=1e-5)


def test_bad_arguments():
    built, where = kernel(SIDE), pixels(SIDE)
    right, beyond = values(len(where[0])), (np.array([SIDE]), np.array([0]))
    prepared = Cholesky().prepare(built, where)
    fewer = tuple(side[1:] for side in where)
    with pytest.raises(ValueError, match="rows go from 16 to 16"):
        posterior.exact(prepared, built, where, beyond)
    with pytest.raises(ValueError, match="pass those it was prepared with"):
        posterior.exact(prepared, built, fewer, where)
    with pytest.raises(ValueError, match="neighbours was 0"):
        posterior.nearest(built, where, right, where, neighbours=0)
    for near, words in (
        (np.zeros((3, 2), int), r"of shape \(3, 2\); pass at least 1, or indices from 0 of shape"),
        (np.zeros(len(right), int), r"neighbours was of shape"),
        (np.zeros((len(right), 0), int), r"neighbours was of shape"),
        (np.full((len(right), 2), -1), r"indices from 0"),
    ):
        with pytest.raises(ValueError, match=words):
            posterior.nearest(built, where, right, where, neighbours=near)
    with pytest.raises(ValueError, match="values have shape"):
        posterior.nearest(built, fewer, right, where)


def test_singular_kernels_and_too_little_memory(monkeypatch):
    where = pixels(SIDE, share=0.9)
    right = values(len(where[0]))
    there = tuple(side[:32] for side in missing(where))
    with pytest.raises(SingularKernelError, match=r"nearest to \(\d+, \d+\) is not .* ridge"):
        posterior.nearest(singular_kernel(), where, right, there)
    monkeypatch.setattr(memory, "available_bytes", lambda: 10_000)
    with pytest.raises(memory.NotEnoughMemoryError, match="fewer neighbours"):
        posterior.nearest(kernel(SIDE), where, right, there)
