"""What the imputer takes for a relation, and how sure it is where there is little to go by."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ntkmc import NTKImputer
from ntkmc.completion.calibration import Calibration
from ntkmc.completion.priors import Network
from ntkmc.kernels import dense_ntk


def hidden_errors(table, missing, **settings):
    """Errors on hidden entries, in the columns' standard deviations, and stated ones."""
    holed = np.where(missing, np.nan, table)
    imputer = NTKImputer(**settings).fit(holed)
    filled, std = imputer.transform(holed, return_std=True)
    scale = table.std(axis=0)
    return ((filled - table) / scale)[missing], (std / scale)[missing], imputer


def root_mean_square(errors):
    return np.sqrt(np.mean(np.square(errors)))


@pytest.mark.parametrize("loadings", [(1, -2), (1, -1, 1, -1), (-3, -0.1, 5)])
def test_a_relation_costs_the_same_with_either_sign(loadings):
    rng = np.random.default_rng(0)
    factor = rng.normal(size=(50, 1))
    noise = 0.05 * rng.normal(size=(50, len(loadings))) * np.abs(loadings)
    missing = np.zeros(noise.shape, bool)
    missing[::5, 1] = True
    errors = []
    for signs in (np.sign(loadings), np.ones(len(loadings))):
        table = (factor * abs(np.array(loadings)) + noise) * signs + 7
        errors.append(hidden_errors(table, missing, n_refinements=1)[0])
    np.testing.assert_allclose(*map(abs, errors), atol=1e-6)
    assert root_mean_square(errors[0]) < 0.2


@pytest.mark.parametrize("correlation", [-0.8, 0.0])
@pytest.mark.parametrize("groups", [(3, 3), (4, 1, 2)])
def test_columns_that_are_never_observed_together_have_no_relation(groups, correlation):
    """One group of columns in each part of the rows."""
    rng = np.random.default_rng(1)
    rows = 40 * len(groups)
    first = rng.normal(size=rows)
    factors = [first] + [
        correlation * first + np.sqrt(1 - correlation**2) * rng.normal(size=rows)
        for _ in groups[1:]
    ]
    owner = np.repeat(np.arange(len(groups)), groups)
    table = np.column_stack([factors[group] for group in owner])
    table += 0.5 * rng.normal(size=table.shape)
    missing = owner != np.arange(rows)[:, None] % len(groups)
    errors, std, _ = hidden_errors(table, missing, n_refinements=1)
    means = np.nanmean(np.where(missing, np.nan, table), axis=0)
    of_means = ((means - table) / table.std(axis=0))[missing]
    assert root_mean_square(errors) < 1.02 * root_mean_square(of_means)
    assert 0.85 < np.mean(abs(errors) < 1.645 * std) < 0.95


@pytest.mark.parametrize(("rows", "columns"), [(5, 40), (8, 30)])
def test_few_rows_are_not_trusted_too_much(rows, columns):
    inside, true, stated = [], [], []
    for seed in range(4):
        rng = np.random.default_rng(seed)
        table = rng.normal(size=(rows, 2)) @ rng.normal(size=(2, columns))
        table += 0.2 * rng.normal(size=table.shape)
        missing = rng.random(table.shape) < 0.1
        errors, std, imputer = hidden_errors(table, missing, n_refinements=1)
        inside.append(np.mean(abs(errors) < 1.645 * std))
        true.append(root_mean_square(errors))
        stated.append(imputer.left_out_error_)
    assert np.mean(inside) > 0.8
    np.testing.assert_allclose(np.mean(stated), np.mean(true), rtol=0.3)


def test_values_far_outside_have_a_bounded_pull():
    rng = np.random.default_rng(0)
    table = rng.normal(size=(30, 1)) * [1.0, -2.0, 1.0] + 0.3 * rng.normal(size=(30, 3))
    imputer = NTKImputer(n_refinements=1).fit(table)
    low, high = table[:, 0].min(), table[:, 0].max()
    values = [high, high + 0.5, 2 * high - low, 9 * high, 1e9, 2 * low - high, -1e9]
    rows = np.column_stack([values, np.full((7, 2), np.nan)])
    filled = imputer.transform(rows)
    np.testing.assert_array_equal(filled[:, 0], values)
    assert np.all(np.diff(filled[:3, 2]) > 0)
    np.testing.assert_allclose(filled[3:5, 1:], filled[[2, 2], 1:], rtol=1e-9)
    np.testing.assert_allclose(filled[6, 1:], filled[5, 1:], rtol=1e-9)
    assert (abs(filled[:, 2] - table[:, 2].mean()) < 6 * table[:, 2].std()).all()


@pytest.mark.parametrize("depth", [1, 2])
@pytest.mark.parametrize("activation", ["relu", {"leaky_relu": {"negative_slope": 0.3}}])
def test_odd_and_oriented_kernels(depth, activation):
    rng = np.random.default_rng(0)
    embedding = rng.normal(size=(3, 5))
    observed = np.ones((4, 5), bool)
    observed[:2, 3:] = observed[2:, :3] = False  # the last two are never beside the others
    size = np.sqrt(np.mean(np.sum(embedding**2, axis=0)))
    scaled = np.vstack([embedding / size, 0.1 * np.eye(5)])
    kernel = dense_ntk(scaled, depth=depth, activation=activation)
    opposite = dense_ntk(scaled, -scaled, depth=depth, activation=activation)
    odd = Network(depth, activation, 0.1, "odd").signed_kernel(embedding, observed)
    np.testing.assert_allclose(odd, (kernel - opposite) / 2, atol=1e-12)
    network = Network(depth, activation, 0.1, "oriented")
    oriented = network.signed_kernel(embedding, observed)
    even = (oriented - odd) / ((kernel + opposite) / 2)
    loadings = np.sqrt(np.diagonal(even))
    np.testing.assert_allclose(abs(even[:3, :3]), np.outer(loadings, loadings)[:3, :3], atol=1e-9)
    np.testing.assert_allclose(even[:3, 3:], 0, atol=1e-12)
    assert loadings.max() == pytest.approx(1)
    signs = np.array([1, -1, -1, 1, -1])
    turned = network.signed_kernel(embedding * signs, observed)
    np.testing.assert_allclose(turned, np.outer(signs, signs) * oriented, atol=1e-9)


def test_the_network_whose_kernel_it_is(x64):
    """Tangent kernels of wide networks (f(z) - f(-z)) / 2 + w (f(z) + f(-z)) / 2."""
    embedding = np.array([[1.0, -0.6, 0.3], [0.2, 0.9, -1.1]])
    loadings = np.array([1.0, -0.4, 0.7])
    width = 2**14

    def network(parameters, columns):
        first, last = parameters
        hidden = jax.nn.relu(first @ columns)
        return jnp.sqrt(2 / width) * (last @ hidden)

    def with_parity(parameters):
        plus, minus = network(parameters, embedding), network(parameters, -embedding)
        return (plus - minus) / 2 + loadings * (plus + minus) / 2

    found = []
    for seed in range(8):
        keys = jax.random.split(jax.random.key(seed))
        drawn = (jax.random.normal(keys[0], (width, 2)), jax.random.normal(keys[1], (width,)))
        rows = jax.tree.leaves(jax.jacobian(with_parity)(drawn))
        jacobian = np.concatenate([np.reshape(row, (3, -1)) for row in rows], axis=1)
        found.append(jacobian @ jacobian.T)
    kernel, opposite = dense_ntk(embedding), dense_ntk(embedding, -embedding)
    expected = (kernel - opposite) / 2 + np.outer(loadings, loadings) * (kernel + opposite) / 2
    error = np.std(found, axis=0) / np.sqrt(len(found) - 1)
    assert (abs(np.mean(found, axis=0) - expected) < 4 * error + 1e-12).all()


def test_calibration():
    rng = np.random.default_rng(0)
    table = rng.normal(size=(4000, 2))
    shares = rng.uniform(0.05, 1, size=table.shape)
    for power in (0.5, 1.5):
        left_out = table - rng.normal(size=table.shape) * shares ** (power / 2)
        found = Calibration.of(table, left_out, shares)
        np.testing.assert_allclose(found.power, power, atol=0.1)
        # Where nothing is known: the error of the mean.
        np.testing.assert_allclose(found.std(np.ones((1, 2)))[0], table.std(axis=0), rtol=1e-3)
        ratio = np.mean(np.square((table - left_out) / found.std(shares)), axis=0)
        np.testing.assert_allclose(ratio, 1, rtol=0.01)
    worse = Calibration.of(table, table - 3 * rng.normal(size=table.shape), shares)
    np.testing.assert_array_equal(worse.power, 0)
    np.testing.assert_allclose(worse.std(shares), 3, rtol=0.05)
