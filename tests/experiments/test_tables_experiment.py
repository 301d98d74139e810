"""Hidden entries of a table, scored; the experiment on them."""

import json

import numpy as np
import pandas as pd
import pytest
import scipy.stats
import yaml

from ntkmc.baselines import TABLE_BASELINES
from ntkmc.config import ConfigError
from ntkmc.experiments import load
from ntkmc.experiments.held_out import LEVELS, hide_entries, hide_lines, score
from ntkmc.results import ResultsFolder


def values(m=30, n=6, missing=0.1, seed=0):
    rng = np.random.default_rng(seed)
    group = np.arange(m) % 3
    table = rng.standard_normal((3, n))[group] + rng.standard_normal((m, 1)) * np.linspace(1, 2, n)
    table += 0.1 * rng.standard_normal((m, n))
    return np.where(rng.random((m, n)) < missing, np.nan, table)


def test_what_is_hidden():
    table = values()
    observed = ~np.isnan(table)
    hidden = hide_entries(table, 0.2, seed=1)
    assert not hidden[~observed].any()
    assert hidden.sum() == round(0.2 * observed.sum())
    left = observed & ~hidden
    assert left.any(axis=0).all()
    assert left.any(axis=1).all()
    assert (hide_entries(table, 0.2, seed=1) == hidden).all()
    assert (hide_entries(table, 0.2, seed=2) != hidden).any()
    most = hide_entries(table, 0.99, seed=1)
    assert (observed & ~most).any(axis=0).all()
    assert (observed & ~most).any(axis=1).all()
    for axis, keep in ((0, 2), (1, 0)):
        lines = hide_lines(table, 0.3, keep, axis, seed=1)
        touched = lines.any(axis=1 - axis)
        assert touched.sum() == round(0.3 * table.shape[axis])
        left = (observed & ~lines).sum(axis=1 - axis)
        assert (left[touched] == keep).all()
    with pytest.raises(ValueError, match="only 0 lines have more than keep = 9 entries"):
        hide_lines(table, 0.3, 9, 0, seed=1)


def test_scores_are_what_they_say():
    table = values(missing=0.0)
    hidden = hide_entries(table, 0.3, seed=0)
    noise = np.random.default_rng(1).standard_normal(table.shape)

    def knows(left):
        assert np.isnan(left[hidden]).all()
        return table + 2 * noise, np.full(table.shape, 2.0)

    found = score(table, hidden, {"knows": knows, "is right": lambda left: (table, None)})
    errors = 2 * noise[hidden]
    np.testing.assert_allclose(found["knows"].rmse, np.sqrt(np.mean(errors**2)))
    spread = np.nanstd(np.where(hidden, np.nan, table), axis=0)
    expected = np.sqrt(np.mean((2 * noise / spread)[hidden] ** 2))
    np.testing.assert_allclose(found["knows"].standardised, expected)
    inside = [np.mean(abs(errors) <= 2 * scipy.stats.norm.ppf((1 + p) / 2)) for p in LEVELS]
    np.testing.assert_allclose(found["knows"].coverage, inside)
    assert found["is right"].rmse == 0
    assert found["is right"].coverage is None


def test_baselines_keep_what_is_observed_and_the_shape():
    table = values()
    table[:, 2] = np.nan
    for name, fill in TABLE_BASELINES.items():
        filled = fill(table)
        assert filled.shape == table.shape, name
        assert np.isfinite(filled).all()
        np.testing.assert_array_equal(filled[~np.isnan(table)], table[~np.isnan(table)])


def test_soft_impute_of_a_table_does_not_depend_on_its_scales():
    table = values()
    hidden = hide_entries(table, 0.2, seed=0)
    fill = TABLE_BASELINES["soft-impute"]
    filled = fill(np.where(hidden, np.nan, table))
    errors = [filled - table, np.nanmean(np.where(hidden, np.nan, table), axis=0) - table]
    assert np.linalg.norm(errors[0][hidden]) < 0.8 * np.linalg.norm(errors[1][hidden])
    moved = fill(np.where(hidden, np.nan, table * 10.0 ** np.arange(6) + 7))
    np.testing.assert_allclose((moved - 7) / 10.0 ** np.arange(6), filled, rtol=1e-6, atol=1e-9)


@pytest.fixture
def small(tmp_path):
    frame = pd.DataFrame(values(), columns=list("abcdef"))
    frame.insert(0, "name", [f"row {i}" for i in range(len(frame))])
    frame.insert(1, "group", [f"g{i % 3}" for i in range(len(frame))])
    (tmp_path / "drugs").mkdir()
    frame.to_csv(tmp_path / "drugs" / "small.csv", index=False)
    config = {
        "experiment": "tables",
        "table": {"name": "small", "root": str(tmp_path), "clip": [0.01, 0.99]},
        "holdouts": {"entries": {"kind": "entries"}, "rows": {"kind": "rows", "keep": 0}},
        "imputer": {"ridge": 0.01},
        "row_label": "group",
        "baselines": ["mean"],
        "seeds": [0, 1],
    }
    (tmp_path / "small.yaml").write_text(yaml.safe_dump(config))
    return tmp_path


@pytest.mark.slow
def test_a_run_leaves_everything_behind(small):
    experiment, config = load(small / "small.yaml")
    scores = experiment.run(config, ResultsFolder(small / "out"))
    head, rows = experiment.table(scores)
    assert len(rows) == 2 * 3
    assert all(len(row) == len(head) for row in rows)
    summary = json.loads((small / "out" / "summary.json").read_text())
    assert summary["rmse"]["entries"]["NTK"] < 0.7 * summary["rmse"]["entries"]["mean"]
    # A row without any value: its mean is all there is to say, unless its group is known.
    rows = summary["rmse"]["rows"]
    assert rows["NTK"] == pytest.approx(rows["mean"], rel=0.02)
    assert rows["NTK + group"] < rows["mean"]
    metrics = pd.read_csv(small / "out" / "metrics.csv")
    assert len(metrics) == 2 * 3 * 2
    for name in ("errors.png", "calibration.png", "missing.png", "report.html", "config.yaml"):
        assert (small / "out" / name).stat().st_size > 0


@pytest.mark.parametrize("name", ["gdsc", "gdsc_reduced"])
def test_the_configurations_are_valid(name, data_dir):
    path = f"configs/tables/{name}.yaml"
    _, config = load(path)
    assert config.table.name == "gdsc_ic50"
    assert (data_dir / "drugs" / "gdsc_ic50.csv").is_file()


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("baselines=[mice]", "pass names among mean, kNN, soft-impute, iterative"),
        ("imputer.dept=2", "nvalid parameter 'dept'"),
        ("holdouts.rows.kind=row", "holdouts.rows.kind was 'row'"),
        ("holdouts={}", "holdouts was {}"),
    ],
)
def test_a_wrong_configuration_is_refused(small, override, words):
    with pytest.raises(ConfigError) as refusal:
        load(small / "small.yaml", [override])
    assert words in str(refusal.value)


def test_a_label_that_is_none_is_refused(small):
    experiment, config = load(small / "small.yaml", ["row_label=tissue"])
    with pytest.raises(ValueError, match="row_label was 'tissue'; the table's text columns are gr"):
        experiment.run(config, ResultsFolder(small / "out"))
