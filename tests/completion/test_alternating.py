"""Sparse tables of few factors: rows and columns completed in turn."""

import numpy as np
import pytest

from ntkmc import NTKImputer, memory
from ntkmc.completion.alternating import Alternating, fit_alternating
from ntkmc.completion.branches import feature_weights

QUICK = {"n_refinements": 0, "ridge": 0.1, "parity": "odd"}  # of the other regression


def table(noise=0.0, size=120, rank=2, share=0.2, seed=0):
    """The whole, and what is observed of it with noise."""
    rng = np.random.default_rng(seed)
    truth = rng.standard_normal((size, rank)) @ rng.standard_normal((rank, size)) / np.sqrt(rank)
    truth = 3 * truth + np.arange(size)  # each column has a mean of its own
    observed = rng.random(truth.shape) < share
    return truth, np.where(observed, truth + 3 * noise * rng.standard_normal(truth.shape), np.nan)


def rmse(filled, truth, X):
    return np.sqrt(np.mean(np.square(filled - truth)[np.isnan(X)])) / 3


@pytest.fixture(scope="module")
def fitted():
    truth, X = table()
    return truth, X, NTKImputer(**QUICK).fit(X)


def test_a_table_of_few_factors_is_recovered(fitted):
    truth, X, imputer = fitted
    assert rmse(imputer.transform(X), truth, X) < 0.02
    alone = NTKImputer(**QUICK, alternating=False).fit(X)
    assert rmse(alone.transform(X), truth, X) > 0.2
    weights = feature_weights(imputer.model_)
    assert weights["in turn"].mean() > 0.9
    np.testing.assert_allclose(weights["columns"] + weights["in turn"], 1)


def test_units_signs_and_order_do_not_matter(fitted):
    """Columns a x + b are filled in with a times the prediction, plus b."""
    _, X, imputer = fitted
    rng = np.random.default_rng(1)
    rows, columns = rng.permutation(len(X)), rng.permutation(X.shape[1])
    a, b = rng.choice([-3.0, 0.5, 2.0], X.shape[1]), rng.normal(scale=50, size=X.shape[1])
    other = NTKImputer(**QUICK).fit_transform((a * X + b)[rows][:, columns])
    expected = (a * imputer.transform(X) + b)[rows][:, columns]
    spread = np.abs(a[columns])
    np.testing.assert_allclose(other / spread, expected / spread, atol=1e-3)


def test_noise_is_not_fitted():
    """Errors of held-out entries stop the rounds, and are those of hidden ones; intervals hold."""
    truth, X = table(noise=0.5, size=150, share=0.24)
    imputer = NTKImputer(**QUICK).fit(X)
    filled, std = imputer.transform(X, return_std=True)
    assert rmse(filled, truth, X) < 0.35  # of signal of size one
    assert imputer.model_.second.rounds < 25
    noisy = truth + 1.5 * np.random.default_rng(5).standard_normal(truth.shape)
    hidden = np.isnan(X)
    true = np.sqrt(np.mean(np.square((noisy - filled) / np.nanstd(X, axis=0))[hidden]))
    np.testing.assert_allclose(imputer.left_out_error_, true, rtol=0.05)
    inside = (np.abs(noisy - filled) < 1.645 * std)[hidden].mean()
    assert 0.85 < inside < 0.95


def test_new_rows_and_draws(fitted):
    truth, X, imputer = fitted
    new, its_truth = X[:7].copy(), truth[:7]
    new[0], new[1, ::2] = np.nan, truth[1, ::2]
    filled = imputer.transform(new)
    np.testing.assert_allclose(filled[0], np.nanmean(X, axis=0))
    assert rmse(filled[1:], its_truth[1:], new[1:]) < 0.02
    model = imputer.model_.second
    assert isinstance(model, Alternating)
    again = model.resampled(np.random.default_rng(0))
    assert again.rounds == model.rounds
    assert not np.array_equal(again.kernel, model.kernel)


def test_when_it_is_used():
    _, X = table(share=0.4)
    assert set(feature_weights(NTKImputer(**QUICK).fit(X).model_)) == {"columns"}
    asked = NTKImputer(**QUICK, alternating=True).fit(X)
    assert set(feature_weights(asked.model_)) == {"columns", "in turn"}
    with pytest.raises(ValueError, match="alternating was 'yes'; pass True, False or 'auto'"):
        NTKImputer(**QUICK, alternating="yes").fit(X)


def test_a_row_or_column_of_nothing_is_no_trouble():
    _, X = table(size=60)
    X[3], X[:, 5] = np.nan, np.nan
    X[4:, 7] = np.nan
    filled, std = NTKImputer(**QUICK).fit(X).transform(X, return_std=True)
    assert np.isfinite(filled).all()
    assert (std[np.isnan(X)] > 0).all()


def test_memory_is_predicted(monkeypatch):
    _, X = table(size=60)
    monkeypatch.setattr(memory, "available_bytes", lambda: 500)
    with pytest.raises(memory.NotEnoughMemoryError, match="60 rows and 60 columns in turn needs"):
        fit_alternating(X, np.arange(60), lambda: None)
