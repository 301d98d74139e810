"""What an imputer returns: valid values, indicators, probabilities, other libraries' tables."""

import pickle

import numpy as np
import pandas as pd
import polars as pl
import pytest
import scipy.sparse
from sklearn.base import clone
from sklearn.impute import MissingIndicator, SimpleImputer
from sklearn.linear_model import LinearRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline

from ntkmc import Gram, NTKImputer
from ntkmc.architecture import LeakyRelu

FAST = {"ridge": 0.1, "n_refinements": 0, "parity": "odd"}


def numbers(rows=30):
    rng = np.random.default_rng(0)
    x = rng.standard_normal((rows, 1)) * [1, 2, 1] + rng.standard_normal((rows, 3)) / 3
    x[:, 1] = np.rint(x[:, 1])
    return np.where(rng.random(x.shape) < 0.2, np.nan, x)


def records(rows=30):
    table = numbers(rows)
    frame = pd.DataFrame(table, columns=list("abc"))
    kind = np.select([table[:, 0] > 0.5, table[:, 0] > -0.5], ["high", "middle"], "low")
    frame["kind"] = pd.Series(kind, dtype=object).mask(np.arange(rows) % 6 == 0)
    frame["up"] = pd.array(table[:, 2] > 0, dtype="boolean")
    frame.loc[::7, "up"] = pd.NA
    return frame


def test_another_mark_of_what_is_missing():
    table = numbers()
    expected = NTKImputer(**FAST).fit_transform(table)
    marked = np.where(np.isnan(table), -9, table)
    other = NTKImputer(missing_values=-9, **FAST)
    np.testing.assert_array_equal(other.fit_transform(marked), expected)
    frame = pd.DataFrame(marked, columns=list("abc"))
    np.testing.assert_array_equal(other.fit_transform(frame), expected)
    text = records().assign(up=1.0)
    filled = NTKImputer(missing_values="?", **FAST).fit_transform(text.fillna({"kind": "?"}))
    pd.testing.assert_frame_equal(filled, NTKImputer(**FAST).fit_transform(text))
    for null in (None, pd.NA, np.nan):
        same = NTKImputer(missing_values=null, **FAST).fit_transform(table)
        np.testing.assert_array_equal(same, expected)


def test_values_that_are_valid():
    table = numbers()
    missing = np.isnan(table)
    free = NTKImputer(**FAST).fit_transform(table)
    low, high = np.nanmin(table, axis=0), np.nanmax(table, axis=0)
    row = np.array([[40.0, np.nan, np.nan]])
    within = NTKImputer(support="range", **FAST).fit(table)
    np.testing.assert_array_equal(
        within.transform(table), np.where(missing, np.clip(free, low, high), table)
    )
    np.testing.assert_array_equal(within.transform(row)[0, 1:], high[1:])
    some = NTKImputer(support={1: "observed"}, **FAST).fit(table)
    filled = some.transform(table)
    np.testing.assert_array_equal(filled[:, [0, 2]], free[:, [0, 2]])
    seen = np.unique(table[~missing[:, 1], 1])
    nearest = seen[abs(free[:, 1:2] - seen).argmin(axis=1)]
    np.testing.assert_array_equal(filled[:, 1], np.where(missing[:, 1], nearest, table[:, 1]))
    assert np.isin(np.stack(some.sample(table, 3, random_state=0))[:, :, 1], seen).all()
    one = NTKImputer(support="observed", **FAST).fit_transform(
        [[2.0, 1.0], [2.0, 3.0], [np.nan, 4.0]]
    )
    assert one[2, 0] == 2


def test_indicators_and_empty_columns_as_simple_imputer_has_them():
    frame = pd.DataFrame(numbers(), columns=list("abc")).assign(d=1.0, e=np.nan)
    settings = {"add_indicator": True, "keep_empty_features": False}
    imputer = NTKImputer(**settings, **FAST).fit(frame)
    theirs = SimpleImputer(**settings).set_output(transform="pandas").fit(frame)
    assert list(imputer.get_feature_names_out()) == list(theirs.get_feature_names_out())
    filled, std = imputer.transform(frame, return_std=True)
    expected = theirs.transform(frame)
    assert list(filled.columns) == list(expected.columns)
    pd.testing.assert_frame_equal(filled.iloc[:, 4:], expected.iloc[:, 4:], check_dtype=False)
    assert list(std.columns) == list("abcd")
    array = NTKImputer(**settings, **FAST).fit_transform(frame.to_numpy())
    np.testing.assert_array_equal(array, filled)
    bare = MissingIndicator().fit_transform(frame)
    assert array[:, 4:].sum() == bare.sum()
    assert NTKImputer(**FAST).fit_transform(frame).shape == frame.shape
    assert imputer.sample(frame, random_state=0)[0].shape == (30, 4)


def test_probabilities_of_categories():
    frame = records()
    imputer = NTKImputer(**FAST).fit(frame)
    shares = imputer.category_probabilities(frame)
    filled = imputer.transform(frame)
    assert sorted(shares) == ["kind", "up"]
    for name, its in shares.items():
        assert list(its.columns) == imputer.encoding_.categories[list(frame).index(name)]
        np.testing.assert_allclose(its.sum(axis=1), 1)
        assert (its.to_numpy() >= 0).all()
        assert (its.idxmax(axis=1) == filled[name]).all()
        seen = frame[name].notna()
        assert (its.max(axis=1)[seen] == 1).all()
        assert (its.max(axis=1)[~seen] < 1).any()
    array = (
        NTKImputer(**FAST)
        .fit(frame.to_numpy(object))
        .category_probabilities(frame.to_numpy(object))
    )
    np.testing.assert_array_equal(array[3], shares["kind"])


def test_polars_in_and_out():
    frame = records()
    table = pl.DataFrame(
        {name: [None if pd.isna(v) else v for v in frame[name]] for name in frame}
    ).with_columns(pl.col("kind").cast(pl.Categorical))
    imputer = NTKImputer(**FAST).fit(table)
    filled, std = imputer.transform(table, return_std=True)
    expected, spread = NTKImputer(**FAST).fit(frame).transform(frame, return_std=True)
    assert filled.schema == table.schema
    for name in frame:
        assert filled[name].to_list() == expected[name].to_list()
        assert std[name].to_list() == spread[name].to_list()
    both = NTKImputer(add_indicator=True, **FAST).fit_transform(table)
    assert both.columns == [*frame, *(f"missingindicator_{name}" for name in frame)]
    given = NTKImputer(**FAST).set_output(transform="polars").fit_transform(numbers())
    assert isinstance(given, pl.DataFrame)
    np.testing.assert_array_equal(given.to_numpy(), NTKImputer(**FAST).fit_transform(numbers()))


def test_sparse_tables_are_refused():
    with pytest.raises(TypeError, match="toarray"):
        NTKImputer().fit(scipy.sparse.csr_array(np.eye(4)))


def test_pipelines_copies_and_searches():
    table = numbers(40)
    target = np.nansum(table, axis=1)
    imputer = NTKImputer(**FAST)
    settings = {
        "column_prior": ["table", "identity"],
        "depth": [1, 2],
        "activation": ["relu", {"leaky_relu": {"negative_slope": 0.1}}],
        "identity_weight": [0.1, 0.3],
        "categorical": [None, "from_dtype"],
        "missing_values": [np.nan, -9],
        "support": [None, "range"],
        "add_indicator": [False, True],
        "keep_empty_features": [True, False],
        "prior_rows": [20, 2000],
        "chained_rows": [20, 2000],
        "chained": [False],
        "alternating": [False],
        "row_prior": [None],
        "progress": [None],
        "ridge": [0.1, 1.0],
        "parity": ["odd", "oriented"],
        "n_refinements": [0, 1],
    }
    assert settings.keys() == imputer.get_params().keys()
    steps = make_pipeline(imputer, LinearRegression())
    grid = [{f"ntkimputer__{name}": values} for name, values in settings.items()]
    search = GridSearchCV(steps, grid, cv=2, error_score="raise").fit(table, target)
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()
    again = clone(search.best_estimator_)
    assert again.get_params()["ntkimputer"].get_params() == search.best_estimator_[0].get_params()
    fitted = imputer.fit(table)
    copy = pickle.loads(pickle.dumps(fitted))
    np.testing.assert_array_equal(copy.transform(table), fitted.transform(table))


@pytest.mark.parametrize("kind", ["records", "chained", "gram", "rows"])
def test_saved_and_loaded(kind, tmp_path):
    X, settings = numbers(40), dict(FAST)
    if kind == "records":
        X = records()
        settings |= {
            "activation": LeakyRelu(0.1),
            "add_indicator": True,
            "support": {"b": "observed"},
        }
    elif kind == "chained":
        settings |= {"chained": True}
    elif kind == "gram":
        settings |= {"column_prior": Gram(np.eye(3) + 0.5)}
    else:
        settings |= {"row_prior": np.random.default_rng(0).random((2, 40))}
    imputer = NTKImputer(**settings, progress=lambda *told: None).fit(X)
    imputer.save(tmp_path / "imputer.npz")
    loaded = NTKImputer.load(tmp_path / "imputer.npz")
    for one, other in zip(
        *(its.transform(X, return_std=True) for its in (imputer, loaded)), strict=True
    ):
        np.testing.assert_array_equal(np.asarray(one), np.asarray(other))
        assert type(one) is type(other)
    one, other = (np.asarray(its.sample(X, random_state=1)[0]) for its in (imputer, loaded))
    np.testing.assert_array_equal(one, other)
    assert loaded.progress is None
    assert list(loaded.get_feature_names_out()) == list(imputer.get_feature_names_out())


def test_files_that_cannot_be(tmp_path):
    path = tmp_path / "imputer.npz"
    frame = pd.DataFrame(
        {"x": [1.0, 2, 3], "d": pd.Categorical([pd.Timestamp(0), None, pd.Timestamp(1)])}
    )
    with pytest.raises(TypeError, match="of type Timestamp cannot be saved"):
        NTKImputer(**FAST).fit(frame).save(path)
    assert not path.exists()
    np.savez(path, header=np.array("{}"))
    with pytest.raises(
        ValueError, match=r"holds no imputer; pass a file that NTKImputer\.save wrote"
    ):
        NTKImputer.load(path)
    path.write_bytes(b"nothing")
    with pytest.raises(ValueError, match="holds no imputer that can be read: it is no npz file"):
        NTKImputer.load(path)
