"""Baselines against their formulas, written out pair by pair."""

import numpy as np
import pytest
from responses import draw, missing, of_mask

from ntkmc import baselines
from ntkmc.baselines.dnpp import mean_correlations


@pytest.fixture
def table():
    return draw(drugs=9, genes=20, noise=0.5)[0]


def test_means(table):
    drug, cell = missing(table)
    of_cell = baselines.mean_over_cell(table, drug, cell)
    of_drug = baselines.mean_over_drug(table, drug, cell)
    for row, (one, line) in enumerate(zip(drug, cell, strict=True)):
        np.testing.assert_allclose(of_cell[row], table.profiles[table.cell == line].mean(axis=0))
        np.testing.assert_allclose(of_drug[row], table.profiles[table.drug == one].mean(axis=0))
    np.testing.assert_allclose(
        baselines.two_way_mean(table, drug, cell, 0.25), 0.25 * of_cell + 0.75 * of_drug
    )


def test_what_was_never_seen_has_the_mean_of_means(table):
    part = table.take((table.cell != 1) & (table.drug != 4))
    means = [part.profiles[part.cell == line].mean(axis=0) for line in (0, 2, 3)]
    asked = np.array([4]), np.array([1])
    np.testing.assert_allclose(baselines.mean_over_cell(part, *asked)[0], np.mean(means, axis=0))
    of_drug = [part.profiles[part.drug == d].mean(axis=0) for d in np.unique(part.drug)]
    np.testing.assert_allclose(baselines.mean_over_drug(part, *asked)[0], np.mean(of_drug, axis=0))


def similarity(table, first, second):
    places = table.places()
    both = np.flatnonzero((places[first] >= 0) & (places[second] >= 0))
    if not len(both):
        return None
    pairs = [(table.profiles[places[first, c]], table.profiles[places[second, c]]) for c in both]
    return np.mean([np.corrcoef(a, b)[0, 1] for a, b in pairs])


def test_similarities_of_drugs(table):
    table = table.take((table.drug != 0) | (table.cell == 0))
    table = table.take((table.drug != 1) | (table.cell == 1))
    made = mean_correlations(table)
    assert made[0, 1] == -np.inf
    for first in range(9):
        for second in range(9):
            expected = similarity(table, first, second)
            if expected is not None:
                assert made[first, second] == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("neighbours", [1, 3, 10])
def test_dnpp(table, neighbours):
    drug, cell = missing(table)
    made = baselines.dnpp(table, drug, cell, neighbours)
    for row, (one, line) in enumerate(zip(drug, cell, strict=True)):
        rows = np.flatnonzero(table.cell == line)
        near = sorted(
            ((similarity(table, one, table.drug[r]) or -np.inf, r) for r in rows), reverse=True
        )[:neighbours]
        near = [(weight, r) for weight, r in near if weight > 0]
        expected = table.profiles[rows].mean(axis=0)
        if near:
            weights = np.array([weight for weight, _ in near])
            expected = weights @ table.profiles[[r for _, r in near]] / weights.sum()
        np.testing.assert_allclose(made[row], expected, atol=1e-12)


def test_dnpp_of_drugs_that_share_no_cell_line_is_the_mean():
    profiles = np.random.default_rng(0).normal(size=(4, 2, 6))
    table = of_mask(profiles, np.array([[1, 0], [1, 0], [0, 1], [0, 1]], bool))
    made = baselines.dnpp(table, np.array([0, 2]), np.array([1, 0]))
    np.testing.assert_allclose(made, [profiles[2:, 1].mean(axis=0), profiles[:2, 0].mean(axis=0)])


def test_an_observed_pair_is_no_neighbour_of_its_own():
    """Two drugs with the same profiles: the first is imputed from the second alone."""
    profiles = np.random.default_rng(1).normal(size=(3, 3, 10))
    profiles[1] = profiles[0] + 1e-3
    table = of_mask(profiles, np.ones((3, 3), bool))
    made = baselines.dnpp(table, np.array([0]), np.array([2]), neighbours=1)
    np.testing.assert_allclose(made[0], profiles[1, 2])


def test_settings_that_make_no_sense_are_refused(table):
    asked = missing(table)
    with pytest.raises(ValueError, match="neighbours was 0; pass at least 1"):
        baselines.dnpp(table, *asked, neighbours=0)
    with pytest.raises(ValueError, match=r"weight was 1\.5; pass a number between 0 and 1"):
        baselines.two_way_mean(table, *asked, weight=1.5)
    with pytest.raises(ValueError, match="nothing is observed"):
        baselines.mean_over_cell(table.take(np.zeros(len(table), bool)), *asked)
