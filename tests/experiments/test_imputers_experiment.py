"""Imputers compared over many tables: what is hidden, how it is judged, what is kept."""

import json

import numpy as np
import pandas as pd
import pytest
import scipy.special
import scipy.stats

from ntkmc.config import ConfigError
from ntkmc.experiments import imputers, load
from ntkmc.experiments.imputers import ranking, running
from ntkmc.experiments.imputers.hiding import hide
from ntkmc.experiments.imputers.methods import METHODS
from ntkmc.experiments.imputers.scoring import Columns, downstream, score
from ntkmc.plots.ranks import not_apart
from ntkmc.results import ResultsFolder

MECHANISMS = ("mcar", "mar", "mnar")


def correlated(m=400, n=5, seed=0):
    rng = np.random.default_rng(seed)
    return rng.standard_normal((m, 2)) @ rng.standard_normal((2, n)) + rng.standard_normal((m, n))


@pytest.mark.parametrize("mechanism", MECHANISMS)
@pytest.mark.parametrize("share", [0.1, 0.5])
def test_the_share_that_is_hidden(mechanism, share):
    table = correlated(2000, 10)
    table[::7, 3] = np.nan
    hidden = hide(table, mechanism, share, seed=1)
    assert not hidden[np.isnan(table)].any()
    some = hidden.any(axis=0)
    assert some.sum() == (7 if mechanism == "mar" else 10)
    rates = [
        column[seen].mean() for column, seen in zip(hidden.T, (~np.isnan(table)).T, strict=True)
    ]
    np.testing.assert_allclose(np.array(rates)[some], share, atol=0.05)
    assert (hide(table, mechanism, share, seed=1) == hidden).all()
    assert (hide(table, mechanism, share, seed=2) != hidden).any()


def test_no_row_and_no_column_is_emptied():
    table = correlated(30, 3)
    table[4, :2] = np.nan
    for mechanism in MECHANISMS:
        left = np.where(hide(table, mechanism, 0.95, seed=0), np.nan, table)
        assert (~np.isnan(left)).any(axis=0).all()
        assert (~np.isnan(left)).any(axis=1).all()


def test_what_hiding_depends_on():
    """On nothing; on the columns that stay; on the value itself, as the logistic model says."""
    table = correlated(20_000, 4, seed=3)
    z = (table - table.mean(axis=0)) / table.std(axis=0)

    def slope(hidden, by):
        """Of a logistic regression of one on the other, by Newton's method."""
        X, w = np.stack([np.ones(len(by)), by], axis=1), np.zeros(2)
        for _ in range(20):
            p = scipy.special.expit(X @ w)
            w += np.linalg.solve((X.T * (p * (1 - p))) @ X, X.T @ (hidden - p))
        return w[1]

    hidden = hide(table, "mcar", 0.4, seed=0)
    assert max(abs(slope(hidden[:, j], z[:, j])) for j in range(4)) < 0.08
    hidden = hide(table, "mnar", 0.4, seed=0)
    np.testing.assert_allclose([abs(slope(hidden[:, j], z[:, j])) for j in range(4)], 1, atol=0.08)
    hidden = hide(table, "mar", 0.4, seed=0)
    by = int(np.flatnonzero(~hidden.any(axis=0))[0])
    others = [j for j in range(4) if j != by]
    np.testing.assert_allclose([abs(slope(hidden[:, j], z[:, by])) for j in others], 1, atol=0.08)


def test_hiding_refuses_what_it_cannot_do(unchecked):
    with pytest.raises(ValueError, match="mechanism was 'mcra'; pass 'mcar', 'mar' or 'mnar'"):
        hide(correlated(), "mcra", 0.3, 0)
    with pytest.raises(ValueError, match="the table has one column"):
        hide(correlated(n=1), "mar", 0.3, 0)


def test_scores_are_what_they_say():
    rng = np.random.default_rng(0)
    truth = np.column_stack([rng.standard_normal((5000, 2)) * [1, 10], rng.integers(0, 3, 5000)])
    columns = Columns.of(truth, [2])
    hidden = rng.random(truth.shape) < 0.5
    noise = rng.standard_normal(truth.shape) * [0.5, 2, 0]
    filled = truth + noise
    filled[:1000, 2] = 9
    found = score(truth, hidden, filled, np.full(truth.shape, 2.0), columns, 0.7, 3.0)
    sizes = np.array([0.5, 0.2])
    np.testing.assert_allclose(found.nrmse, sizes.mean(), rtol=0.03)
    np.testing.assert_allclose(found.nmae, (sizes * np.sqrt(2 / np.pi)).mean(), rtol=0.03)
    np.testing.assert_allclose(found.wrong, hidden[:1000, 2].sum() / hidden[:, 2].sum())
    inside = scipy.stats.norm.ppf(0.95)
    inside = np.mean([1.0, 2 * scipy.stats.norm.cdf(inside) - 1])
    np.testing.assert_allclose(found.coverage, inside, atol=0.01)
    assert (found.downstream, found.seconds) == (0.7, 3.0)
    without = score(truth, hidden, filled, None, columns, np.nan, 1.0)
    assert np.isnan(without.coverage)
    filled[np.argwhere(hidden)[0][0], np.argwhere(hidden)[0][1]] = np.nan
    with pytest.raises(ValueError, match="1 of the hidden entries were not filled"):
        score(truth, hidden, filled, None, columns, np.nan, 1.0)


def test_downstream_is_what_a_model_explains():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((2000, 3))
    y = X @ [1.0, -2.0, 0.5] + 0.5 * rng.standard_normal(2000)
    table = np.column_stack([X, y])
    train, test = table[:1000], table[1000:]
    explained = 1 - 0.25 / y.var()
    np.testing.assert_allclose(
        downstream(train, test, 3, (train[:, 3], test[:, 3])), explained, atol=0.02
    )
    blind = np.column_stack([np.zeros((1000, 3)), y[1000:]])
    assert abs(downstream(train, blind, 3, (train[:, 3], test[:, 3]))) < 0.02
    table[:, 3] = y > 0
    accuracy = downstream(train, test, 3, (train[:, 3], test[:, 3]))
    assert 0.9 < accuracy < 0.96
    train[:, 3] = 1.0
    assert np.isnan(downstream(train, test, 3, (train[:, 3], test[:, 3])))


def test_ranks_and_their_critical_difference():
    """Demšar 2006, section 3.2.2: four methods on 14 data sets differ by 1.25."""
    np.testing.assert_allclose(ranking.critical_difference(4, 14), 1.25, atol=0.005)
    with pytest.raises(ValueError, match="compare at least two on one"):
        ranking.critical_difference(1, 3)
    errors = pd.DataFrame({"a": [1.0, 2, 3], "b": [2.0, 2, 4], "c": [3.0, 3, 1]})
    assert ranking.mean_ranks(errors).tolist() == [(1 + 1.5 + 2) / 3, (2 + 1.5 + 3) / 3, 7 / 3]
    assert ranking.wilcoxon(errors, "a", "a") == 1
    many = pd.DataFrame({"a": np.arange(12.0), "b": np.arange(12.0) + np.arange(1, 13) / 10})
    np.testing.assert_allclose(ranking.wilcoxon(many, "a", "b"), 2 / 2**12)
    assert not_apart([1.0, 1.5, 2.4, 4.0], 1.0) == [(1.0, 1.5), (1.5, 2.4)]
    assert not_apart([1.0, 3.0], 1.0) == []


@pytest.mark.parametrize("name", ["mean", "kNN", "ridge", "extra trees", "forests", "soft-impute"])
def test_each_method_completes_its_rows_and_others(name, monkeypatch):
    monkeypatch.setattr("ntkmc.experiments.imputers.methods.TREES", 3)
    table = correlated(60, 4)
    table[np.random.default_rng(1).random(table.shape) < 0.2] = np.nan
    old, new = table[:40], table[40:]
    fitted = METHODS[name](old, [])
    for some in (old, new):
        filled, std = fitted(some)
        assert std is None
        assert np.isfinite(filled).all()
        np.testing.assert_array_equal(filled[~np.isnan(some)], some[~np.isnan(some)])


@pytest.mark.parametrize("name", ["miceforest", "missforest", "hyperimpute"])
def test_a_package_that_is_missing_is_named(name, monkeypatch):
    def missing(module):
        raise ImportError(f"No module named {module}")

    monkeypatch.setattr("importlib.import_module", missing)
    with pytest.raises(ImportError, match=f"{name} is not installed: pip install {name}"):
        METHODS[name](correlated(), [])


@pytest.mark.slow
def test_the_reduced_configuration(tmp_path, data_dir, monkeypatch):
    experiment, config = load(
        "configs/tables/uci_reduced.yaml",
        [f"root={data_dir}", f"checkpoint={tmp_path / 'done.jsonl'}"],
    )
    results = experiment.run(config, ResultsFolder(tmp_path / "results"))
    assert len(results) == 2 * 2 * 4
    _, rows = experiment.table(results)
    assert [row[:2] for row in rows[:2]] == [("mcar 30 %", "NTK"), ("mcar 30 %", "mean")]
    means = results.groupby(["condition", "method"])["nrmse"].mean()
    assert means["mcar 30 %", "NTK"] < 0.95 * means["mcar 30 %", "mean"]
    ntk = results[results["method"] == "NTK"]
    assert 0.85 < ntk["coverage"].mean() < 0.97
    assert results["coverage"].isna().sum() == len(results) - len(ntk)
    new = results["condition"] == "mar 30 %, new rows"
    assert results[new]["downstream"].notna().all()
    assert results[~new]["downstream"].isna().all()
    assert results[results["table"] == "gbsg2"]["wrong"].between(0, 1).all()
    assert results[results["table"] == "slump"]["wrong"].isna().all()
    files = {path.name for path in (tmp_path / "results").iterdir()}
    assert {"metrics.csv", "report.html", "summary.json", "ranks_mcar_30__.png"} <= files
    summary = json.loads((tmp_path / "results" / "summary.json").read_text())
    assert summary["nrmse"]["mcar 30 %"]["NTK"] == pytest.approx(means["mcar 30 %", "NTK"])

    # What is finished is not run again, and a line that was not written to its end is passed over.
    with open(tmp_path / "done.jsonl", "a") as file:
        file.write('{"key": {"table": ')

    def never(*_):
        raise AssertionError("was run again")

    monkeypatch.setattr(running, "_run_one", never)
    again = experiment.run(config, ResultsFolder(tmp_path / "again"))
    pd.testing.assert_frame_equal(results, again)


def test_configurations_say_what_is_wrong(tmp_path):
    path = "configs/tables/uci_reduced.yaml"
    assert load("configs/tables/uci.yaml")[0].name == "imputers"
    with pytest.raises(ConfigError, match="pass names among mean, kNN"):
        load(path, ["others=[forest]"])
    with pytest.raises(ConfigError, match="two methods have one name"):
        load(path, ["ours={mean: {}}"])
    with pytest.raises(ConfigError, match="two conditions are the same"):
        load(path, ["conditions=[{}, {}]"])
    (tmp_path / "tables").mkdir()
    pd.DataFrame(correlated(30, 3)).add_prefix("x").to_csv(
        tmp_path / "tables" / "t.csv", index=False
    )
    config = imputers.ImputersConfig(
        experiment="imputers",
        root=tmp_path,
        tables={"t": {"target": "y"}},
        conditions=[{}],
        ours={"NTK": {}},
    )
    with pytest.raises(ValueError, match="table 't' has no column 'y'; it has x0, x1, x2"):
        imputers.run(config, ResultsFolder(tmp_path / "results"))
