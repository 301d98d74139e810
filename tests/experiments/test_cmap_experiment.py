"""The drug-response experiment: its configurations, and a small table from end to end."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from responses import of_mask

from ntkmc.config import ConfigError
from ntkmc.experiments import load
from ntkmc.experiments.cmap import split_off
from ntkmc.experiments.cmap_profiles import correlation_table, winner_table
from ntkmc.experiments.cmap_report import fold_table, improvement_table, test_table
from ntkmc.response_metrics import Scores
from ntkmc.results import ResultsFolder

test_table.__test__ = False  # a table of tests, not one

CONFIGS = sorted((Path(__file__).parents[2] / "configs" / "cmap").glob("*.yaml"))


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_the_configurations_are_valid(path):
    experiment, config = load(path)
    assert experiment.name == "cmap"
    assert f"ntkmc run configs/cmap/{path.name}" in path.read_text()
    assert config.seeds[0] == 149


@pytest.fixture
def overrides(tmp_path):
    """For the reduced configuration: a small table in place of the real one."""
    rng = np.random.default_rng(0)
    kinds = rng.normal(size=(3, 1, 30))[rng.integers(3, size=14)]  # drugs of three kinds
    profiles = kinds + rng.normal(size=(1, 5, 30)) + 0.5 * rng.normal(size=(14, 5, 30))
    table = of_mask(profiles, rng.random((14, 5)) < 0.8)
    frame = pd.DataFrame(table.profiles, columns=list(table.genes))
    frame.insert(0, "cell", [("MCF7", "A", "B", "C", "SNU1040")[cell] for cell in table.cell])
    frame.insert(0, "drug", [table.drugs[drug] for drug in table.drug])
    frame.to_csv(tmp_path / "table.csv", index=False)
    return [f"data.path={tmp_path / 'table.csv'}", "data.fewest=4"]


REDUCED = next(path for path in CONFIGS if path.stem == "reduced")


def test_a_small_table(overrides, tmp_path, monkeypatch):
    settings = [*overrides, f"cache={tmp_path / 'cache'}", "dense=11"]
    experiment, config = load(REDUCED, settings)
    imputed, reference = split_off(config)
    assert set(imputed.cells) == {"A", "B", "C", "MCF7"}
    assert {reference.cells[place] for place in reference.cell} == {"MCF7"}

    results = experiment.run(config, ResultsFolder(tmp_path / "out"))
    _, rows = experiment.table(results)
    assert [row[0] for row in rows] == list(config.methods)
    # Profiles are cell line plus drug plus noise: ours knows both.
    ours = results.mean(config.ours, "mean of the three")
    assert ours > results.mean("mean over cell", "mean of the three")
    assert results.by_fold(config.ours, "mean R2").shape == (len(config.seeds), config.folds)
    test = results.test(config.ours, "mean over cell", "mean R2")
    assert 0 <= test.p <= 1
    assert 0 <= results.coverage() <= 1
    assert len(test_table(results)[1]) == len(config.methods) - 1
    first, second = config.pairs[0]
    table = fold_table(results, first, second, config.seeds[0])[1]
    assert [row[0] for row in table] == [str(k + 1) for k in range(config.folds)] + ["Pearson r"]
    assert improvement_table(results)[1][0][0] == f"{second} better than {first}"

    # Of the subsets, all profiles of which are in one or the other.
    parts = [results.by_fold(first, "mean cosine", subset) for subset in ("dense", "sparse")]
    count = [np.array([one.dense.sum(), (~one.dense).sum()]) for one in results.of(first)]
    joined = [
        np.nansum(n * np.array([part.ravel()[k] for part in parts])) / n.sum()
        for k, n in enumerate(count)
    ]
    np.testing.assert_allclose(joined, results.by_fold(first, "mean cosine").ravel())
    sparse = fold_table(results, first, second, config.seeds[0], "sparse")[1]
    assert sparse != table
    pooled = results.pooled(first, config.seeds[0], "sparse").pearson_r
    assert sparse[-1][1] == f"{pooled:.3f}"

    folder = tmp_path / "out"
    for name in ("availability.png", "report.html", "config.yaml"):
        assert (folder / name).stat().st_size > 0
    for subset in ("all", "dense", "sparse"):
        assert (folder / f"bars_{subset}.png").stat().st_size > 0
        assert f"Fold by fold, {subset} cell lines" in (folder / "report.html").read_text()
    summary = json.loads((folder / "summary.json").read_text())
    assert summary["metrics"][config.ours]["mean of the three"] == pytest.approx(ours)
    metrics = pd.read_csv(folder / "metrics.csv")
    of_ours = metrics[(metrics.method == config.ours) & (metrics.metric == "mean R2")]
    np.testing.assert_allclose(of_ours.value, results.by_fold(config.ours, "mean R2").ravel())

    of_ours = metrics[(metrics.method == config.ours) & (metrics.metric == "correlation p")]
    assert of_ours.value.between(0, 1).all()

    # What is saved is what was scored.
    with np.load(folder / "predictions.npz") as saved:
        place = list(saved["methods"]).index(config.ours)
        pairs = list(zip(saved["drug"], saved["cell"], strict=True))
        assert len(set(pairs)) == len(pairs) == len(imputed)
        assert set(saved["seed"]) == {config.seeds[0]}
        assert set(saved["fold"]) == {1, 2, 3}
        scores = Scores.of(saved["truth"].astype(float), saved["predicted"][place].astype(float))
        pooled = results.pooled(config.ours, config.seeds[0])
        np.testing.assert_allclose(scores.mean_r2, pooled.mean_r2, rtol=1e-4)
        row = imputed.places()[imputed.drugs.index(pairs[3][0]), imputed.cells.index(pairs[3][1])]
        np.testing.assert_allclose(saved["truth"][3], imputed.profiles[row], rtol=1e-6)
    assert correlation_table(results)[1][-1][1] == f"{_mean_correlation(results):.4f}"
    for name in ("scatter.png", "winners.png"):
        assert (folder / name).stat().st_size > 0
    errors = np.stack([results.errors(method) for method in results.methods])
    winners = results.winners()
    np.testing.assert_array_equal(winners >= 0, imputed.availability())
    drug, cell = imputed.drug[0], imputed.cell[0]
    assert winners[drug, cell] == errors[:, drug, cell].argmin()
    assert sum(int(row[1]) for row in winner_table(results)[1]) == len(imputed)

    # From what was kept, nothing is computed again.
    monkeypatch.setattr("ntkmc.experiments.cmap_report.write", lambda folder, results: None)
    again = experiment.run(config, ResultsFolder(tmp_path / "again"))
    seconds = [one.seconds for one in results.outcomes]
    assert [one.seconds for one in again.outcomes] == seconds


def _mean_correlation(results):
    scored = [results.pooled(results.config.ours, seed) for seed in results.config.seeds]
    return np.mean([scores.correlation for scores in scored])


def test_folds_of_a_subset_of_cell_lines(overrides):
    counts = {}
    for subset in ("all", "dense", "sparse"):
        _, config = load(REDUCED, [*overrides, "dense=11", f"subset={subset}"])
        imputed, reference = split_off(config)
        assert len(reference)
        used = np.bincount(imputed.cell, minlength=imputed.number_of_cells)
        counts[subset] = {c: int(n) for c, n in zip(imputed.cells, used, strict=True) if n}
    assert counts["dense"] | counts["sparse"] == counts["all"]
    assert min(counts["dense"].values()) >= 11 > max(counts["sparse"].values())
    _, config = load(REDUCED, [*overrides, "dense=100", "subset=dense"])
    with pytest.raises(ValueError, match="subset was 'dense', and no cell line is with dense at"):
        split_off(config)


def test_whole_cell_lines_are_held_out(overrides, tmp_path):
    methods = "methods={mean: mean_over_cell, ours: {ntk: {one_hot: {}}}}"
    settings = [*overrides, "split=cells", "folds=3", "seeds=[0]", methods]
    settings += ["ours=ours", "pairs=[]", "saved_seeds=0"]
    experiment, config = load(REDUCED, settings)
    results = experiment.run(config, ResultsFolder(tmp_path / "out"))
    held = [set(one.cell) for one in results.of("ours")]
    assert [len(cells) for cells in held] == [1, 1, 1]
    assert len(set.union(*held)) == 3
    assert not (tmp_path / "out" / "predictions.npz").exists()
    assert "whole cell lines" in (tmp_path / "out" / "report.html").read_text()


def test_all_but_few_profiles_are_held_out(overrides, tmp_path):
    methods = "methods={mean: mean_over_cell, ours: two_way_mean}"
    settings = [*overrides, "split=few", "few=4", methods, "ours=ours", "pairs=[]"]
    experiment, config = load(REDUCED, settings)
    imputed, _ = split_off(config)
    results = experiment.run(config, ResultsFolder(tmp_path / "out"))
    held = results.of("ours")
    assert len(held) == len(config.seeds)
    for one in held:
        lines, counts = np.unique(imputed.cell, return_counts=True)
        assert set(counts - np.bincount(one.cell, minlength=lines[-1] + 1)[lines]) == {4}
    assert not np.array_equal(held[0].drug, held[1].drug)
    assert "leave 4 profiles of every cell line" in (tmp_path / "out" / "report.html").read_text()
    _, config = load(REDUCED, [*settings, "few=99"])
    with pytest.raises(ValueError, match="few was 99, and no cell line has more profiles"):
        experiment.run(config, ResultsFolder(tmp_path / "none"))


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("ours=nobody", "'nobody' is not among methods: mean over cell"),
        ("methods.x={ntk: {random: {dims: 3}}}", "unknown key 'dims'"),
        ("methods.x=dnp", r"method: unknown name 'dnp'; did you mean 'dnpp'"),
        ("methods.x={ntk: {mixd: {}}}", "unknown name 'mixd'; did you mean 'mixed'"),
        ("methods.x={dnpp: {neighbors: 3}}", "unknown key 'neighbors'; did you mean 'neighbours'"),
        ("methods.x={ntk: {imputation: {impute: nothing}}}", "impute: unknown name 'nothing'"),
        ("methods.x={ntk: {imputation: {impute: dnpp, held_out: 1}}}", "held_out was 1"),
    ],
)
def test_mistakes_in_a_configuration(override, message):
    with pytest.raises(ConfigError, match=message):
        load(REDUCED, [override])


def test_one_fold_cannot_be_tested():
    with pytest.raises(ConfigError, match="split=few has one fold of each; pass at least two"):
        load(REDUCED, ["split=few", "seeds=[0]"])


def test_data_without_anything_to_impute(overrides):
    _, config = load(REDUCED, [*overrides, "data.fewest=100"])
    with pytest.raises(ValueError, match="no cell line beside MCF7 has 100 profiles"):
        split_off(config)
    _, config = load(REDUCED, [*overrides, "data.reference=HELA"])
    with pytest.raises(ValueError, match="cell line 'HELA' is not among"):
        split_off(config)
