"""The imputer: what it predicts, what it keeps, what it is told about columns and rows."""

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline

from ntkmc import Gram, NTKImputer
from ntkmc.architecture import LeakyRelu
from ntkmc.completion.learning import Learner
from ntkmc.completion.spacing import evenly_spaced
from ntkmc.kernels import dense_ntk
from ntkmc.solvers import leave_one_out


def low_rank(m=60, n=8, rank=2, noise=0.1, missing=0.2, seed=0):
    """A table of columns of different scales, the truth, and which entries are missing."""
    rng = np.random.default_rng(seed)
    truth = rng.standard_normal((m, rank)) @ rng.standard_normal((rank, n))
    truth = (truth + noise * rng.standard_normal((m, n))) * 10.0 ** np.arange(-3, n - 3) + 5
    hidden = rng.random((m, n)) < missing
    return np.where(hidden, np.nan, truth), truth, hidden


def standardised_error(filled, truth, hidden):
    scale = truth.std(axis=0)
    return np.sqrt(np.mean((((filled - truth) / scale)[hidden]) ** 2))


@pytest.mark.slow
def test_it_fills_in_and_keeps_the_rest():
    table, truth, hidden = low_rank()
    imputer = NTKImputer()
    filled, std = imputer.fit(table).transform(table, return_std=True)
    np.testing.assert_array_equal(filled[~hidden], table[~hidden])
    np.testing.assert_array_equal(std == 0, ~hidden)
    assert filled.dtype == np.float64
    mean = SimpleImputer().fit_transform(table)
    assert standardised_error(filled, truth, hidden) < 0.4 * standardised_error(mean, truth, hidden)
    # which it knows, of itself, without the truth
    np.testing.assert_allclose(
        imputer.left_out_error_, standardised_error(filled, truth, hidden), rtol=0.25
    )
    inside = abs(filled - truth)[hidden] < 1.645 * std[hidden]
    assert 0.8 < inside.mean() < 0.98
    again = clone(imputer).fit_transform(table)
    np.testing.assert_array_equal(again, filled)


def test_scales_do_not_matter():
    table, _, _ = low_rank()
    factors, shifts = np.array([3.0, 1e6, 1e-3, 1, 1, 2, 5, 7]), np.arange(8) * 100.0
    filled = NTKImputer(ridge=0.1).fit_transform(table)
    moved = NTKImputer(ridge=0.1).fit_transform(table * factors + shifts)
    # Early rounds are in float32.
    np.testing.assert_allclose((moved - shifts) / factors, filled, rtol=1e-5, atol=1e-6)


def test_rows_that_were_not_there_at_fit():
    table, truth, hidden = low_rank(m=80)
    imputer = NTKImputer().fit(table[:60])
    filled = imputer.transform(table[60:])
    assert standardised_error(filled, truth[60:], hidden[60:]) < 0.6
    # one row at a time is the same as all together, and as before
    one = np.vstack([imputer.transform(row[None]) for row in table[60:]])
    np.testing.assert_allclose(one, filled, rtol=1e-9)


def test_left_out_errors_are_of_priors_without_the_row():
    """In a table of noise nothing can be predicted, and the errors must say so."""
    noise = np.random.default_rng(0).standard_normal((40, 30))
    honest = NTKImputer(n_refinements=0).fit(noise)
    assert honest.left_out_error_ > 0.95
    kernel = honest.model_.kernel
    standard = honest.encoding_.forward(noise)
    own = np.sqrt(np.mean((standard - leave_one_out(kernel, standard, 1e-3)) ** 2))
    assert own < 0.9  # with a prior that the row had a part in


@pytest.mark.slow
def test_pandas_in_pandas_out():
    table, _, _ = low_rank()
    frame = pd.DataFrame(table, columns=list("abcdefgh"), index=[f"r{i}" for i in range(60)])
    imputer = NTKImputer(ridge=0.1).fit(frame)
    filled, std = imputer.transform(frame, return_std=True)
    for result in (filled, std):
        assert list(result.columns) == list(frame.columns)
        assert list(result.index) == list(frame.index)
    np.testing.assert_array_equal(filled, NTKImputer(ridge=0.1).fit_transform(table))
    assert list(imputer.get_feature_names_out()) == list("abcdefgh")
    piped = make_pipeline(NTKImputer(ridge=0.1), SimpleImputer()).set_output(transform="pandas")
    assert list(piped.fit_transform(frame).columns) == list("abcdefgh")
    bare = NTKImputer(ridge=0.1).set_output(transform="pandas").fit(table)
    assert list(bare.transform(table).columns) == [f"x{i}" for i in range(8)]
    with pytest.raises(ValueError, match="now missing:\n- d"):
        imputer.transform(frame.drop(columns="d"))
    with pytest.raises(ValueError, match="X has 7 features, but NTKImputer is expecting 8"):
        NTKImputer(ridge=0.1).fit(table).transform(table[:, :7])


def records(seed=0):
    """Numbers, a binary column and one of three categories, that depend on one another."""
    rng = np.random.default_rng(seed)
    group = rng.integers(0, 3, 90)
    frame = pd.DataFrame(
        {
            "x": group + 0.1 * rng.standard_normal(90),
            "kind": pd.Categorical.from_codes(group, ["high", "low", "middle"]),
            "y": 3.0 - group + 0.1 * rng.standard_normal(90),
            "flag": np.where(group == 0, "yes", "no"),
        }
    )
    hidden = rng.random(frame.shape) < 0.15
    return frame.mask(hidden), frame, hidden


@pytest.mark.slow
def test_categories_are_filled_in_with_categories():
    table, truth, hidden = records()
    imputer = NTKImputer(categorical=["kind", "flag"]).fit(table)
    filled, std = imputer.transform(table, return_std=True)
    assert filled["kind"].dtype == truth["kind"].dtype
    assert not filled.isna().any().any()
    for position, name in enumerate(table.columns):
        observed = ~hidden[:, position]
        assert (filled[name][observed] == truth[name][observed]).all()
        assert (std[name] > 0).eq(hidden[:, position]).all()
        if name in ("kind", "flag"):
            assert (filled[name] == truth[name])[~observed].mean() > 0.8
    numpy = NTKImputer(categorical=[1, 3]).fit_transform(table.to_numpy(object))
    assert (numpy == filled.to_numpy(object)).all()
    other = table.assign(flag="perhaps")
    with pytest.raises(ValueError, match=r"'flag' holds 'perhaps', which .*known: no, y"):
        imputer.transform(other)


def test_text_that_is_not_declared_is_refused(unchecked):
    table, _, _ = records()
    for X in (table, table.to_numpy(object)):
        place = "'kind'" if X is table else "1"
        with pytest.raises(ValueError, match=f"column {place} holds text; declare it with categ"):
            NTKImputer(categorical=None).fit(X)
    with pytest.raises(ValueError, match="column 'flag' holds text; declare it with categ"):
        NTKImputer(categorical=["kind"]).fit(table)
    with pytest.raises(ValueError, match="categorical names 'kidn', which is neither a column"):
        NTKImputer(categorical=["kidn"]).fit(table)
    with pytest.raises(ValueError, match="'kind' has no value at all"):
        NTKImputer(categorical=["kind", "flag"]).fit(table.assign(kind=None))
    with pytest.raises(ValueError, match="'x' contains infinity"):
        NTKImputer(categorical=["kind", "flag"]).fit(table.assign(x=np.inf))


DAYS = pd.date_range("2024-03-01", periods=12, freq="36h")


@pytest.mark.parametrize(
    "dates",
    [
        DAYS,
        DAYS.tz_localize("Europe/Berlin"),
        DAYS.to_numpy("datetime64[s]"),
        np.array(DAYS.to_pydatetime(), object),
        DAYS - DAYS[3],
        DAYS.to_period("h"),
    ],
    ids=["dates", "zone", "seconds", "objects", "durations", "periods"],
)
def test_dates_are_seconds(dates):
    values = np.array([3.0, np.nan, *range(10)])
    frame = pd.DataFrame({"v": values, "when": dates})
    frame.loc[5, "when"] = pd.NaT
    numbers = frame.assign(when=np.arange(12) * 36 * 3600.0)
    numbers.loc[5, "when"] = np.nan
    expected = NTKImputer(n_refinements=1).fit_transform(numbers)
    filled = NTKImputer(n_refinements=1).fit_transform(frame)
    np.testing.assert_allclose(filled["v"], expected["v"], rtol=1e-6)
    elapsed = filled["when"] - filled["when"][0]
    np.testing.assert_allclose(elapsed, expected["when"], rtol=1e-6, atol=1e-3)
    if not isinstance(dates, pd.TimedeltaIndex):
        first = frame["when"][0]
        first = first.start_time if isinstance(first, pd.Period) else first
        assert filled["when"][0] == pd.Timestamp(first).timestamp()
    array = NTKImputer(n_refinements=1).fit_transform(frame.to_numpy(object))
    np.testing.assert_array_equal(array, filled)


def test_missing_in_every_spelling():
    numbers = np.column_stack([np.arange(8.0), np.arange(8.0) ** 2, np.arange(8) % 2.0])
    numbers[[1, 4, 6], [0, 1, 2]] = np.nan
    expected = NTKImputer(n_refinements=1).fit_transform(numbers)
    frame = pd.DataFrame(numbers, columns=list("abc"))
    objects = numbers.astype(object)
    objects[[1, 4, 6], [0, 1, 2]] = None, pd.NA, np.nan
    spelled = pd.DataFrame(
        {
            "a": frame["a"].astype("Int64"),
            "b": objects[:, 1],
            "c": frame["c"].astype("boolean"),
        }
    )
    for X in (objects, spelled, frame.convert_dtypes()):
        filled = NTKImputer(n_refinements=1, categorical=None).fit_transform(X)
        np.testing.assert_array_equal(np.asarray(filled), expected)
    with pytest.raises(TypeError, match="column 'b' cannot be read"):
        NTKImputer().fit(spelled.assign(b=[{}] * 8))


def test_categorical_in_every_spelling(unchecked):
    table, _, _ = records()
    quick = {"n_refinements": 0, "chained": False}
    two = ["kind", "flag"]
    mask = [False, True, False, True]
    for several in (two, tuple(two), np.array(two), [1, 3], np.array([1, 3]), mask, np.array(mask)):
        X = table if np.asarray(several).dtype.kind == "U" else table.to_numpy(object)
        fitted = NTKImputer(categorical=several, **quick).fit(X)
        assert sorted(fitted.encoding_.categories) == [1, 3]
    one_only = table.assign(kind=1.0)
    for one in ("flag", 3, np.int64(3), [False, False, False, True]):
        fitted = NTKImputer(categorical=one, **quick).fit(one_only)
        assert sorted(fitted.encoding_.categories) == [3]
    for none in (None, (), [], np.zeros(2, bool)):
        fitted = NTKImputer(categorical=none, **quick).fit(table[["x", "y"]])
        assert not fitted.encoding_.categories
    for wrong, words in {
        (True, False): "categorical is a mask of 2 columns and the table has 4",
        (True, 3): "categorical names True, which is neither a column",
        (-1,): "categorical names -1, which is neither",
        1.5: "categorical names 1.5, which is neither",
    }.items():
        with pytest.raises(ValueError, match=words):
            NTKImputer(categorical=wrong).fit(table)


def test_categories_by_dtype():
    table, _, _ = records()
    table = table.assign(only=pd.Series(["one"] * 90, dtype="string"))
    settings = {"ridge": 0.1, "n_refinements": 0, "chained": False}
    declared = NTKImputer(categorical=["kind", "flag", "only"], **settings).fit(table)
    expected = declared.transform(table)
    found = NTKImputer(**settings).fit(table)
    assert sorted(found.encoding_.categories) == [1, 3, 4]
    pd.testing.assert_frame_equal(found.transform(table), expected)
    objects = NTKImputer(**settings).fit_transform(table.to_numpy(object))
    assert (objects == expected.to_numpy(object)).all()
    numbers = table[["x", "y"]].to_numpy()
    assert not NTKImputer(**settings).fit(numbers).encoding_.categories
    spelled = pd.DataFrame({"x": table["x"], "n": table["y"].round(1).astype("string")})
    assert not NTKImputer(**settings).fit(spelled).encoding_.categories
    named = table.assign(only=[f"person {k}" for k in range(90)])
    with pytest.raises(ValueError, match=r"'only' holds 90 different values in 90 rows, as names"):
        NTKImputer(**settings).fit(named)
    assert (
        4
        in NTKImputer(categorical=["kind", "flag", "only"], **settings)
        .fit(named)
        .encoding_.categories
    )


def test_rows_are_completed_some_at_a_time(monkeypatch):
    table, told = low_rank(m=15)[0], []
    whole = NTKImputer(n_refinements=0).fit_transform(table)
    imputer = NTKImputer(n_refinements=0, progress=lambda *step: told.append(step)).fit(table)
    monkeypatch.setattr("ntkmc.completion.imputer._ROWS_AT_ONCE", 6)
    np.testing.assert_allclose(imputer.transform(table), whole, atol=1e-12)
    assert told[-3:] == [("transform", count, 15) for count in (6, 12, 15)]


def test_fewer_rows_are_some_of_the_more():
    """So that regressions are weighed by rows that both of them were judged by."""
    for most in (7, 100, 300):
        some = evenly_spaced(np.arange(3, 203), most)
        assert len(np.unique(some)) == min(most, 200)
        assert some[[0, -1]].tolist() == [3, 202]
        assert np.ptp(np.diff(some)) <= 1
    table = low_rank(m=60)[0]
    settings = NTKImputer(prior_rows=9, chained_rows=31)
    learner = Learner(settings, table, np.arange(8), np.ones(8, bool))
    rows = [learner._spaced_rows(most) for most in (9, 31)]
    assert [len(one) for one in rows] == [9, 31]
    assert np.isin(*rows).all()


def test_progress_is_told():
    told = []
    NTKImputer(n_refinements=0, progress=lambda *step: told.append(step)).fit(low_rank(m=15)[0])
    stages, done, totals = zip(*told, strict=True)
    assert set(stages) == {"fit"}
    assert list(done) == sorted(done)
    assert len(set(totals)) == 1
    assert done[-1] <= totals[0]


@pytest.mark.parametrize("prior", ["embedding", "frame", "gram", "identity"])
def test_column_priors(prior):
    table, truth, hidden = low_rank(m=25, n=8, noise=0.02)
    rng = np.random.default_rng(0)
    embedding = np.linalg.svd((truth - truth.mean(axis=0)) / truth.std(axis=0))[2][:2]
    names = [f"c{i}" for i in range(8)]
    frame = pd.DataFrame(table, columns=names)
    given = {
        "embedding": embedding,
        "frame": pd.DataFrame(embedding, columns=names)[list(rng.permutation(names))],
        "gram": Gram(dense_ntk(embedding)),
        "identity": "identity",
    }[prior]
    filled = np.asarray(NTKImputer(given, identity_weight=0.01).fit_transform(frame))
    error = standardised_error(filled, truth, hidden)
    assert (error < 0.5) == (prior != "identity")
    whole = frame.assign(c3=np.nan)  # a column without values, but not without a prior
    filled = np.asarray(NTKImputer(given, identity_weight=0.01).fit_transform(whole))
    correlation = np.corrcoef(filled[:, 3], truth[:, 3])[0, 1]
    assert (correlation > 0.9) == (prior != "identity")


@pytest.mark.slow
def test_row_priors_and_both():
    table, truth, hidden = low_rank(m=30, n=6)
    features = truth[:, 0] / truth[:, 0].std(), truth[:, 1] / truth[:, 1].std()
    rows = np.stack([side - side.mean() for side in features])
    errors = {}
    for name, settings in {
        "columns": {},
        "rows": {"column_prior": None, "row_prior": rows},
        "kernel": {"column_prior": None, "row_prior": Gram(dense_ntk(rows) + 0.1 * np.eye(30))},
        "both": {"row_prior": rows},
    }.items():
        imputer = NTKImputer(**settings).fit(table)
        filled, std = imputer.transform(table, return_std=True)
        np.testing.assert_array_equal(filled[~hidden], table[~hidden])
        assert (std[hidden] > 0).all()
        errors[name] = standardised_error(filled, truth, hidden)
        if name == "both":
            assert ((imputer.model_.weight >= 0) & (imputer.model_.weight <= 1)).all()
    assert errors["both"] < 1.1 * min(errors.values())
    assert max(errors["rows"], errors["kernel"]) < 0.6
    empty = table.copy()
    empty[7] = np.nan
    filled = NTKImputer(row_prior=rows).fit_transform(empty)
    nothing = NTKImputer().fit_transform(empty)
    scale = truth.std(axis=0)
    assert abs((filled - truth)[7] / scale).mean() < abs((nothing - truth)[7] / scale).mean()
    with pytest.raises(ValueError, match="X has 29 rows and row_prior was for 30, those of"):
        imputer.transform(table[:29])


def test_new_rows_are_completed_by_their_features(unchecked):
    table, truth, _ = low_rank(m=40, n=6)
    rows = np.stack([truth[:, 0] - truth[:, 0].mean(), truth[:, 1] - truth[:, 1].mean()])
    old, new = table[:30], table[30:].copy()
    new[:5] = np.nan
    settings = {"ridge": 0.1, "identity_weight": 0.0, "column_prior": None}
    imputer = NTKImputer(row_prior=rows[:, :30], **settings).fit(old)
    filled, std = imputer.transform(new, return_std=True, row_features=rows[:, 30:])

    # The same, as it is written: one Gaussian process a column, on all rows with a value.
    unit = np.sqrt(np.mean(np.sum(rows[:, :30] ** 2, axis=0)))
    kernel = dense_ntk(rows / unit)
    noise = 0.1 * np.diagonal(kernel)[:30].mean()
    for j in range(6):
        values = np.concatenate([old[:, j], new[:, j]])
        known = np.flatnonzero(~np.isnan(values))
        mean, scale = np.nanmean(old[:, j]), np.nanstd(old[:, j])
        system = kernel[np.ix_(known, known)] + noise * np.eye(len(known))
        weights = np.linalg.solve(system, (values[known] - mean) / scale)
        expected = mean + scale * kernel[30:, known] @ weights
        gone = np.isnan(new[:, j])
        np.testing.assert_allclose(filled[gone, j], expected[gone], rtol=1e-8)
    assert (std[np.isnan(new)] > 0).all()
    cold = np.abs(filled - truth[30:])[:5] / truth.std(axis=0)
    means = np.abs(np.nanmean(old, axis=0) - truth[30:])[:5] / truth.std(axis=0)
    assert cold.mean() < 0.7 * means.mean()

    both = NTKImputer(row_prior=rows[:, :30], ridge=0.1, n_refinements=0).fit(old)
    filled, std = both.transform(new, return_std=True, row_features=rows[:, 30:])
    assert np.isfinite(filled).all()
    # Of nothing but features, columns have nothing to say.
    alone = NTKImputer(None, rows[:, :30], ridge=0.1).fit(old)
    expected = alone.transform(new, return_std=True, row_features=rows[:, 30:])
    for its, one in zip((filled, std), expected, strict=True):
        np.testing.assert_allclose(its[:5], one[:5], rtol=1e-10)
        assert (its[5:] != one[5:]).any()
    drawn = both.sample(new, 2, random_state=0, row_features=rows[:, 30:])
    assert np.isfinite(drawn).all()
    with pytest.raises(ValueError, match=r"row_features has shape \(2, 3\); pass \(2, 10\)"):
        both.transform(new, row_features=rows[:, :3])
    with pytest.raises(ValueError, match="row_features has entries that are not finite"):
        both.transform(new, row_features=rows[:, 30:] * np.nan)
    without = NTKImputer(ridge=0.1, n_refinements=0).fit(old)
    with pytest.raises(ValueError, match="row_prior is no array of features"):
        without.transform(new, row_features=rows[:, 30:])


def test_depth_and_identity_are_chosen_by_leave_one_out():
    table, _, _ = low_rank(m=15, n=5)
    settings = {"ridge": 0.01, "n_refinements": 0}

    def error(depth, weight):
        imputer = NTKImputer(depth=depth, identity_weight=weight, **settings)
        return imputer.fit(table).left_out_error_

    chosen = NTKImputer(depth="loo", identity_weight="loo", **settings).fit(table)
    errors = {(d, w): error(d, w) for d in (1, 2, 3) for w in (0.0, 0.1, 0.3, 1.0)}
    assert (chosen.depth_, chosen.identity_weight_) == min(errors, key=errors.__getitem__)
    assert chosen.left_out_error_ == min(errors.values())


def test_what_is_entirely_missing_or_constant():
    table, _, _ = low_rank()
    table[3] = np.nan
    table[:, 2] = np.nan
    table[:, 4] = np.where(np.isnan(table[:, 4]), np.nan, 7.0)
    table[:10] = table[10:20]  # duplicate rows
    imputer = NTKImputer().fit(table)
    filled, std = imputer.transform(table, return_std=True)
    assert filled.shape == table.shape
    assert np.isfinite(filled).all()
    assert (filled[:, 4] == 7).all()
    others = np.delete(np.arange(8), 2)
    np.testing.assert_allclose(
        imputer.transform(np.full((1, 8), np.nan))[0, others], np.nanmean(table[:, others], axis=0)
    )
    assert (std[:, 2] > 0).all()
    same = NTKImputer().fit_transform(np.full((4, 3), 2.0))
    assert (same == 2).all()
    lonely = NTKImputer().fit_transform([[1.0, np.nan, 3.0]])
    np.testing.assert_array_equal(lonely[0, [0, 2]], [1, 3])
    assert np.isfinite(lonely).all()


def test_few_of_many_rows_make_the_prior():
    table, truth, hidden = low_rank(m=300)
    imputer = NTKImputer(prior_rows=60, ridge=0.01).fit(table)
    assert np.isfinite(imputer.model_.left_out).any(axis=1).sum() == 60
    assert standardised_error(imputer.transform(table), truth, hidden) < 0.5


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"column_prior": None}, "column_prior and row_prior are both None"),
        ({"column_prior": "tabel"}, "column_prior was 'tabel'; pass 'table' or 'identity', an emb"),
        ({"row_prior": "table"}, "row_prior was 'table'; pass 'identity', an embedding"),
        ({"column_prior": np.ones((2, 5))}, "column_prior is for 5 columns and the table has 8"),
        ({"row_prior": np.ones((2, 5))}, "row_prior is for 5 rows and the table has 60"),
        ({"column_prior": np.ones(8)}, r"an array of float64 of shape \(8,\); pass numbers"),
        ({"column_prior": np.full((2, 8), np.nan)}, "column_prior has entries that are not finite"),
        ({"column_prior": Gram(np.eye(3))}, "column_prior is for 3 columns"),
        ({"depth": 0}, "depth was 0; pass a whole number"),
        ({"depth": 1.5}, "depth was 1.5"),
        ({"activation": "erf"}, "not homogeneous"),
        ({"ridge": -1}, "ridge was -1; pass a number >= 0, or 'loo'"),
        ({"identity_weight": "lo"}, "identity_weight was 'lo'"),
        ({"n_refinements": -1}, "n_refinements was -1"),
        ({"prior_rows": 1}, "prior_rows was 1"),
        ({"chained_rows": 0}, "chained_rows was 0"),
        ({"parity": "even"}, "parity was 'even'; pass 'odd', 'oriented' or 'loo'"),
    ],
)
def test_settings_are_checked(settings, words, unchecked):
    with pytest.raises(ValueError, match=words):
        NTKImputer(**settings).fit(low_rank()[0])


def test_tables_are_checked(unchecked):
    table = low_rank()[0]
    frame = pd.DataFrame(table[:, :2], columns=["a", "b"])
    with pytest.raises(ValueError, match="no observed value at all"):
        NTKImputer().fit(np.full((3, 2), np.nan))
    with pytest.raises(ValueError, match="contains infinity"):
        NTKImputer().fit(np.where(np.isnan(table), np.inf, table))
    with pytest.raises(ValueError, match="column_prior has no column 'b'"):
        NTKImputer(pd.DataFrame({"a": [1.0]})).fit(frame)
    with pytest.raises(ValueError, match=r"Gram: matrix has shape \(2, 3\)"):
        Gram(np.ones((2, 3)))
    with pytest.raises(ValueError, match="not symmetric and finite"):
        Gram(np.array([[1.0, 2.0], [0.0, 1.0]]))


def test_layers_are_settings_too():
    table, _, _ = low_rank(m=20)
    spelled = NTKImputer(activation={"leaky_relu": {"negative_slope": 0.2}}, ridge=0.1)
    built = NTKImputer(activation=LeakyRelu(0.2), ridge=0.1)
    np.testing.assert_array_equal(spelled.fit_transform(table), built.fit_transform(table))
