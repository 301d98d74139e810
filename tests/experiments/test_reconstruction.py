"""The experiment of SI Fig. 10, on parts of two images."""

import csv
import importlib
import json
from pathlib import Path

import numpy as np
import pytest

from ntkmc import autoencoder
from ntkmc.experiments import load
from ntkmc.results import ResultsFolder

ROOT = Path(__file__).parents[2]
CONFIGS = sorted((ROOT / "configs" / "reconstruction").glob("*.yaml"))


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_the_configurations_are_valid(path):
    experiment, _ = load(path)
    assert experiment.name == "reconstruction"
    assert f"ntkmc run configs/reconstruction/{path.name}" in path.read_text()


@pytest.mark.slow
def test_a_run_leaves_everything_behind(data_dir, tmp_path, monkeypatch):
    monkeypatch.setenv("NTKMC_DATA", str(data_dir))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    few = (autoencoder(2), autoencoder(2, upsampling="bilinear"))
    monkeypatch.setattr("ntkmc.inpainting.selection.standard_candidates", lambda gap, axes: few)
    path = ROOT / "configs" / "reconstruction" / "reduced.yaml"
    experiment, config = load(path, ["images.peppers.network.autoencoder.levels=2", "crop=48"])
    with pytest.warns(UserWarning, match="EigenPro stopped"):
        outcome = experiment.run(config, ResultsFolder(tmp_path / "out"))
    _, outcomes = outcome
    psnr = {(o.image, o.done.method): o.done.psnr for o in outcomes}
    assert len(psnr) == 2 * 4
    for name in ("house", "peppers"):
        # The data choose, of networks and a margin, what is better than the one that is given.
        assert psnr[name, "auto"] > psnr[name, "paper_network"] > 20
        # EigenPro is on its way to the exact solution.
        assert psnr[name, "eigenpro"] == pytest.approx(psnr[name, "paper_network"], abs=0.5)
    columns, rows = experiment.table(outcome)
    assert columns[1:] == (*config.methods, "paper: CNTK", "paper: biharmonic")
    assert [row[0] for row in rows] == ["house", "peppers", "average", "seconds"]
    assert rows[2][5] == "34.17 / 0.929"  # (36.10 + 32.25) / 2, (0.936 + 0.922) / 2
    summary = json.loads((tmp_path / "out" / "summary.json").read_text())
    mean = np.mean([psnr["house", "auto"], psnr["peppers", "auto"]])
    assert summary["average"]["auto"]["psnr"] == pytest.approx(mean)
    with open(tmp_path / "out" / "metrics.csv", newline="") as file:
        found = {(row["case"], row["method"], row["metric"]) for row in csv.DictReader(file)}
    assert ("house", "auto", "iterations") in found
    assert ("peppers", "biharmonic", "ssim") in found
    report = (tmp_path / "out" / "report.html").read_text()
    assert "observed pixels held out" in report
    assert (tmp_path / "out" / "house_panels.png").stat().st_size > 0


def test_photographs_need_no_data_folder(tmp_path, monkeypatch):
    monkeypatch.delenv("NTKMC_DATA", raising=False)
    path = ROOT / "configs" / "reconstruction" / "photographs.yaml"
    experiment, config = load(path, ["crop=32", "methods=[biharmonic]"])
    outcome = experiment.run(config, ResultsFolder(tmp_path / "out"))
    columns, rows = experiment.table(outcome)
    assert columns == ("image", "biharmonic")
    assert [row[0] for row in rows[:4]] == ["chelsea", "coffee", "astronaut", "rocket"]
    assert all(o.done.image.shape == (32, 32, 3) and o.done.psnr > 20 for o in outcome[1])


@pytest.mark.slow
def test_deep_image_prior_is_a_method(data_dir, tmp_path, monkeypatch):
    monkeypatch.setenv("NTKMC_DATA", str(data_dir))
    dip = importlib.import_module("ntkmc.finite.deep_image_prior")
    monkeypatch.setattr(dip, "SCALES", 2)
    monkeypatch.setattr(dip, "WIDTH", 8)
    path = ROOT / "configs" / "reconstruction" / "reduced_deep_image_prior.yaml"
    experiment, config = load(path, ["crop=32", "steps=60"])
    outcome = experiment.run(config, ResultsFolder(tmp_path / "out"))
    columns, rows = experiment.table(outcome)
    assert columns == ("image", "deep_image_prior", "biharmonic", "paper: deep image prior")
    assert rows[0][3] == "39.16"  # the paper has no SSIM
    trained, _ = outcome[1]
    assert trained.iterations == 60
    assert trained.done.psnr > 18  # on its way


def test_a_part_larger_than_the_image_is_refused(data_dir, tmp_path, monkeypatch):
    monkeypatch.setenv("NTKMC_DATA", str(data_dir))
    experiment, config = load(CONFIGS[0], ["crop=1000", "methods=[biharmonic]"])
    with (
        pytest.raises(ValueError, match="crop was 1000, and an image is"),
        ResultsFolder(tmp_path / "out") as folder,
    ):
        experiment.run(config, folder)
    assert not (tmp_path / "out").exists()
