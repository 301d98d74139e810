import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import yaml

from ntkmc.cli import main
from ntkmc.config import ConfigError
from ntkmc.experiments import load
from ntkmc.images import read_image, write_image
from ntkmc.metrics import psnr
from ntkmc.results import ResultsFolder

ROOT = Path(__file__).parents[2]
CONFIGS = sorted((ROOT / "configs" / "inpainting").glob("*.yaml"))


@pytest.fixture
def small(tmp_path):
    """A data folder with an image that two levels can fill in, and a configuration for it."""
    rows, columns = np.mgrid[0:24, 0:20] / 24
    mask = np.ones((24, 20))
    mask[10:14, 8:12] = 0
    write_image(tmp_path / "images" / "waves.png", 0.5 + 0.4 * np.sin(5 * rows + 3 * columns))
    write_image(tmp_path / "images" / "waves_mask.png", mask)
    config = {
        "experiment": "inpainting",
        "image": {"name": "waves", "root": str(tmp_path)},
        "network": {"autoencoder": {"levels": 2}},
    }
    (tmp_path / "waves.yaml").write_text(yaml.safe_dump(config))
    return tmp_path


def run(*arguments):
    main(["run", *map(str, arguments)])


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_the_configurations_are_valid_and_say_what_to_expect(path):
    _, config = load(path)
    assert config.image.name == path.stem
    assert config.network["autoencoder"]["levels"] == 6
    assert config.baselines == ("biharmonic",)
    head = path.read_text().split("\n\n")[0]
    assert all(line.startswith("#") for line in head.splitlines())
    assert f"ntkmc run configs/inpainting/{path.name}" in head


def test_a_run_leaves_everything_behind(small, capsys):
    with pytest.raises(SystemExit) as ended:
        run(small / "waves.yaml", "--out", small / "out")
    assert ended.value.code == 0
    printed = capsys.readouterr()
    assert "CNTK" in printed.out
    assert "biharmonic" in printed.out
    assert "kernel" in printed.err
    assert "kernel" not in printed.out
    out = small / "out"
    summary = json.loads((out / "summary.json").read_text())
    case = summary["cases"]["waves"]
    assert case["solve"]["converged"]
    assert summary["seed"] == 0
    truth = read_image(small / "images" / "waves.png") / 255
    filled = read_image(out / "waves_cntk.png") / 255
    # The file is rounded to 8 bits, the score is not.
    assert case["methods"]["CNTK"]["psnr"] == pytest.approx(psnr(truth, filled), abs=0.5)
    rows = (out / "metrics.csv").read_text().splitlines()
    assert rows[0] == "case,method,metric,value"
    assert len(rows) == 1 + 2 * 3
    for name in ("waves_panels.png", "waves_kernel.png", "waves_biharmonic.png", "report.html"):
        assert (out / name).stat().st_size > 0


def test_the_resolved_configuration_runs_again(small):
    with pytest.raises(SystemExit):
        run(
            small / "waves.yaml",
            "seed=4",
            "image.missing=0.5",
            "baselines=[]",
            "--out",
            small / "a",
        )
    resolved = yaml.safe_load((small / "a" / "config.yaml").read_text())
    assert resolved["network"]["autoencoder"]["convs_per_level"] == 2
    assert resolved["prior"] == {"iid_uniform": {"low": 0.0, "high": 0.1}}
    with pytest.raises(SystemExit):
        run(small / "a" / "config.yaml", "--out", small / "b")
    first, second = ((small / x / "waves_cntk.png").read_bytes() for x in "ab")
    assert first == second
    methods = json.loads((small / "a" / "summary.json").read_text())["cases"]["waves"]["methods"]
    assert list(methods) == ["CNTK"]


def test_the_truth_behind_the_mask_is_not_used(small):
    image = read_image(small / "images" / "waves.png")
    with pytest.raises(SystemExit):
        run(small / "waves.yaml", "--out", small / "a")
    image[10:14, 8:12] = 255
    write_image(small / "images" / "waves.png", image)
    with pytest.raises(SystemExit):
        run(small / "waves.yaml", "--out", small / "b")
    for name in ("waves_cntk.png", "waves_biharmonic.png"):
        assert (small / "a" / name).read_bytes() == (small / "b" / name).read_bytes()


def test_an_image_without_a_mask_needs_missing(small, capsys):
    (small / "images" / "waves_mask.png").unlink()
    with pytest.raises(SystemExit) as ended:
        run(small / "waves.yaml", "--out", small / "out")
    assert ended.value.code == 2
    assert "image 'waves' has no mask; set image.missing" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["tiger", "kate"])
def test_a_hole_in_an_image_without_a_mask(small, name):
    """The authors' other images by name: the paper gives no mask for most of them."""
    (small / "images" / "waves.png").rename(small / "images" / f"{name}.png")
    experiment, config = load(
        small / "waves.yaml", [f"image.name={name}", "image.hole=[4, 6]", "baselines=[]"]
    )
    with ResultsFolder(small / "out") as folder:
        [comparison] = experiment.run(config, folder)
    missing = np.argwhere(~comparison.case.mask)
    assert len(missing) == 24
    np.testing.assert_array_equal(missing[[0, -1]], [[10, 7], [13, 12]])
    assert np.isfinite(comparison.completed[0].image).all()


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("experiment=inpaintng", "experiment was 'inpaintng'; did you mean 'inpainting'?"),
        ("solver.rigde=1", "unknown key 'solver.rigde'; did you mean 'ridge'?"),
        ("solver.ridge=-1", "solver.ridge was -1"),
        ("network.autoencoder.level=2", "unknown key 'level'; did you mean 'levels'?"),
        ("prior=iid_unifrom", "unknown name 'iid_unifrom'; did you mean 'iid_uniform'?"),
        ("baselines=[biharmonik]", "pass names among biharmonic"),
        ("dtype=float16", "dtype was 'float16'"),
        ("image.missing=2", "image.missing was 2"),
        ("image={name: a, hole: [4, 4], missing: 0.5}", "missing and hole were both set"),
    ],
)
def test_a_wrong_configuration_is_refused(small, override, words):
    with pytest.raises(ConfigError) as refusal:
        load(small / "waves.yaml", [override])
    assert words in str(refusal.value)
    assert "waves.yaml" in str(refusal.value)


def test_the_script_is_the_command(small):
    script = [sys.executable, str(ROOT / "experiments" / "inpainting.py")]
    done = subprocess.run([*script, str(small / "none.yaml")], capture_output=True, text=True)
    assert done.returncode == 2
    assert "none.yaml: No such file" in done.stderr
