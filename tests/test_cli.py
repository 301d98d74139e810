import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest

from ntkmc.architecture import autoencoder
from ntkmc.cli import main
from ntkmc.images import read_image, write_image

CONFIGS = Path(__file__).parents[1] / "configs"


@pytest.fixture
def run(capsys):
    """Runs the command: ``run("info")`` is its exit code, stdout and stderr."""

    def run(*arguments):
        with pytest.raises(SystemExit) as ended:
            main([str(argument) for argument in arguments])
        printed = capsys.readouterr()
        return ended.value.code, printed.out, printed.err

    return run


@pytest.fixture
def stripes(tmp_path):
    """A grey image file and the mask file of a hole in it."""
    image = np.tile(np.repeat([0.2, 0.7], 4), 3)[None].repeat(20, 0)
    mask = np.ones((20, 24))
    mask[8:12, 9:14] = 0
    write_image(tmp_path / "image.png", image)
    write_image(tmp_path / "mask.png", mask)
    return tmp_path


def refused(answer, words):
    code, out, err = answer
    assert code == 2
    assert out == ""
    assert err.startswith("error: ")
    assert err.count("\n") == 1
    assert words in err


def test_help_does_not_import_what_only_work_needs():
    heavy = "{'jax', 'scipy', 'matplotlib', 'skimage', 'pooch', 'pydantic'}"
    code = (
        "import sys\nfrom ntkmc.cli import main\ntry: main(['--help'])\nexcept SystemExit: pass\n"
        f"print(sorted({heavy} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "demo" in done.stdout
    assert done.stdout.splitlines()[-1] == "[]"


def test_info(run):
    code, out, _ = run("info")
    assert code == 0
    lines = dict(line.split(maxsplit=1) for line in out.splitlines() if not line.startswith("free"))
    assert lines["jax"][0].isdigit()
    assert "cpu" in lines["device"] or "gpu" in lines["device"]


def test_inpaint_fills_in_the_mask_and_keeps_the_rest(run, stripes):
    out = stripes / "new" / "out.png"
    arguments = ("inpaint", stripes / "image.png", "--mask", stripes / "mask.png", "--levels", 2)
    code, printed, err = run(*arguments, "--out", out)
    assert code == 0, err
    assert "20 of 480 pixels filled in" in printed
    image, filled = read_image(stripes / "image.png"), read_image(out)
    observed = read_image(stripes / "mask.png") > 0
    np.testing.assert_array_equal(filled[observed], image[observed])
    assert not (filled[~observed] == 0).any()
    refused(run(*arguments, "--out", out), "exists; pass --force to replace it")
    std = stripes / "new" / "std.png"
    code, printed, err = run(*arguments, "--out", out, "--force", "--report", "--std", std)
    assert code == 0, err
    assert "standard deviations, 0." in printed
    page = out.with_suffix(".html").read_text()
    assert "data:image/png" in page
    assert "90% interval" in page
    deviations = read_image(std)
    assert deviations.dtype == np.uint16
    np.testing.assert_array_equal(deviations > 0, ~observed)
    again = run(*arguments, "--out", stripes / "new" / "other.png", "--std", std)
    refused(again, "std.png exists; pass --force to replace it")


@pytest.mark.parametrize("channels", [2, 4])
def test_inpaint_fills_in_what_is_transparent(run, stripes, channels):
    grey = read_image(stripes / "image.png")
    alpha = np.where(read_image(stripes / "mask.png") > 0, 255, 0).astype(np.uint8)
    alpha[0, 0] = 99  # half transparent is observed, and stays as it is
    write_image(stripes / "image.png", np.dstack([grey] * (channels - 1) + [alpha]))
    code, _, err = run("inpaint", stripes / "image.png", "--out", stripes / "o.png", "--levels", 2)
    assert code == 0, err
    filled = read_image(stripes / "o.png")
    assert filled.shape == (20, 24, channels)
    assert filled[0, 0, -1] == 99
    assert (filled[alpha != 99][:, -1] == 255).all()
    np.testing.assert_array_equal(filled[alpha > 0][:, 0], grey[alpha > 0])


def test_inpaint_chooses_a_network(run, stripes, monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr("ntkmc.selection.standard_candidates", lambda gap: (autoencoder(1),))
    files = (stripes / "image.png", "--mask", stripes / "mask.png")
    out = tmp_path / "auto.png"
    code, _, err = run("inpaint", *files, "--out", out, "--auto", "--report")
    assert code == 0, err
    assert "chosen among" in out.with_suffix(".html").read_text()


def test_inpaint_keeps_sixteen_bits(run, stripes):
    grey = (read_image(stripes / "image.png").astype(np.uint16) << 8) + 7
    write_image(stripes / "image.png", grey)
    arguments = ("inpaint", stripes / "image.png", "--mask", stripes / "mask.png", "--levels", 2)
    assert run(*arguments, "--out", stripes / "o.png")[0] == 0
    filled = read_image(stripes / "o.png")
    assert filled.dtype == np.uint16
    observed = read_image(stripes / "mask.png") > 0
    np.testing.assert_array_equal(filled[observed], grey[observed])


def test_inpaint_refuses_in_one_line(run, stripes):
    image, out = stripes / "image.png", ("--out", stripes / "o.png")
    refused(run("inpaint", stripes / "none.png", *out), "no image at")
    refused(run("inpaint", image, *out), "has no transparent pixels to fill in; pass --mask")
    write_image(stripes / "small.png", np.ones((4, 5)))
    refused(run("inpaint", image, "--mask", stripes / "small.png", *out), "is 5 x 4 pixels and")
    write_image(stripes / "empty.png", np.zeros((20, 24)))
    code, _, err = run("inpaint", image, "--mask", stripes / "empty.png", *out)
    assert code == 2
    assert "nothing is observed" in err
    assert not (stripes / "o.png").exists()


def test_debug_shows_where_an_error_came_from(stripes):
    arguments = ["--debug", "inpaint", str(stripes / "none.png"), "--out", str(stripes / "o.png")]
    with pytest.raises(FileNotFoundError, match="no image at"):
        main(arguments)


def test_demo_refuses_a_wrong_size_before_it_writes(run, tmp_path):
    refused(run("demo", "--size", 64, "--out", tmp_path / "demo"), "size was 64; pass 128 to 512")
    assert not (tmp_path / "demo").exists()


@pytest.mark.parametrize(
    ("config", "overrides", "words"),
    [
        ("cmap/reduced", ["data.path=none.csv"], "no file at none.csv"),
        ("cmap/reduced", ["data.path=few.csv"], "no cell line beside MCF7 has 10 profiles"),
        ("reconstruction/reduced", ["crop=32"], "image 'peppers': not at"),
        ("histology/reduced", ["data.train=none"], "no tiles at"),
        ("kernel_heatmaps/reduced", ["pixel=[1, 900]"], "pixel was (1, 900)"),
        ("inpainting/vase", ["image.mising=0.5"], "unknown key 'image.mising'"),
        ("tables/gdsc_reduced", ["seeds"], "override 'seeds': write key=value"),
    ],
)
def test_a_run_that_is_refused_leaves_no_folder(
    run, tmp_path, monkeypatch, config, overrides, words
):
    (tmp_path / "few.csv").write_text("drug,cell,g\nx,MCF7,1\nx,A375,2\n")
    write_image(tmp_path / "images" / "house.png", np.ones((40, 40)))
    monkeypatch.setenv("NTKMC_DATA", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    before = sorted(tmp_path.rglob("*"))
    path = CONFIGS / f"{config}.yaml"
    for out in ((), ("--out", "new/out")):
        code, printed, err = run("run", path, *overrides, *out)
        assert (code, printed) == (2, "")
        assert words in " ".join(err.split())
        assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.slow
def test_demo(run, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    few = (autoencoder(2), autoencoder(2, upsampling="bilinear"))
    monkeypatch.setattr("ntkmc.selection.standard_candidates", lambda gap: few)
    code, out, err = run("demo", "--size", 128, "--out", tmp_path)
    assert code == 0, err
    assert out.count("CNTK") == out.count("biharmonic") == 2
    for case in ("hole", "half_missing"):
        assert (tmp_path / f"{case}_cntk.png").stat().st_size > 0
        assert (tmp_path / f"{case}_kernel.png").stat().st_size > 0
    assert (tmp_path / "report.html").stat().st_size > 2**17


def test_warnings_are_one_line_each(run, monkeypatch):
    def warns():
        warnings.warn("a first thing\nto know of [x]", stacklevel=1)
        warnings.warn(":sun: another", UserWarning, stacklevel=1)

    monkeypatch.setattr("ntkmc.cli.info.info", warns)
    shown = warnings.showwarning
    assert run("info")[1:] == (
        "",
        "warning: a first thing to know of [x]\nwarning: :sun: another\n",
    )
    assert warnings.showwarning is shown
    with pytest.warns(UserWarning, match="another"), pytest.raises(SystemExit):
        main(["--debug", "info"])
