"""The experiments of figure 4: heat maps, and half an image from the identity prior."""

import json
from pathlib import Path

import numpy as np
import pytest

from ntkmc import priors
from ntkmc.architecture import autoencoder
from ntkmc.experiments import load
from ntkmc.experiments.identity_prior import correlations
from ntkmc.experiments.kernel_heatmaps import level_set, nearby_share
from ntkmc.images import write_image
from ntkmc.kernels import GridKernel
from ntkmc.results import ResultsFolder

ROOT = Path(__file__).parents[2]
CONFIGS = [
    path
    for name in ("kernel_heatmaps", "identity_prior")
    for path in sorted((ROOT / "configs" / name).glob("*.yaml"))
]


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_the_configurations_are_valid(path):
    experiment, _ = load(path)
    assert experiment.name == path.parent.name
    assert f"ntkmc run configs/{path.parent.name}/{path.name}" in path.read_text()


@pytest.mark.slow
def test_heat_maps(tmp_path):
    overrides = ["side=16", "pixel=[12, 2]", "levels=[1, 2, 3]", "balls.levels=2"]
    experiment, config = load(
        ROOT / "configs" / "kernel_heatmaps" / "reduced.yaml", [*overrides, "balls.pixel=[8, 8]"]
    )
    made = experiment.run(config, ResultsFolder(tmp_path / "out"))
    share = {(one.prior, one.levels): one.nearby for one in made}
    # The paper's point: only the uniform prior fills in from around the pixel.
    for levels in (1, 2):
        assert share["uniform", levels] > 2 * share["identity", levels]
        assert share["uniform", levels] > 2 * share["meshgrid", levels]
    columns, rows = experiment.table(made)
    assert len(columns) == 1 + 3
    assert [row[0] for row in rows] == ["uniform", "identity", "meshgrid"]
    summary = json.loads((tmp_path / "out" / "summary.json").read_text())
    assert summary["nearby"]["uniform, 1"] == pytest.approx(share["uniform", 1])
    for name in ("heat_maps.png", "balls.png", "report.html", "metrics.csv", "config.yaml"):
        assert (tmp_path / "out" / name).stat().st_size > 0


def test_a_pixel_outside_is_refused(tmp_path):
    path = ROOT / "configs" / "kernel_heatmaps" / "figure4.yaml"
    experiment, config = load(path, ["side=64"])
    with pytest.raises(ValueError, match=r"pixel was \(104, 14\)"):
        experiment.run(config, ResultsFolder(tmp_path / "out"))


def test_what_is_nearby_and_what_a_level_set_is():
    flat = np.ones((64, 64))
    flat[40, 40] = 0
    assert nearby_share(flat, (2, 3)) == pytest.approx(np.pi / 64, rel=0.05)
    peak = np.zeros((64, 64))
    peak[63, 1] = 1  # across the edge
    assert nearby_share(peak, (1, 3)) == 1
    row = np.arange(16.0).reshape(4, 4)
    assert (level_set(row, 0.75) > 0).sum() == 4  # 12 to 15, of 15


def test_identity_prior_makes_pixels_half_a_side_apart_the_same():
    """Whatever the weights: so their kernels with any other pixel are equal."""
    kernel = GridKernel.build(autoencoder(2), priors.identity((16, 16)))
    row = np.asarray(kernel.row((3, 5)))
    np.testing.assert_allclose(row, np.roll(row, (8, 8), axis=(0, 1)), rtol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("training", ["training=null", "training.steps=150"])
def test_identity_prior_copies_the_other_half(tmp_path, training):
    rng = np.random.default_rng(0)
    write_image(tmp_path / "images" / "noise.png", rng.uniform(0.2, 0.8, (16, 16)))
    overrides = ["image=noise", f"root={tmp_path}", "side=16", "levels=3", "training.width=32"]
    if training == "training=null":
        overrides = overrides[:-1]
    experiment, config = load(
        ROOT / "configs" / "identity_prior" / "reduced.yaml", [*overrides, training]
    )
    halves = experiment.run(config, ResultsFolder(tmp_path / "out"))
    assert halves[0].translation > 0.999
    assert abs(halves[0].truth) < 0.3
    assert len(halves) == (1 if training == "training=null" else 2)
    assert all(half.translation > 0.9 for half in halves)
    assert len(experiment.table(halves)[1]) == len(halves)
    assert (tmp_path / "out" / "report.html").stat().st_size > 0


def test_correlations():
    rng = np.random.default_rng(1)
    image = rng.uniform(size=(8, 8, 1))
    mask = np.ones((8, 8), bool)
    mask[:, 4:] = False
    moved = np.where(mask[..., None], image, np.roll(image, (4, 4), axis=(0, 1)))
    assert correlations(image, mask, moved)[0] == pytest.approx(1)
    assert correlations(image, mask, image)[1] == pytest.approx(1)
