"""The histology experiment: its configurations, and small tiles from end to end."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

from ntkmc.architecture import Dense, GroupConv, GroupPool, LiftingConv, Relu, Sequential
from ntkmc.config import ConfigError
from ntkmc.experiments import load
from ntkmc.experiments.histology import load as load_parts
from ntkmc.experiments.histology_config import with_group
from ntkmc.experiments.histology_report import turn_table
from ntkmc.results import ResultsFolder

CONFIGS = sorted((Path(__file__).parents[2] / "configs" / "histology").glob("*.yaml"))
LAYERS = [
    {"lifting_conv": {"filter_size": 3, "stride": 2}},
    "relu",
    {"group_conv": {"filter_size": 3}},
    "relu",
    "group_pool",
    "global_avg_pool",
    "dense",
]


def stripes(labels, seed):
    """Stripes of periods 2, 4 and 8 in any of four directions, 9 x 9 pixels, and noise."""
    rng = np.random.default_rng(seed)
    rows = np.arange(9)[:, None] * np.ones(9)
    tiles = []
    for label in labels:
        wave = np.sin(2 * np.pi * rows / 2 ** (label + 1) + rng.uniform(0.5, 1.5))
        tile = np.rot90(0.5 + 0.3 * wave, rng.integers(4))
        tiles.append(tile[..., None] + 0.1 * rng.standard_normal((9, 9, 3)))
    return np.clip(tiles, 0, 1)


@pytest.fixture
def small(tmp_path):
    train, test = np.repeat([0, 1, 2], 12), np.repeat([0, 1, 2], 8)
    np.savez(
        tmp_path / "stripes.npz",
        train_x=stripes(train, 0),
        train_y=train,
        test_x=stripes(test, 1),
        test_y=test,
        classes=["fine", "middle", "coarse"],
    )
    config = {
        "experiment": "histology",
        "data": {"name": "stripes", "train": "stripes.npz", "test": "stripes.npz", "size": 9},
        "network": LAYERS,
        "groups": ["C1", "C4"],
        "histogram_bins": 2,
        "dtype": "float64",
        "sizes": [3, 12, 24],
        "seeds": [0, 1],
    }
    config["data"]["root"] = str(tmp_path)
    (tmp_path / "small.yaml").write_text(yaml.safe_dump(config))
    return tmp_path


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_the_configurations_are_valid_and_say_what_to_expect(path):
    experiment, config = load(path)
    assert experiment.name == "histology"
    assert config.groups[0] == "C1"
    head = path.read_text().split("\n\n")[0]
    assert all(line.startswith("#") for line in head.splitlines())
    assert f"ntkmc run configs/histology/{path.name}" in head
    if "colorectal_tiles_32px" in str(config.data.train):
        assert "NCT" not in config.data.name


@pytest.mark.slow
def test_a_run_leaves_everything_behind(small):
    out = small / "out"
    experiment, config = load(small / "small.yaml", [f"checkpoints={small / 'kernels'}"])
    results = experiment.run(config, ResultsFolder(out))
    head, rows = experiment.table(results)
    names = ["CNN NTK", "CNN NNGP", "C4 NTK", "C4 NNGP", "colour histogram"]
    assert [row[0] for row in rows] == [*names, "C4 NTK - CNN", "C4 NNGP - CNN"]
    assert all(len(row) == len(head) for row in rows)

    # Stripes are told apart by networks; an eighth of colours does not know how wide they are.
    last = {one.name: results.accuracy(one)[-1] for one in results.outcomes}
    assert last["C4 NTK"].mean > 0.8
    assert last["C4 NTK"].mean > last["colour histogram"].mean
    # A turn changes nothing for what is invariant, and something for what is not.
    for one in results.outcomes:
        invariant = one.method != "CNN"
        assert (one.changed == 0).all() == invariant, one.name
        assert (one.score_change < 1e-8).all() == invariant, one.name
    assert [row[3] for row in turn_table(results)[1]][2:] == ["0.0%"] * 3

    metrics = pd.read_csv(out / "metrics.csv")
    assert len(metrics) == 5 * 2 * 3
    of_one = metrics[(metrics.method == "C4") & (metrics.kernel == "ntk")]
    summary = json.loads((out / "summary.json").read_text())
    for size, at in zip(config.sizes, summary["accuracy"]["C4 NTK"], strict=True):
        values = of_one[of_one.training_tiles == size].accuracy
        assert at["mean"] == pytest.approx(values.mean())
        assert at["low"] <= at["mean"] <= at["high"]
    plain = metrics[(metrics.method == "CNN") & (metrics.kernel == "ntk")]
    difference = of_one.accuracy.to_numpy() - plain.accuracy.to_numpy()
    assert summary["difference_to_plain"]["C4 NTK"][-1]["mean"] == pytest.approx(
        difference.reshape(2, 3).mean(axis=0)[-1]
    )
    confusion = np.array(summary["confusion"]["C4 NTK"])
    assert np.diagonal(confusion).mean() == pytest.approx(last["C4 NTK"].mean)
    np.testing.assert_allclose(confusion.sum(axis=1), 1)
    for figure in ("tiles", "accuracy", "difference", "confusion", "turned"):
        assert (out / f"{figure}.png").stat().st_size > 0
    assert "stripes" in (out / "report.html").read_text()


@pytest.mark.slow
def test_the_data_sets_own_folders(data_dir, tmp_path):
    """NCT-CRC-HE-100K and CRC-VAL-HE-7K by their configuration, with the few tiles that are there.

    The validation folder lacks a class of the training folder, whose row of confusions is empty.
    """
    path = next(path for path in CONFIGS if path.stem == "nct_crc_he")
    network = ["lifting_conv: {filter_size: 5, stride: 3}", "relu", "group_pool"]
    overrides = [
        f"data.root={data_dir}/histology",
        f"network=[{', '.join(f'{{{layer}}}' if ':' in layer else layer for layer in network)}, "
        "global_avg_pool, dense]",
        "groups=[C1, C2]",
        "kinds=[ntk]",
        "ridge.ntk=0.01",
        "sizes=[9]",
        "seeds=[0, 1]",
    ]
    experiment, config = load(path, overrides)
    results = experiment.run(config, ResultsFolder(tmp_path / "out"))
    assert len(results.train.classes) == len(results.test.classes) == 9
    confusion = results.confusion(results.of("C2", "ntk"))
    missing = results.train.classes.index("BACK")
    np.testing.assert_allclose(confusion.sum(axis=1), np.arange(9) != missing)
    # One tile of each class, and all of them: the seeds have the same training set.
    first, second = results.of("C2", "ntk").predicted[:, 0]
    np.testing.assert_array_equal(first, second)


def test_the_group_is_replaced_everywhere():
    network = Sequential(
        [LiftingConv(3), Relu(), GroupConv(3, padding="same"), Relu(), GroupPool(), Dense()]
    )
    replaced = with_group(network, "D2")
    assert [layer.group for layer in replaced if hasattr(layer, "group")] == ["D2", "D2"]
    assert replaced[2].padding == "same"
    assert replaced[5] == Dense()


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("groups=[C2, C4]", "groups was ['C2', 'C4']; pass C1, the plain network, first"),
        ("groups=[C1, C8]", "groups.1 was 'C8': pass one of C1, C2, C4"),
        ("groups=[C1, C4, C4]", "groups was ['C1', 'C4', 'C4']; pass each once"),
        ("sizes=[12, 3]", "sizes was [12, 3]; pass the smallest first"),
        ("sizes=[]", "sizes was []"),
        ("seeds=[0]", "seeds was [0]"),
        ("kinds=[cntk]", "kinds.0 was 'cntk'"),
        ("dtype=float16", "dtype was 'float16'"),
        ("ridge.ntk=-1", "ridge.ntk"),
        ("size=9", "unknown key 'size'; did you mean 'sizes'"),
        ("data.size=10", "stride 2 with padding VALID does not treat both ends of a side of 10"),
        ("network=[conv: {filter_size: 3}, flatten, dense]", "the network has no lifting_conv"),
        ("network=[lifting_conv: {filter_size: 3}, group_pool]", "the network ends in pixels"),
        (
            "network={parallel: {branches: [[conv: {filter_size: 3}, flatten]]}}",
            "the network has branches; pass a list of layers",
        ),
    ],
)
def test_a_wrong_configuration_is_refused(small, override, words):
    with pytest.raises(ConfigError) as refusal:
        load(small / "small.yaml", [override])
    assert words in str(refusal.value)


def test_tiles_that_are_put_aside(small):
    """As many of each class, none of which is trained on, and all others."""
    _, config = load(small / "small.yaml", ["data.test=null", "data.test_per_class=4"])
    train, test = load_parts(config)
    assert len(train) == 24
    np.testing.assert_array_equal(np.bincount(test.labels), [4] * 3)
    tiles = {tile.tobytes() for part in (train, test) for tile in part.images}
    assert len(tiles) == 36
    _, config = load(small / "small.yaml", ["data.test=null", "data.test_per_class=12"])
    with pytest.raises(ValueError, match=r"data.test_per_class was 12, and there are 12 tiles"):
        load_parts(config)
    with pytest.raises(ConfigError, match="test was null; pass test_per_class"):
        load(small / "small.yaml", ["data.test=null"])


def test_training_sets_that_cannot_be_had(small):
    for override, words in (
        ("sizes=[3, 37]", r"sizes was \[3, 37\], and there are 36 training tiles; pass no more"),
        ("data.train_per_class=2", r"and there are 6 training tiles"),
        ("sizes=[2, 12]", r"sizes was \[2, 12\], and there are 3 classes; pass at least one tile"),
    ):
        _, config = load(small / "small.yaml", [override])
        with pytest.raises(ValueError, match=words):
            load_parts(config)
