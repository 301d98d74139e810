import csv
import json
from pathlib import Path

import numpy as np
import pytest
import yaml

from ntkmc.cli import main
from ntkmc.config import ConfigError
from ntkmc.experiments import load
from ntkmc.experiments.kernel_convergence import fit
from ntkmc.results import ResultsFolder

ROOT = Path(__file__).parents[2]
CONFIGS = sorted((ROOT / "configs" / "kernel_convergence").glob("*.yaml"))
WIDTHS = (16, 32, 64, 128)


@pytest.fixture
def small(tmp_path):
    config = {
        "experiment": "kernel_convergence",
        "network": {"autoencoder": {"levels": 1}},
        "shape": [4, 4],
        "widths": [8, 32],
        "draws": 8,
        "group": 4,
        "resamples": 100,
    }
    path = tmp_path / "small.yaml"
    path.write_text(yaml.safe_dump(config))
    return path


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_the_configurations_are_valid_and_say_what_to_expect(path):
    load(path)
    head = path.read_text().split("\n\n")[0]
    assert all(line.startswith("#") for line in head.splitlines())
    assert f"ntkmc run configs/kernel_convergence/{path.name}" in head


@pytest.mark.slow
def test_a_run_leaves_everything_behind(small, capsys):
    out = small.parent / "out"
    with pytest.raises(SystemExit) as ended:
        main(["run", str(small), "--out", str(out)])
    assert ended.value.code == 0
    printed = capsys.readouterr()
    assert "mean of 4" in printed.out
    assert "slope" in printed.out
    with open(out / "metrics.csv") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 2 * 2 * 2
    assert all(float(r["low"]) <= float(r["relative_error"]) <= float(r["high"]) for r in rows)
    slopes = json.loads((out / "summary.json").read_text())["slopes"]
    assert set(slopes) == {"ntk one draw", "ntk mean of 4", "nngp one draw", "nngp mean of 4"}
    for name in ("convergence.png", "report.html", "config.yaml"):
        assert (out / name).stat().st_size > 0


def test_a_network_of_images(tmp_path):
    """Errors against the Gram matrix of random images, which fall with the width."""
    layers = [{"lifting_conv": {"filter_size": 3, "group": "C2"}}, "relu", "group_pool", "flatten"]
    config = {
        "experiment": "kernel_convergence",
        "network": [*layers, "dense"],
        "shape": [4, 4],
        "images": {"count": 2, "channels": 1},
        "kinds": ["ntk"],
        "widths": [8, 128],
        "draws": 40,
        "group": 20,
        "resamples": 100,
    }
    path = tmp_path / "images.yaml"
    path.write_text(yaml.safe_dump(config))
    experiment, checked = load(path)
    convergence = experiment.run(checked, ResultsFolder(tmp_path / "out"))
    single, mean = convergence.errors
    assert mean.group == 20
    # 16 times the width: a quarter of the error of one draw, which 40 draws know to about 20%.
    assert 2.5 < single.values[0] / single.values[1] < 6
    assert mean.values[1] < 0.1
    assert (tmp_path / "out" / "report.html").stat().st_size > 0
    for override, words in (
        ("images=null", "the network ends in channels alone, and images was None; pass images"),
        ("network=[conv: {filter_size: 3}]", "the network ends in pixels, and images was"),
    ):
        with pytest.raises(ConfigError, match=words):
            load(path, [override])


def test_slope_and_its_interval_of_errors_that_are_known():
    """Squared errors exponential with mean 1 / width: slope -1/2, in 95 of 100 intervals."""
    rng = np.random.default_rng(0)
    covered, slopes = 0, []
    for trial in range(100):
        squares = [rng.exponential(1 / width, 50) for width in WIDTHS]
        error = fit("ntk", 1, WIDTHS, squares, 400, 0.95, seed=trial)
        covered += error.slope_interval[0] < -0.5 < error.slope_interval[1]
        slopes.append(error.slope)
        assert (error.intervals[:, 0] < error.values).all()
        assert (error.values < error.intervals[:, 1]).all()
    assert np.mean(slopes) == pytest.approx(-0.5, abs=0.03)
    assert covered >= 85


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("draws=9", "draws was 9; pass a multiple of group, 4"),
        ("widths=[8]", "widths was [8]"),
        ("kinds=[cntk]", "kinds.0 was 'cntk'"),
        ("groups=2", "unknown key 'groups'; did you mean 'group'?"),
    ],
)
def test_a_wrong_configuration_is_refused(small, override, words):
    with pytest.raises(ConfigError) as refusal:
        load(small, [override])
    assert words in str(refusal.value)
