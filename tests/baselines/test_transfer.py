"""Style transfer, synthetic control and synthetic interventions: tables that they are exact on."""

import numpy as np
import pytest
import scipy.optimize
from responses import draw, missing, of_mask

from ntkmc import baselines
from ntkmc.baselines._donors import largest_block
from ntkmc.baselines.synthetic_control import simplex_weights

rng = np.random.default_rng(0)


def additive(drugs=7, cells=4, genes=15):
    """A profile is the drug's plus the cell line's: what vector arithmetic is about."""
    profiles = rng.normal(size=(drugs, 1, genes)) + rng.normal(size=(1, cells, genes))
    observed = rng.random((drugs, cells)) < 0.6
    observed[:2] = True
    observed[2] = False
    observed[2, 1] = True
    return of_mask(profiles, observed), profiles


def test_style_transfer_is_exact_where_effects_add_up():
    table, profiles = additive()
    drug, cell = missing(table)
    np.testing.assert_allclose(
        baselines.style_transfer(table, drug, cell), profiles[drug, cell], atol=1e-12
    )
    # An affine code, of more dimensions than genes, changes nothing.
    code, shift = rng.normal(size=(15, 40)), rng.normal(size=40)
    inverse = np.linalg.pinv(code)
    made = baselines.in_latent_space(
        table, drug, cell, lambda y: y @ code + shift, lambda z: (z - shift) @ inverse
    )
    np.testing.assert_allclose(made, profiles[drug, cell], atol=1e-10)


def test_style_transfer_without_sources_is_the_mean():
    table, _ = additive()
    alone = table.take(table.cell != 1)
    made = baselines.style_transfer(alone, np.array([2]), np.array([0]))
    np.testing.assert_allclose(made[0], alone.profiles[alone.cell == 0].mean(axis=0))


def test_an_overparameterised_autoencoder_interpolates_and_aligns():
    table, profiles = additive(drugs=6, genes=12)
    trained = baselines.train_autoencoder(table.profiles, width=256, steps=200, rate=3e-3)
    assert trained.left < 1e-3
    back = trained.decode(trained.encode(table.profiles))
    error = np.sum((back - table.profiles) ** 2) / np.sum(table.profiles**2)
    assert error == pytest.approx(trained.left, rel=1e-2)
    drug, cell = missing(table)
    made = baselines.autoencoder_style_transfer(table, drug, cell, width=256, steps=200, rate=3e-3)
    truth = profiles[drug, cell]
    mean = baselines.mean_over_cell(table, drug, cell)
    assert np.linalg.norm(made - truth) < 0.8 * np.linalg.norm(mean - truth)
    with pytest.raises(ValueError, match="steps was 0; pass at least 1"):
        baselines.train_autoencoder(table.profiles, steps=0)


def test_blocks_of_donors():
    available = np.array([[1, 1, 1, 0], [1, 1, 0, 1], [1, 1, 1, 1], [0, 1, 1, 1]], bool)
    block = largest_block(available, target=0, wanted=3, minimum=2)
    # Unit 1 shares treatments 0, 1, 2 with the target; unit 2 then leaves 0 and 2; unit 3 only 2.
    np.testing.assert_array_equal(block.donors, [1, 2])
    np.testing.assert_array_equal(block.shared, [0, 2])
    assert largest_block(available, target=0, wanted=3, minimum=4) is None
    # What is observed of the pair itself is not used.
    block = largest_block(available, target=1, wanted=3, minimum=2)
    np.testing.assert_array_equal(block.donors, [2])
    np.testing.assert_array_equal(block.shared, [0, 2])


def test_weights_on_the_simplex_are_the_best_there():
    donors, target = rng.normal(size=(40, 5)), rng.normal(size=40)
    made = simplex_weights(donors, target)
    assert made.sum() == pytest.approx(1)
    assert made.min() >= 0
    found = scipy.optimize.minimize(
        lambda w: np.sum((donors @ w - target) ** 2),
        np.full(5, 0.2),
        bounds=[(0, None)] * 5,
        constraints={"type": "eq", "fun": lambda w: w.sum() - 1},
        options={"ftol": 1e-14},
    )
    np.testing.assert_allclose(made, found.x, atol=1e-4)


def test_synthetic_control_finds_a_mixture_of_cell_lines():
    profiles = rng.normal(size=(8, 4, 20))
    profiles[:, 0] = profiles[:, 1:].transpose(0, 2, 1) @ [0.2, 0.5, 0.3]
    observed = np.ones((8, 4), bool)
    observed[6:, 0] = False
    table = of_mask(profiles, observed)
    made = baselines.synthetic_control(table, *missing(table))
    np.testing.assert_allclose(made.profiles, profiles[6:, 0], atol=1e-4)
    np.testing.assert_array_equal(made.donors, 3)
    np.testing.assert_array_equal(made.shared, 6)
    assert made.unexplained.max() < 1e-8
    assert made.holds().all()
    # No mixture of the others: the condition says so.
    profiles[:, 0] = rng.normal(size=(8, 20))
    alien = baselines.synthetic_control(of_mask(profiles, observed), *missing(table))
    donors, target = profiles[:6, 1:], profiles[:6, 0]
    weights = simplex_weights(donors.transpose(0, 2, 1).reshape(-1, 3), target.ravel())
    left = target - np.einsum("c,dcg->dg", weights, donors)
    np.testing.assert_allclose(alien.unexplained, np.sum(left**2) / np.sum(target**2))
    assert not alien.holds().any()
    lonely = of_mask(profiles, observed & (np.arange(4) == 0))
    alone = baselines.synthetic_control(lonely, np.array([7]), np.array([0]))
    np.testing.assert_allclose(alone.profiles[0], profiles[:6, 0].mean(axis=0))
    assert alone.donors[0] == 0
    assert not alone.holds()[0]


@pytest.mark.parametrize("over", ["cells", "actions"])
def test_synthetic_interventions_are_exact_where_the_tensor_is_of_low_rank(over):
    profiles = np.einsum(
        "dr,cr,rg->dcg",
        rng.normal(size=(12, 2)),
        rng.normal(size=(7, 2)),
        rng.normal(size=(2, 30)),
    )
    observed = np.ones((12, 7), bool)
    observed[9:, 5:] = False
    table = of_mask(profiles, observed)
    drug, cell = missing(table)
    made = baselines.synthetic_interventions(table, drug, cell, over, energy=1 - 1e-12)
    np.testing.assert_allclose(made.profiles, profiles[drug, cell], atol=1e-8)
    np.testing.assert_array_equal(made.rank, 2)
    assert made.unexplained.max() < 1e-10
    assert made.outside.max() < 1e-10
    assert made.holds().all()
    donors, shared = (5, 9) if over == "cells" else (9, 5)
    np.testing.assert_array_equal(made.donors, donors)
    np.testing.assert_array_equal(made.shared, shared)


def test_the_conditions_say_where_synthetic_interventions_do_not_hold():
    profiles = np.einsum(
        "dr,cr,rg->dcg", rng.normal(size=(12, 2)), rng.normal(size=(7, 2)), rng.normal(size=(2, 30))
    )
    observed = np.ones((12, 7), bool)
    observed[10:, 6] = False
    # Cell line 6 is like none of the others: no linear span.
    alien = profiles.copy()
    alien[:, 6] = rng.normal(size=(12, 30))
    table = of_mask(alien, observed)
    made = baselines.synthetic_interventions(table, *missing(table))
    assert made.unexplained.min() > 0.5
    assert not made.holds().any()
    # Drug 11 does in the donors what no other one does: outside of the subspace.
    strange = profiles.copy()
    strange[11] = rng.normal(size=(7, 30))
    table = of_mask(strange, observed)
    made = baselines.synthetic_interventions(table, *missing(table))
    assert made.outside[0] < 1e-10 < 0.1 < made.outside[1]
    np.testing.assert_array_equal(made.holds(), [True, False])
    # Without donors: the mean, and no conditions.
    lonely = of_mask(profiles, observed & (np.arange(7) == 6))
    made = baselines.synthetic_interventions(lonely, np.array([11]), np.array([6]))
    np.testing.assert_allclose(made.profiles[0], profiles[:10, 6].mean(axis=0))
    assert made.donors[0] == 0
    assert not made.holds()[0]


def test_pairs_are_imputed_as_if_they_were_not_observed():
    table, _ = draw(noise=0.5)
    for method in (
        baselines.style_transfer,
        lambda *a: baselines.synthetic_control(*a).profiles,
        lambda *a: baselines.synthetic_interventions(*a, "cells").profiles,
        lambda *a: baselines.synthetic_interventions(*a, "actions").profiles,
    ):
        asked = table.drug[:1], table.cell[:1]
        without = table.take(np.arange(len(table)) > 0)
        changed = table.take(np.arange(len(table)))
        changed.profiles[0] += 100
        first, second = method(table, *asked), method(changed, *asked)
        if method is not baselines.style_transfer:  # its differences of cell lines use all drugs
            np.testing.assert_allclose(first, second, atol=1e-6)
            np.testing.assert_allclose(first, method(without, *asked), atol=1e-6)


def test_settings_that_make_no_sense_are_refused():
    table, _ = draw()
    asked = missing(table)
    with pytest.raises(ValueError, match="over was 'genes'; pass 'cells' or 'actions'"):
        baselines.synthetic_interventions(table, *asked, over="genes")
    with pytest.raises(ValueError, match="energy was 0; pass a share"):
        baselines.synthetic_interventions(table, *asked, energy=0)
    for method in (baselines.synthetic_control, baselines.synthetic_interventions):
        with pytest.raises(ValueError, match="minimum was 0; pass at least 1"):
            method(table, *asked, minimum=0)
