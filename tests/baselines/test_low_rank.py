"""FaLRTC and soft-impute against other algorithms for the same problems, in NumPy and SciPy."""

import numpy as np
import pytest
import scipy.optimize
from responses import draw, missing

from ntkmc import baselines


def unfold(tensor, axis):
    return np.moveaxis(tensor, axis, 0).reshape(tensor.shape[axis], -1)


def low_rank(shape=(14, 12, 10), rank=2, seed=0):
    rng = np.random.default_rng(seed)
    factors = [rng.normal(size=(side, rank)) for side in shape]
    core = rng.normal(size=(rank,) * 3)
    return np.einsum("abc,ia,jb,kc->ijk", core, *factors), rng.random(shape) < 0.5


def test_half_of_a_low_rank_tensor_is_recovered():
    truth, observed = low_rank((30, 25, 20), rank=3)
    made = baselines.complete_tensor(np.where(observed, truth, np.nan), observed, iterations=60)
    error = np.linalg.norm(made.tensor - truth) / np.linalg.norm(truth)
    assert error < 1e-3  # of the smoothing's order, 1e-4; the bar is 1e-2
    np.testing.assert_array_equal(made.tensor[observed], truth[observed])
    assert made.iterations == 60
    stopped = baselines.complete_tensor(truth, observed, iterations=60, tol=1e-2)
    assert 48 <= stopped.iterations < 60  # not before the thresholds have fallen
    assert stopped.change <= 1e-2


def alternating_directions(tensor, observed, weights, steps=400, penalty=0.1):
    """The exact nuclear norms by ADMM (Liu et al., algorithm 4), with NumPy's own SVD."""
    now = np.where(observed, tensor, 0)
    multipliers = [np.zeros_like(now) for _ in weights]
    for _ in range(steps):
        parts = []
        for axis, weight in enumerate(weights):
            matrix = unfold(now + multipliers[axis] / penalty, axis)
            u, s, v = np.linalg.svd(matrix, full_matrices=False)
            shrunk = (u * np.maximum(s - weight / penalty, 0)) @ v
            moved = shrunk.reshape(np.moveaxis(now, axis, 0).shape)
            parts.append(np.moveaxis(moved, 0, axis))
        mean = sum(p - m / penalty for p, m in zip(parts, multipliers, strict=True)) / len(weights)
        now = np.where(observed, tensor, mean)
        multipliers = [m - penalty * (p - now) for m, p in zip(multipliers, parts, strict=True)]
        penalty *= 1.02
    return now


@pytest.mark.parametrize("weights", [(1, 1, 1), (3, 1, 0.5)])
def test_falrtc_agrees_with_alternating_directions(weights):
    truth, observed = low_rank()
    # With noise, so that the nuclear norm is what decides.
    noisy = truth + 0.5 * np.random.default_rng(1).normal(size=truth.shape)
    normed = np.array(weights) / np.sum(weights)
    expected = alternating_directions(noisy, observed, normed)
    made = baselines.complete_tensor(
        noisy, observed, alpha=weights, smoothing=1e-4, iterations=800
    ).tensor

    def objective(tensor):
        norms = [np.linalg.norm(unfold(tensor, axis), "nuc") for axis in range(3)]
        return float(normed @ norms)

    # The smoothed minimum is above the exact one by at most half the thresholds' sum.
    assert objective(made) == pytest.approx(objective(expected), rel=1e-3)
    difference = np.linalg.norm(made - expected) / np.linalg.norm(expected)
    assert difference < 0.02


def test_falrtc_of_the_smoothed_problem_is_its_minimum():
    """Against a general minimiser of the same function, at a large threshold."""
    truth, observed = low_rank((6, 5, 4))
    made = baselines.complete_tensor(truth, observed, smoothing=0.3, iterations=3000).tensor
    start = np.where(observed, truth, truth[observed].mean())
    largest = [np.linalg.norm(unfold(start, axis), 2) for axis in range(3)]

    def value(missing_entries):
        full = truth.copy()
        full[~observed] = missing_entries
        total, slope = 0.0, np.zeros_like(full)
        for axis, size in enumerate(largest):
            threshold = 0.3 * size
            u, s, v = np.linalg.svd(unfold(full, axis), full_matrices=False)
            total += np.where(s > threshold, s - threshold / 2, s**2 / (2 * threshold)).sum() / 3
            step = (u * np.minimum(s / threshold, 1)) @ v / 3
            slope += np.moveaxis(step.reshape(np.moveaxis(full, axis, 0).shape), 0, axis)
        return total, slope[~observed]

    found = scipy.optimize.minimize(
        value,
        start[~observed],
        jac=True,
        method="L-BFGS-B",
        options={"maxiter": 3000, "gtol": 1e-9},
    )
    assert value(made[~observed])[0] == pytest.approx(found.fun, rel=1e-9)
    np.testing.assert_allclose(made[~observed], found.x, atol=1e-3)


def test_falrtc_of_responses():
    """Drugs without profiles have the mean; float32 does for noisy data."""
    table, profiles = draw(drugs=12, cells=6, genes=20, share=0.8, rank=2, noise=0.0)
    drug, cell = missing(table)
    # A common rank over drugs and cell lines: their part of the tensor is recovered.
    made = baselines.falrtc(table, drug, cell, (1, 0, 1), smoothing=1e-3, iterations=60)
    mean = baselines.mean_over_cell(table, drug, cell)
    truth = profiles[drug, cell]
    assert np.linalg.norm(made - truth) < 0.6 * np.linalg.norm(mean - truth)
    alone = table.take(table.drug != 3)
    asked = np.array([3]), np.array([2])
    np.testing.assert_array_equal(
        baselines.falrtc(alone, *asked, (1, 0, 1), smoothing=1e-3, iterations=60),
        baselines.mean_over_cell(alone, *asked),
    )


def test_soft_impute_is_the_minimum():
    rng = np.random.default_rng(0)
    matrix = rng.normal(size=(12, 2)) @ rng.normal(size=(2, 30)) + 0.3 * rng.normal(size=(12, 30))
    observed = rng.random(matrix.shape) < 0.6
    made = baselines.soft_impute(np.where(observed, matrix, np.nan), 0.2, 3000, 1e-12)
    lam = 0.2 * np.linalg.norm(np.where(observed, matrix, 0), 2)
    # Optimality: residual = lam (U V^T + W), W of norm <= 1 and orthogonal to U and V.
    residual = np.where(observed, matrix - made, 0) / lam
    u, s, v = np.linalg.svd(made, full_matrices=False)
    rank = int((s > 1e-6 * s[0]).sum())
    u, v = u[:, :rank], v[:rank]
    assert 0 < rank < 12
    np.testing.assert_allclose(u.T @ residual, v, atol=1e-5)
    np.testing.assert_allclose(residual @ v.T, u, atol=1e-5)
    assert np.linalg.norm(residual - u @ v, 2) < 1 + 1e-6


def test_soft_impute_of_responses_in_coordinates_is_that_of_all_genes():
    table, _ = draw(drugs=10, cells=4, genes=60, share=0.6)
    drug, cell = missing(table)
    made = baselines.soft_impute_responses(table, drug, cell, 0.1, 50, 0.0)
    means = np.stack([table.profiles[table.cell == line].mean(axis=0) for line in range(4)])
    tensor = table.tensor() - means.T
    full = baselines.soft_impute(tensor.reshape(10, -1), 0.1, 50, 0.0).reshape(tensor.shape)
    np.testing.assert_allclose(made, full[drug, :, cell] + means[cell], atol=1e-8)


def test_settings_that_make_no_sense_are_refused(unchecked):
    tensor, observed = low_rank((4, 3, 2))
    for message, settings in {
        "alpha was": {"alpha": (1, -1, 1)},
        "smoothing was 1": {"smoothing": 1},
        "iterations was 0": {"iterations": 0},
        "dtype was 'int8'": {"dtype": "int8"},
    }.items():
        with pytest.raises(ValueError, match=message):
            baselines.complete_tensor(tensor, observed, **settings)
    with pytest.raises(ValueError, match="with 0 True"):
        baselines.complete_tensor(tensor, np.zeros_like(observed))
    with pytest.raises(ValueError, match="not finite where it is observed"):
        baselines.complete_tensor(tensor / 0.0, observed)
    with pytest.raises(ValueError, match="shrinkage was 2"):
        baselines.soft_impute(tensor[0], 2)
