import json
from pathlib import Path

import numpy as np
import pytest
import yaml

from ntkmc.cli import main
from ntkmc.experiments import load
from ntkmc.experiments.finite_width import shrunk
from ntkmc.images import write_image

ROOT = Path(__file__).parents[2]
CONFIGS = sorted((ROOT / "configs" / "finite_width").glob("*.yaml"))


@pytest.fixture
def small(tmp_path):
    """Sides that are no multiple of what the network needs, shrunk or not."""
    rows, columns = np.mgrid[0:43, 0:37] / 43
    mask = np.ones((43, 37))
    mask[20:27, 16:24] = 0
    write_image(tmp_path / "images" / "waves.png", 0.5 + 0.4 * np.sin(5 * rows + 3 * columns))
    write_image(tmp_path / "images" / "waves_mask.png", mask)
    config = {
        "experiment": "finite_width",
        "image": {"name": "waves", "root": str(tmp_path)},
        "shrink": 2,
        "network": {"autoencoder": {"levels": 1}},
        "training": {"width": 8, "feature_channels": 4, "steps": 12},
        "paper": {"network": 31.51},
    }
    (tmp_path / "waves.yaml").write_text(yaml.safe_dump(config))
    return tmp_path


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_the_configurations_are_valid_and_say_what_to_expect(path):
    _, config = load(path)
    assert path.stem.startswith(config.image.name)
    head = path.read_text().split("\n\n")[0]
    assert all(line.startswith("#") for line in head.splitlines())
    assert f"ntkmc run configs/finite_width/{path.name}" in head
    if "reduced" not in path.stem:
        assert config.network["autoencoder"]["levels"] == 6
        assert config.seed == 15


@pytest.mark.slow
def test_a_run_leaves_everything_behind(small, capsys):
    out, states = small / "out", small / "states"
    arguments = ["run", str(small / "waves.yaml"), f"training.checkpoints={states}"]
    with pytest.raises(SystemExit) as ended:
        main([*arguments, "--out", str(out)])
    assert ended.value.code == 0
    printed = capsys.readouterr().out
    assert "31.51" in printed
    summary = json.loads((out / "summary.json").read_text())
    methods = summary["cases"]["waves"]["methods"]
    assert list(methods) == ["CNTK", "network", "network_held_out", "biharmonic"]
    assert summary["paper"] == {"network": 31.51}
    for method in ("network", "network_held_out"):
        assert (out / f"waves_{method}_training.png").stat().st_size > 0
    # it goes on from what is there
    with pytest.raises(SystemExit):
        main([*arguments, "training.steps=14", "--out", str(small / "more")])
    again = json.loads((small / "more" / "summary.json").read_text())["cases"]["waves"]["methods"]
    assert again["network"]["psnr"] >= methods["network"]["psnr"]


def test_shrinking_takes_means_and_keeps_what_is_wholly_observed():
    image = np.arange(30.0).reshape(5, 6)
    mask = np.ones((5, 6), bool)
    mask[0, 3] = False
    small, observed = shrunk(image, mask, 2)
    np.testing.assert_allclose(small, [[3.5, 5.5, 7.5], [15.5, 17.5, 19.5]])
    np.testing.assert_array_equal(observed, [[True, False, True], [True, True, True]])
    np.testing.assert_array_equal(shrunk(image, mask, 1)[0], image)
