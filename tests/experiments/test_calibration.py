import csv
import json
from pathlib import Path

import numpy as np
import pytest
import yaml

from ntkmc.cli import main
from ntkmc.config import ConfigError
from ntkmc.experiments import load
from ntkmc.images import write_image

ROOT = Path(__file__).parents[2]
CONFIGS = sorted((ROOT / "configs" / "calibration").glob("*.yaml"))


@pytest.fixture
def small(tmp_path):
    """A data folder with an image, and a configuration for it."""
    rows, columns = np.mgrid[0:40, 0:36] / 40
    noise = 0.05 * np.random.default_rng(0).standard_normal(rows.shape)
    write_image(
        tmp_path / "images" / "waves.png", 0.5 + 0.3 * np.sin(9 * rows + 5 * columns) + noise
    )
    config = {
        "experiment": "calibration",
        "images": ["waves"],
        "root": str(tmp_path),
        "network": {"autoencoder": {"levels": 2}},
        "ridges": [0.0, 0.1],
    }
    path = tmp_path / "small.yaml"
    path.write_text(yaml.safe_dump(config))
    return path


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_the_configurations_are_valid_and_say_what_to_expect(path):
    load(path)
    head = path.read_text().split("\n\n")[0]
    assert all(line.startswith("#") for line in head.splitlines())
    assert f"ntkmc run configs/calibration/{path.name}" in head


@pytest.mark.slow
def test_a_run_leaves_everything_behind(small, capsys):
    out = small.parent / "out"
    with pytest.raises(SystemExit) as ended:
        main(["run", str(small), "--out", str(out)])
    assert ended.value.code == 0
    printed = capsys.readouterr().out
    assert "waves" in printed
    assert "mean" in printed
    with open(out / "metrics.csv") as file:
        rows = list(csv.DictReader(file))
    fitted = [float(row["covered"]) for row in rows if row["intervals"] == "fitted"]
    assert len(rows) == 2 * len(fitted) == 2 * 20
    assert fitted == sorted(fitted)
    summary = json.loads((out / "summary.json").read_text())
    one = summary["images"]["waves"]
    # 720 held-out pixels, and as many to fit the intervals to: two errors of 0.011 (0.019 at 50%).
    assert one["coverage"]["fitted"]["0.9"] == pytest.approx(0.9, abs=0.05)
    assert one["coverage"]["fitted"]["0.5"] == pytest.approx(0.5, abs=0.08)
    assert summary["mean_coverage"]["fitted"]["0.9"] == one["coverage"]["fitted"]["0.9"]
    # Noise that no neighbour tells of: a ridge is found, and errors are of its size.
    assert one["ridge"] == 0.1
    assert 0.05 < one["rmse"] < 0.08
    assert one["mean_std"] == pytest.approx(one["rmse"], rel=0.1)
    for name in ("reliability.png", "waves_uncertainty.png", "report.html", "config.yaml"):
        assert (out / name).stat().st_size > 0


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("images=[]", "images was []"),
        ("ridges=[-1]", "ridges.0 was -1"),
        ("missing=1", "missing was 1"),
        ("ridge=0", "unknown key 'ridge'; did you mean 'ridges'?"),
    ],
)
def test_a_wrong_configuration_is_refused(small, override, words):
    with pytest.raises(ConfigError) as refusal:
        load(small, [override])
    assert words in str(refusal.value)
