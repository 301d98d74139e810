"""Which regressions fill in a column."""

import dataclasses

import numpy as np
import pandas as pd
import pytest

from ntkmc import NTKImputer
from ntkmc.completion.branches import branches, feature_weights
from ntkmc.completion.chained import Chained
from ntkmc.completion.models import fit_both
from ntkmc.completion.warp import Warp


@pytest.fixture
def table():
    rng = np.random.default_rng(0)
    factor = rng.standard_normal(30)
    frame = pd.DataFrame(
        factor[:, None] * [1, -2] + 0.3 * rng.standard_normal((30, 2)), columns=["a", "b"]
    )
    frame["two"] = np.where(factor > 0, "up", "down")
    frame["three"] = rng.choice(["x", "y", "z"], 30)
    frame["same"] = 1.0
    return frame.mask(rng.random(frame.shape) < 0.1)


def test_weights_of_nested_models_add_up(table):
    numbers = table[["a", "b"]].to_numpy()
    features = np.random.default_rng(1).standard_normal((3, 30))
    imputer = NTKImputer(row_prior=features).fit(numbers)
    inner = imputer.model_
    chained = Chained(
        Warp.of(numbers),
        [],
        [],
        ~np.eye(2, dtype=bool),
        inner.first.calibration,
        inner.left_out,
        inner.left_out_std,
    )
    inner = dataclasses.replace(inner, weight=np.array([0.5, 1.0]))
    both = dataclasses.replace(fit_both(inner, chained, numbers), weight=np.array([0.4, 0.75]))
    found = feature_weights(both)
    assert list(found) == ["columns", "given rows", "rows"]
    np.testing.assert_allclose(found["columns"], [0.2, 0.75])
    np.testing.assert_allclose(found["given rows"], [0.2, 0.0])
    np.testing.assert_allclose(found["rows"], [0.6, 0.25])
    # The same regression twice is one.
    twice = feature_weights(dataclasses.replace(both, second=inner.first))
    np.testing.assert_allclose(twice["columns"], [0.8, 1.0])


def test_errors_are_those_of_entries_that_were_left_out(table):
    imputer = NTKImputer().fit(table)
    found = dict(zip(table.columns, branches(imputer, table), strict=True))
    left_out = imputer.model_.left_out
    for k, name in enumerate("ab"):
        values = table[name].to_numpy()
        errors = (values - np.nanmean(values)) / np.nanstd(values) - left_out[:, k]
        np.testing.assert_allclose(found[name].error, np.sqrt(np.nanmean(errors**2)))
        assert found[name].weights == {"columns": 1.0}
        assert found[name].wrong is None
    code = (table["two"] == "up").to_numpy()[table["two"].notna()]
    guess = (left_out[:, 2] * code.std() + code.mean())[table["two"].notna()] > 0.5
    assert found["two"].wrong == np.mean(guess != code)
    assert found["two"].error is None
    assert found["three"].weights == {"columns": 1.0}
    assert found["three"].error is None
    assert 0.4 < found["three"].wrong < 0.95  # it is noise, which nothing tells
    assert found["same"].weights == {}
    assert found["same"].error is None


def test_nothing_is_predicted_where_no_column_varies():
    table = np.array([[1.0, 2.0], [1.0, np.nan]])
    for one in branches(NTKImputer().fit(table), table):
        assert one.weights == {}
        assert one.error is one.wrong is None
