"""Volumes and videos: on small parts, every method and every kind of mask."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
import yaml

from ntkmc.config import ConfigError
from ntkmc.experiments import load, volumes_methods
from ntkmc.experiments.volumes_methods import across
from ntkmc.results import ResultsFolder

ROOT = Path(__file__).parents[2]
CONFIGS = sorted((ROOT / "configs" / "volumes").glob("*.yaml"))


@pytest.fixture
def videos(tmp_path):
    """A configuration for small videos, without the network, which takes most of the time."""
    part = {"name": "synthetic", "part": [9, 12, 12]}
    config = {
        "experiment": "volumes",
        "cases": {
            "random": {"volume": part, "missing": {"random": 0.5}},
            "slabs": {"volume": part, "missing": {"slabs": {"thickness": 2, "count": 2}}},
            "hole": {"volume": part, "missing": {"moving": {"radius": 2}}},
            "image": {"volume": {**part, "part": [1, 12, 12]}, "missing": {"random": 0.5}},
        },
        "methods": ["linear", "spline", "biharmonic"],
    }
    path = tmp_path / "videos.yaml"
    path.write_text(yaml.safe_dump(config))
    return path


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_the_configurations_are_valid(path):
    experiment, _ = load(path)
    assert experiment.name == "volumes"
    head = path.read_text().split("\nexperiment:")[0]
    assert all(line.startswith("#") for line in head.splitlines() if line)
    assert f"ntkmc run configs/volumes/{path.name}" in head


@pytest.mark.slow
def test_a_run_leaves_everything_behind(data_dir, tmp_path, monkeypatch):
    pytest.importorskip("nibabel")
    monkeypatch.setenv("NTKMC_DATA", str(data_dir))
    experiment, config = load(ROOT / "configs" / "volumes" / "reduced.yaml")
    out = tmp_path / "out"
    made = experiment.run(config, ResultsFolder(out))
    for case, outcomes in made:
        assert [one.method for one in outcomes] == list(config.methods)
        for one in outcomes:
            assert one.values.shape == case.values.shape
            np.testing.assert_array_equal(one.values[case.mask], case.values[case.mask])
            assert one.psnr > 10
            assert 0 < one.ssim <= 1
            assert one.peak_bytes > 1e7
        network = outcomes[0]
        assert set(network.covered) == {0.5, 0.9}
        assert network.covered[0.5] <= network.covered[0.9] <= 1
        with np.load(out / f"{case.name}.npz") as arrays:
            assert arrays["std"].shape == case.values.shape
            assert (arrays["std"][~arrays["mask"]] > 0).all()
            np.testing.assert_array_equal(
                arrays["completed_network"], network.values.astype(np.float32)
            )
        assert (out / f"{case.name}_planes.png").stat().st_size > 0
    columns, rows = experiment.table(made)
    assert columns[:4] == ("case", "method", "PSNR / dB", "SSIM")
    assert [row[0] for row in rows[::5]] == ["ball", "frames"]
    assert rows[0][1] == "CNTK"
    with open(out / "metrics.csv", newline="") as file:
        found = {(row["case"], row["method"], row["metric"]) for row in csv.DictReader(file)}
    assert ("ball", "network", "covered_0.9") in found
    assert ("frames", "slices", "ssim") in found
    summary = json.loads((out / "summary.json").read_text())
    assert summary["cases"]["ball"]["methods"]["network"]["psnr"] == made[0][1][0].psnr
    assert "Student-t" in (out / "report.html").read_text()
    # Without uncertainty it is half the work, and the same otherwise.
    name, case = next(iter(config.cases.items()))
    update = {"uncertainty": False, "methods": ("network",), "cases": {name: case}}
    ((_, (alone,)),) = experiment.run(
        config.model_copy(update=update), ResultsFolder(tmp_path / "without")
    )
    assert alone.result.std is None
    assert alone.covered == {}
    np.testing.assert_array_equal(alone.values, made[0][1][0].values)


def test_methods_without_a_network(videos, monkeypatch):
    monkeypatch.setattr(volumes_methods, "MOST_BIHARMONIC", 500)
    experiment, config = load(videos)
    out = videos.parent / "out"
    made = {case.name: outcomes for case, outcomes in experiment.run(config, ResultsFolder(out))}
    left_out = {(n, o.method) for n, outcomes in made.items() for o in outcomes if o.left_out}
    assert left_out == {("random", "biharmonic"), ("slabs", "biharmonic")}
    for outcomes in made.values():
        assert all(o.left_out or 0 < o.psnr < 60 for o in outcomes)
    assert made["image"][0].values.shape == (12, 12)
    page = (out / "report.html").read_text()
    assert "for 648 missing voxels, too many for its time" in page
    assert (out / "image_planes.png").stat().st_size > 0


def test_slices_have_something_observed():
    mask = np.ones((6, 6, 6), bool)
    mask[:, :, 2] = False
    assert across(mask) == 0
    assert across(np.moveaxis(mask, 2, 0)) == 1


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("cases.random.missing={}", "none set; pass one of random, dropped, slabs, ball, moving"),
        ("cases.hole.missing.random=0.5", "random and moving set; pass one of"),
        ("cases.random.missing.random=1", "random was 1"),
        ("methods=[cubic]", "methods.0 was 'cubic'"),
        ("seeds=0", "unknown key 'seeds'; did you mean 'seed'?"),
    ],
)
def test_a_wrong_configuration_is_refused(videos, override, words):
    with pytest.raises(ConfigError) as refusal:
        load(videos, [override])
    assert words in str(refusal.value)


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("cases.hole.volume.part=[9, 12, 200]", "part was .* pass less"),
        ("cases.image.missing={ball: {radius: 2}}", "only random is for one slice"),
    ],
)
def test_what_does_not_lie_within_a_volume_is_refused_before_the_work(videos, override, words):
    experiment, config = load(videos, [override])
    with (
        pytest.raises(ValueError, match=words),
        ResultsFolder(videos.parent / "out") as folder,
    ):
        experiment.run(config, folder)
    assert not (videos.parent / "out").exists()
