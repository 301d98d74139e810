"""Draws of what is missing: their means, spreads and correlations, and their categories."""

import numpy as np
import pandas as pd
import pytest

from ntkmc import Gram, NTKImputer
from ntkmc.completion import draws
from ntkmc.completion.encoding import Encoding

KERNEL = np.array(
    [[2.0, 1.2, 0.6, 0.2], [1.2, 1.5, 0.9, -0.4], [0.6, 0.9, 1.0, 0.0], [0.2, -0.4, 0.0, 1.0]]
)


def table(rows=40):
    rng = np.random.default_rng(0)
    drawn = rng.standard_normal((rows, 4)) @ np.linalg.cholesky(KERNEL).T * [1, 10, 2, 1] + 5
    return np.where(rng.random(drawn.shape) < 0.25, np.nan, drawn)


def test_entries_of_a_row_are_drawn_together():
    X = table()
    imputer = NTKImputer(Gram(KERNEL), ridge=0.05).fit(X)
    row = np.array([[np.nan, X[~np.isnan(X[:, 1]), 1][0], np.nan, np.nan]])
    mean, std = imputer.transform(row, return_std=True)
    drawn = np.stack(imputer.sample(row, 8_000, random_state=0))[:, 0, [0, 2, 3]]
    np.testing.assert_allclose(drawn.mean(axis=0), mean[0, [0, 2, 3]], atol=0.05 * std.max())
    np.testing.assert_allclose(drawn.std(axis=0), std[0, [0, 2, 3]], rtol=0.04)
    noise = 0.05 * np.diagonal(KERNEL).mean()
    system = KERNEL + noise * np.eye(4)
    posterior = np.linalg.inv(np.linalg.inv(system)[np.ix_([0, 2, 3], [0, 2, 3])])
    sizes = np.sqrt(np.diagonal(posterior))
    expected = posterior / np.outer(sizes, sizes)
    assert abs(expected[0, 2]) > 0.3
    np.testing.assert_allclose(np.corrcoef(drawn.T), expected, atol=0.04)


def test_what_is_observed_stays_and_a_state_repeats():
    X = pd.DataFrame(table(), columns=list("abcd"), index=[f"r{k}" for k in range(40)])
    imputer = NTKImputer(Gram(KERNEL), ridge=0.05).fit(X)
    first, second = imputer.sample(X, 2, random_state=3)
    seen = X.notna().to_numpy()
    for one in (first, second):
        assert one.columns.equals(X.columns)
        assert one.index.equals(X.index)
        assert one.notna().all(axis=None)
        np.testing.assert_array_equal(one.to_numpy()[seen], X.to_numpy()[seen])
    assert (first.to_numpy() != second.to_numpy())[~seen].all()
    pd.testing.assert_frame_equal(imputer.sample(X, 2, random_state=3)[1], second)
    with pytest.raises(ValueError, match="n_draws was 0; pass a whole number"):
        imputer.sample(X, 0)


def test_without_a_kernel_between_columns_entries_are_independent():
    X = table(30)
    imputer = NTKImputer(None, row_prior=np.random.default_rng(1).random((3, 30)), ridge=0.1)
    model = imputer.fit(X).model_
    hidden = np.full((30, 4), np.nan)
    rng = np.random.default_rng(0)
    normal = np.concatenate(
        [draws.correlated(model, imputer.active_, hidden, rng) for _ in range(700)]
    )
    np.testing.assert_allclose(np.corrcoef(normal.T), np.eye(4), atol=0.03)


def test_categories_come_with_their_probabilities():
    numbers = np.array([[0.0, 0, 0], [1, 1, 1], [2, 0, 2], [3, 1, 1]])
    encoding = Encoding.of(numbers, {1: ["a", "b"], 2: ["x", "y", "z"]})
    shares = np.array([0.3, 0.6, 0.5, -0.1])  # of b; of x, y, z
    where = slice(1, 5)
    completed = np.zeros((20_000, 5))
    completed[:, where] = (shares - encoding.mean[where]) / encoding.scale[where]
    std, rng = np.ones(completed.shape), np.random.default_rng(0)
    normal = rng.standard_normal(completed.shape)
    drawn = draws.features(encoding, completed, std, normal, rng)
    codes = encoding.backward(drawn, std)[0]
    np.testing.assert_allclose(np.mean(codes[:, 1] == 1), 0.3, atol=0.015)
    for code, share in enumerate([6 / 11, 5 / 11, 0]):
        np.testing.assert_allclose(np.mean(codes[:, 2] == code), share, atol=0.015)
    # They go along with what else is drawn: of the indicator of b, and of the likeliest, x.
    assert np.corrcoef(codes[:, 1], normal[:, 1])[0, 1] > 0.6
    assert np.corrcoef(codes[:, 2] == 0, normal[:, 2])[0, 1] > 0.6


def test_a_table_with_categories():
    rng = np.random.default_rng(0)
    x = rng.standard_normal(60)
    frame = pd.DataFrame({"x": x, "y": x + 0.1 * rng.standard_normal(60)})
    frame["kind"] = np.where(x > 0, "high", "low")
    frame.loc[::7, "kind"] = None
    frame.loc[3::7, "y"] = np.nan
    imputer = NTKImputer(categorical="kind", ridge=0.1, n_refinements=0).fit(frame)
    drawn = imputer.sample(frame, 30, random_state=0)
    kinds = np.stack([one["kind"].to_numpy() for one in drawn])
    assert set(kinds.ravel()) == {"high", "low"}
    right = (kinds == np.where(x > 0, "high", "low"))[:, ::7].mean()
    assert 0.6 < right < 1
    y = np.stack([one["y"].to_numpy() for one in drawn])[:, 3::7]
    _, std = imputer.transform(frame, return_std=True)
    np.testing.assert_allclose(y.std(axis=0).mean(), std["y"][3::7].mean(), rtol=0.2)


@pytest.mark.parametrize("chained", [False, True])
def test_draws_differ_by_what_other_rows_could_have_said(chained):
    """The slope of y on x, as it is drawn, spreads as its standard error says."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal(48)
    y = x + 0.7 * rng.standard_normal(48)
    X = np.column_stack([x, y])
    X[::2, 1] = np.nan
    imputer = NTKImputer(ridge=0.01, identity_weight=0, parity="odd", chained=chained).fit(X)
    slopes, again = [], imputer.model_
    for _ in range(60):
        model = again.resampled(rng)
        assert type(model) is type(again)
        table = np.array([[1.0, np.nan], [-1.0, np.nan]])
        up, down = model.complete(imputer.encoding_.forward(table))[0][:, 1]
        slopes.append((up - down) / 2 * imputer.encoding_.scale[1])
    seen = slice(1, None, 2)
    apart = y[seen] - np.polyval(np.polyfit(x[seen], y[seen], 1), x[seen])
    error = np.sqrt(apart @ apart / 22) / np.sqrt(24 * x[seen].var())
    np.testing.assert_allclose(np.std(slopes), error, rtol=0.5)
    np.testing.assert_allclose(np.mean(slopes), np.polyfit(x[seen], y[seen], 1)[0], atol=2 * error)


def test_a_prior_that_was_given_is_known():
    model = NTKImputer(Gram(KERNEL), ridge=0.05).fit(table()).model_
    assert model.resampled(np.random.default_rng(0)) is model
