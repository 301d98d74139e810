"""Methods of the drug-response experiment that are there for comparison."""

import numpy as np
import pytest
from responses import draw, missing

from ntkmc.experiments.cmap_baselines import Fold
from ntkmc.experiments.cmap_methods import method_from


@pytest.fixture
def fold():
    table = draw(drugs=10, noise=0.5)[0]
    trained, reference = table.take(table.cell != 0), table.take(table.cell == 0)
    drug, cell = missing(table)
    return Fold(trained, reference, drug[cell != 0], cell[cell != 0])


def kappa(cosine):
    """The kernel of one hidden layer, at unit vectors."""
    angle = np.pi - np.arccos(np.clip(cosine, -1, 1))
    return (2 * cosine * angle + np.sqrt(1 - np.clip(cosine, -1, 1) ** 2)) / np.pi


def regressed(fold, features):
    """Kernel regression as the authors' programs do it."""
    unit = features / np.linalg.norm(features, axis=0)
    kernel = kappa(unit.T @ unit)
    n = len(fold.trained)
    return kernel[n:, :n] @ np.linalg.solve(kernel[:n, :n], fold.trained.profiles)


def test_the_identity_is_a_multiple_of_the_mean_over_everything(fold):
    made = method_from({"ntk": {"identity": {}}})(fold, False).profiles
    count = len(fold.trained)
    factor = count / np.pi / (2 - 1 / np.pi + count / np.pi)
    expected = factor * fold.trained.profiles.mean(axis=0)
    np.testing.assert_allclose(made, np.tile(expected, (len(made), 1)), rtol=1e-8)


def test_one_hot_with_the_identity_below(fold):
    made = method_from({"ntk": {"one_hot": {"identity": 1.5}}})(fold, False).profiles
    drugs = np.concatenate([fold.trained.drug, fold.drug])
    cells = np.concatenate([fold.trained.cell, fold.cell])
    features = [np.eye(4)[:, cells], 0.75 * np.eye(10)[:, drugs], 1.5 * np.eye(len(drugs))]
    np.testing.assert_allclose(made, regressed(fold, np.concatenate(features)), atol=1e-6)


def test_random_features_are_drawn_from_their_seed(fold):
    made, again, other = (
        method_from({"ntk": {"random": {"features": 20, "seed": seed}}})(fold, False).profiles
        for seed in (0, 0, 1)
    )
    np.testing.assert_array_equal(made, again)
    assert not np.allclose(made, other)
    columns = len(fold.trained) + len(fold.drug)
    drawn = np.random.default_rng(0).random((20, columns))
    features = np.concatenate([drawn, 1.5 * np.eye(columns)])
    np.testing.assert_allclose(made, regressed(fold, features), atol=1e-6)


def test_cell_lines_one_hot_beside_the_reference(fold):
    made = method_from({"ntk": {"reference_cell_one_hot": {}}})(fold, False).profiles
    of_drug = np.zeros((10, 12)) + fold.reference.profiles.mean(axis=0)
    of_drug[fold.reference.drug] = fold.reference.profiles
    drugs = np.concatenate([fold.trained.drug, fold.drug])
    cells = np.concatenate([fold.trained.cell, fold.cell])
    lines = 0.75 * np.linalg.norm(of_drug[drugs], axis=1) * np.eye(4)[:, cells]
    features = np.concatenate([lines, of_drug[drugs].T, 1.5 * np.eye(len(drugs))])
    np.testing.assert_allclose(made, regressed(fold, features), atol=1e-6)
