"""Feature priors of drug responses against SI appendices B, D and E."""

import numpy as np
import pytest
from responses import draw, missing

from ntkmc import baselines, priors
from ntkmc.drug_response import cell_means, fitted_centre, impute_responses, in_dense_cells
from ntkmc.kernels import dense_ntk


@pytest.fixture
def table():
    return draw(drugs=10, noise=0.5)[0]


def test_one_hot(table):
    drug, cell = missing(table)
    of_drug = priors.one_hot_drug(table, drug, cell)
    np.testing.assert_array_equal(of_drug.argmax(axis=0), np.concatenate([table.drug, drug]))
    np.testing.assert_array_equal(of_drug.sum(axis=0), 1)
    of_cell = priors.one_hot_cell(table, drug, cell)
    np.testing.assert_array_equal(of_cell.argmax(axis=0), np.concatenate([table.cell, cell]))


def test_one_hot_drugs_are_a_multiple_of_the_mean_over_the_cell_line(table):
    """SI proposition 2, with kappa(1) = 2 and kappa(0) = 1 / pi."""
    one = table.take(table.cell == 1)
    drug = np.setdiff1d(np.arange(10), one.drug)
    cell = np.ones(len(drug), int)
    features = priors.one_hot_drug(one, drug, cell)
    zero = np.zeros((features.shape[1], 12))
    made = impute_responses(one, drug, cell, features, ridge=0.0, centre=zero)
    count = len(one)
    factor = count / np.pi / (2 - 1 / np.pi + count / np.pi)
    np.testing.assert_allclose(
        made.profiles, factor * baselines.mean_over_cell(one, drug, cell), rtol=1e-8
    )


def test_reference_cell(table):
    reference, trained = table.take(table.cell == 0), table.take(table.cell != 0)
    reference = reference.take(reference.drug != 1)
    drug, cell = missing(table)
    drug, cell = drug[cell != 0], cell[cell != 0]
    made = priors.reference_cell(trained, drug, cell, reference, cell_weight=1.25)
    drugs, cells = np.concatenate([trained.drug, drug]), np.concatenate([trained.cell, cell])
    for column, (one, line) in enumerate(zip(drugs, cells, strict=True)):
        own = reference.profiles[reference.drug == one]
        e = own[0] if len(own) else reference.profiles.mean(axis=0)
        mean = trained.profiles[trained.cell == line].mean(axis=0)
        expected = [1.25 * np.linalg.norm(e) * mean / np.linalg.norm(mean), e]
        np.testing.assert_allclose(made[:, column], np.concatenate(expected))
    with pytest.raises(ValueError, match="has profiles of 3 cell lines; pass those of one"):
        priors.reference_cell(trained, drug, cell, trained)
    with pytest.raises(ValueError, match="reference has no profiles"):
        priors.reference_cell(trained, drug, cell, reference.take(np.zeros(len(reference), bool)))


def test_reference_cell_beside_which_cell_line_it_is(table):
    reference, trained = table.take(table.cell == 0), table.take(table.cell != 0)
    drug, cell = missing(trained)
    whole = priors.reference_cell_one_hot(trained, drug, cell, reference, cell_weight=0.5)
    lines, of_drug = np.split(whole, [trained.number_of_cells])
    np.testing.assert_array_equal(
        of_drug, priors.reference_cell(trained, drug, cell, reference)[len(trained.genes) :]
    )
    np.testing.assert_array_equal(lines > 0, priors.one_hot_cell(trained, drug, cell) > 0)
    np.testing.assert_allclose(lines.sum(axis=0), 0.5 * np.linalg.norm(of_drug, axis=0))


def test_the_identity_below_a_prior(table):
    features = table.profiles.T
    made = priors.with_identity(features, 1.5)
    norms = np.linalg.norm(features, axis=0)
    np.testing.assert_allclose(np.linalg.norm(made, axis=0), 1)
    scale = np.sqrt(norms**2 + 1.5**2)
    expected = (features.T @ features + 2.25 * np.eye(len(table))) / np.outer(scale, scale)
    np.testing.assert_allclose(made.T @ made, expected, atol=1e-12)
    assert np.linalg.eigvalsh(dense_ntk(made)).min() > 0
    with pytest.raises(ValueError, match="constant was 0; pass a positive number"):
        priors.with_identity(features, 0)


def test_columns_put_together():
    rng = np.random.default_rng(0)
    features = rng.normal(size=(5, 6)) * [1, 2, 3, 4, 5, 0]
    norms = np.linalg.norm(features, axis=0)
    unit = np.linalg.norm(priors.unit_columns(features), axis=0)
    np.testing.assert_allclose(unit, [1, 1, 1, 1, 1, 0])
    for power in (0, 0.5, 1):
        made = np.linalg.norm(priors.evened_columns(features, 4, power), axis=0)
        assert np.mean(made[:4] ** 2) == pytest.approx(1)
        np.testing.assert_allclose(made[1:5] / made[0], (norms[1:5] / norms[0]) ** (1 - power))
    stacked = priors.concatenated([features, features], [1, 2])
    np.testing.assert_allclose(stacked.T @ stacked, 5 * features.T @ features)
    with pytest.raises(ValueError, match="power was 2; pass a number between 0 and 1"):
        priors.evened_columns(features, 4, 2)


def test_imputations_as_priors_hold_out_what_they_impute(table):
    drug, cell = missing(table)
    asked = []

    def impute(observed, drug, cell):
        pairs = set(zip(observed.drug.tolist(), observed.cell.tolist(), strict=True))
        assert pairs.isdisjoint(zip(drug.tolist(), cell.tolist(), strict=True))
        asked.append((len(observed), len(drug)))
        return baselines.mean_over_cell(observed, drug, cell)

    plain = priors.imputation(table, drug, cell, impute)
    np.testing.assert_array_equal(plain[:, : len(table)], table.profiles.T)
    assert asked == [(len(table), len(drug))]
    held = priors.held_out_imputation(table, drug, cell, impute, folds=3)
    np.testing.assert_array_equal(held[:, len(table) :], plain[:, len(table) :])
    assert sum(count for _, count in asked[1:]) == len(table) + len(drug)
    changed = table.take(np.arange(len(table)))
    changed.profiles[5] += 10
    again = priors.held_out_imputation(changed, drug, cell, impute, folds=3)
    np.testing.assert_array_equal(again[:, 5], held[:, 5])
    assert np.abs(again - held).max() > 1


def test_folds_within_cell_lines(table):
    parts = priors.folds_within_cells(table, 3, seed=149)
    np.testing.assert_array_equal(np.sort(np.concatenate(parts)), np.arange(len(table)))
    counts = np.array([np.bincount(table.cell[part], minlength=4) for part in parts])
    assert np.ptp(counts, axis=0).max() <= 1
    same = priors.folds_within_cells(table, 3, seed=149)
    other = priors.folds_within_cells(table, 3, seed=10)
    np.testing.assert_array_equal(np.concatenate(parts), np.concatenate(same))
    assert (np.concatenate(parts) != np.concatenate(other)).any()
    single = table.take(np.array([0, 1, 2]))
    assert sum(map(len, priors.folds_within_cells(single, 10, seed=0))) == 3
    with pytest.raises(ValueError, match="folds was 1; pass at least 2"):
        priors.folds_within_cells(table, 1, seed=0)


def test_other_profiles(table):
    lonely = table.take((table.drug != 4) | (table.cell == table.cell[table.drug == 4][0]))
    drug, cell = missing(lonely)
    made = priors.other_profiles(lonely, drug, cell)
    means = np.stack([lonely.profiles[lonely.cell == line].mean(axis=0) for line in range(4)])
    drugs, cells = np.concatenate([lonely.drug, drug]), np.concatenate([lonely.cell, cell])
    for column, (one, line) in enumerate(zip(drugs, cells, strict=True)):
        rows = np.flatnonzero((lonely.drug == one) & (lonely.cell != line))
        beside = [lonely.profiles[row] - means[lonely.cell[row]] for row in rows]
        expected = np.mean(beside, axis=0) if beside else np.zeros(12)
        np.testing.assert_allclose(made[:, column], expected, atol=1e-12)
    assert not made[:, : len(lonely)][:, lonely.drug == 4].any()


def test_our_prior_of_an_observed_column_does_not_see_its_profile(table):
    """Beside what every column sees of it, the mean over its cell line."""
    drug, cell = missing(table)
    plain = priors.drug_and_neighbours(table, drug, cell, baselines.dnpp, 1.5, folds=3)
    assert plain.shape == (12 + 12 + 4, len(table) + len(drug))
    changed = table.take(np.arange(len(table)))
    # Another profile, with the same mean over the cell line.
    rows = np.flatnonzero(table.cell == table.cell[0])[:2]
    difference = np.random.default_rng(0).normal(size=12)
    changed.profiles[rows] += np.stack([difference, -difference])
    others = priors.other_profiles(changed, drug, cell) - priors.other_profiles(table, drug, cell)
    np.testing.assert_allclose(others[:, rows], 0, atol=1e-12)
    assert np.abs(others).max() > 0.01
    both = priors.drug_and_neighbours(table, drug, cell, [baselines.dnpp, baselines.dnpp], folds=3)
    assert both.shape[0] == 12 * 3 + 4


def test_laplacian_eigenvectors_and_their_corollary():
    """A linear network with them for a prior is least squares on them (SI appendix B)."""
    rng = np.random.default_rng(0)
    points = rng.normal(size=(3, 40))
    made = priors.laplacian_eigenvectors(points, 6, neighbours=5)
    distances = np.linalg.norm(points[:, :, None] - points[:, None], axis=0)
    joined = np.zeros((40, 40))
    for i, row in enumerate(distances):
        joined[i, np.argsort(row)[1:6]] = 1
    joined = np.maximum(joined, joined.T)
    laplacian = np.diag(joined.sum(axis=0)) - joined
    values = np.linalg.eigvalsh(laplacian)[:6]
    np.testing.assert_allclose(made @ made.T, np.eye(6), atol=1e-10)
    np.testing.assert_allclose(made @ laplacian @ made.T, np.diag(values), atol=1e-10)

    labelled, labels = np.arange(40) < 25, rng.normal(size=25)
    kernel = dense_ntk(made, depth=1, activation="identity")
    here = np.ix_(labelled, labelled)
    network = kernel[:, labelled] @ np.linalg.lstsq(kernel[here], labels, rcond=1e-12)[0]
    weights = np.linalg.lstsq(made[:, labelled].T, labels, rcond=None)[0]
    np.testing.assert_allclose(network, weights @ made, atol=1e-8)
    with pytest.raises(ValueError, match="count was 41; pass a number from 1 to 40"):
        priors.laplacian_eigenvectors(points, 41)
    with pytest.raises(ValueError, match="neighbours was 40"):
        priors.laplacian_eigenvectors(points, 3, neighbours=40)


def test_imputing_with_a_prior(table):
    drug, cell = missing(table)
    features = priors.drug_and_neighbours(table, drug, cell, baselines.dnpp, folds=3)
    made = impute_responses(table, drug, cell, features, ridge=0.3, uncertainty=True)
    n = len(table)
    kernel = dense_ntk(features)
    shift = 0.3 * np.mean(np.diag(kernel))
    means = baselines.mean_over_cell(table, table.drug, table.cell)
    weights = np.linalg.solve(kernel[:n, :n] + shift * np.eye(n), table.profiles - means)
    expected = kernel[n:, :n] @ weights + baselines.mean_over_cell(table, drug, cell)
    np.testing.assert_allclose(made.profiles, expected, atol=1e-9)
    assert made.std.shape == expected.shape
    assert (made.std > 0).all()


def test_leave_one_out_chooses_prior_and_ridge():
    table, profiles = draw(drugs=14, cells=5, genes=40, noise=0.2, share=0.6)
    drug, cell = missing(table)
    noise = np.random.default_rng(0).normal(size=(10, len(table) + len(drug)))
    features = priors.drug_and_neighbours(table, drug, cell, baselines.dnpp, folds=3)
    made = impute_responses(table, drug, cell, [noise, features])
    assert made.prior == 1
    alone = impute_responses(table, drug, cell, features)
    assert made.ridge == pytest.approx(alone.ridge)
    few = impute_responses(table, drug, cell, features, ridge_columns=len(table) // 2)
    assert 1e-6 <= few.ridge <= 40
    error = np.linalg.norm(made.profiles - profiles[drug, cell])
    means = baselines.mean_over_cell(table, drug, cell)
    assert error < np.linalg.norm(means - profiles[drug, cell])
    with pytest.raises(ValueError, match=r"there are 2 priors and ridge was 0\.1"):
        impute_responses(table, drug, cell, [noise, features], ridge=0.1)
    with pytest.raises(ValueError, match=r"features have \d+ columns; pass one for each"):
        impute_responses(table, drug, cell, features[:, 1:])
    with pytest.raises(ValueError, match="ridge_columns was 1"):
        impute_responses(table, drug, cell, features, ridge_columns=1)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"drug": [99, 0]}, r"drug goes from 0 to 99; there are \d+ names"),
        ({"cell": [-1, 0]}, r"cell goes from -1 to 0; there are \d+ names"),
        ({"cell": [0]}, r"cell is \(1,\) for 2 profiles; pass one for each"),
        ({"drug": [0.0, 1.0]}, "drug is float64; pass whole numbers, places in drugs"),
        ({"features": []}, "features is no matrix and no list of matrices"),
        ({"features": [np.ones(4), np.ones((3, 4))]}, "features is no matrix and no list"),
        ({"centre": np.nan}, "centre is not finite everywhere"),
        ({"ridge_columns": 2.5}, "ridge_columns was 2.5; pass at least 2"),
        ({"ridge": -0.5}, "ridge was -0.5; pass a number >= 0"),
        ({"ridge": "best"}, "ridge was 'best'; pass a number >= 0, or 'loo'"),
    ],
)
def test_pairs_and_settings_that_make_no_sense(table, changed, message, unchecked):
    n, genes = table.profiles.shape
    settings = {"drug": [0, 1], "cell": [3, 3], "features": np.eye(n + 2), **changed}
    drug, cell = (np.array(settings.pop(axis)) for axis in ("drug", "cell"))
    if "centre" in settings:
        settings["centre"] = np.full((n + 2, genes), settings["centre"])
    with pytest.raises(ValueError, match=message):
        impute_responses(table, drug, cell, **settings)


def test_the_fitted_multiple_of_an_imputation(table):
    drug, cell = missing(table)
    n = len(table)
    rng = np.random.default_rng(0)
    means = cell_means(table, drug, cell)
    np.testing.assert_allclose(means[n:], baselines.mean_over_cell(table, drug, cell))
    imputed = means + rng.normal(size=means.shape)
    made = fitted_centre(table, means, imputed)

    def error(slope):
        return np.sum((table.profiles - means[:n] - slope * (imputed - means)[:n]) ** 2)

    slope = (made - means)[0, 0] / (imputed - means)[0, 0]
    np.testing.assert_allclose(made, means + slope * (imputed - means))
    assert error(slope) < min(error(slope + 0.01), error(slope - 0.01))
    np.testing.assert_allclose(fitted_centre(table, means, means), means)
    features = priors.other_profiles(table, drug, cell)
    with pytest.raises(ValueError, match=r"centre is \(1, 12\); pass a profile for each"):
        impute_responses(table, drug, cell, features, centre=means[:1])


def test_dense_cell_lines(table):
    counts = np.bincount(table.cell)
    made = in_dense_cells(table, np.arange(4), threshold=int(counts.max()))
    np.testing.assert_array_equal(made, counts == counts.max())
