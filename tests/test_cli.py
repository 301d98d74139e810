import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
from commands import refused
from PIL import Image

from ntkmc.architecture import autoencoder
from ntkmc.cli import main
from ntkmc.images import read_image, write_image

CONFIGS = Path(__file__).parents[1] / "configs"


@pytest.fixture
def stripes(tmp_path):
    """A grey image file and the mask file of a hole in it."""
    image = np.tile(np.repeat([0.2, 0.7], 4), 3)[None].repeat(20, 0)
    mask = np.ones((20, 24))
    mask[8:12, 9:14] = 0
    write_image(tmp_path / "image.png", image)
    write_image(tmp_path / "mask.png", mask)
    return tmp_path


HELP = "from ntkmc.cli import main\ntry: main(['--help'])\nexcept SystemExit: pass"
IMAGES = {"skimage", "pooch", "tifffile"}
TRAINING = {"flax", "optax", "orbax"}


@pytest.mark.parametrize(
    ("code", "heavy"),
    [
        (HELP, {"jax", "scipy", "matplotlib", "pydantic"} | IMAGES | TRAINING),
        ("import ntkmc.cli.complete", {"pydantic", "matplotlib.pyplot"} | IMAGES | TRAINING),
        ("import ntkmc.cli.inpaint", {"pandas", "sklearn", "matplotlib.pyplot"} | TRAINING),
    ],
)
def test_does_not_import_what_only_others_need(code, heavy):
    code = f"import sys\n{code}\nprint(sorted({heavy} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"
    assert ("demo" in done.stdout) == ("--help" in code)


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


def filled_in(run, stripes, name, out, *more):
    """What the command makes of a file with the mask of the stripes."""
    mask = () if "--no-mask" in more else ("--mask", stripes / "mask.png")
    options = (*mask, *(option for option in more if option != "--no-mask"), "--levels", 2)
    code, _, err = run("inpaint", stripes / name, "--out", stripes / out, *options)
    assert code == 0, err
    return read_image(stripes / out)


@pytest.mark.parametrize(
    ("dtype", "factor", "offset"),
    [
        ("float32", 1.0, 0.0),
        ("float32", 40.0, 273.15),
        ("float64", 1e-5, 0.0),
        ("int16", 900, -300),
    ],
)
def test_inpaint_takes_rasters_in_any_unit(run, stripes, dtype, factor, offset):
    """A TIFF comes back as it was, of its type; the hole is as it is in the photograph."""
    photograph = read_image(stripes / "image.png") / 255
    raster = (factor * photograph + offset).astype(dtype)
    write_image(stripes / "raster.tif", raster)
    observed = read_image(stripes / "mask.png") > 0
    filled = filled_in(run, stripes, "raster.tif", "o.tif", "--std", stripes / "s.tif", "--report")
    assert filled.dtype == dtype
    np.testing.assert_array_equal(filled[observed], raster[observed])
    plain = filled_in(run, stripes, "image.png", "o.png", "--std", stripes / "s.png") / 255
    error = (filled.astype(float) - offset) / factor - plain
    assert abs(error).max() < 0.005  # a rounding of the photograph and of integers
    std, plain_std = read_image(stripes / "s.tif"), read_image(stripes / "s.png") / 65535
    assert std.dtype == np.float32
    np.testing.assert_allclose(std[~observed] / factor, plain_std[~observed], rtol=0.01)
    assert not std[observed].any()
    assert (stripes / "o.html").exists()


def test_inpaint_fills_in_what_is_nan(run, stripes):
    photograph, hole = (
        read_image(stripes / "image.png") / 255,
        read_image(stripes / "mask.png") == 0,
    )
    write_image(stripes / "raster.tif", np.where(hole, np.nan, 10 * photograph))
    filled = filled_in(run, stripes, "raster.tif", "o.tif", "--no-mask")
    assert np.isfinite(filled).all()
    np.testing.assert_allclose(filled[hole], 10 * photograph[hole], atol=1.5)
    # With a mask, NaN elsewhere is not observed, and stays.
    holed = np.where(hole, 1e6, 10 * photograph)
    holed[:2] = np.nan
    write_image(stripes / "raster.tif", holed)
    filled = filled_in(run, stripes, "raster.tif", "p.tif", "--report")
    assert np.isnan(filled[:2]).all()
    np.testing.assert_allclose(filled[hole], 10 * photograph[hole], atol=1.5)
    np.testing.assert_array_equal(filled[2:][~hole[2:]], holed[2:][~hole[2:]])


def test_inpaint_writes_floats_as_integers_where_they_are_in_range(run, stripes):
    photograph = read_image(stripes / "image.png") / 255
    write_image(stripes / "grey.tif", photograph.astype(np.float32))
    write_image(stripes / "colour.tif", np.dstack([photograph] * 3).astype(np.float32))
    assert filled_in(run, stripes, "grey.tif", "grey.png").dtype == np.uint16
    filled = filled_in(run, stripes, "colour.tif", "colour.png")
    assert filled.dtype == np.uint8
    assert abs(filled / 255 - photograph[..., None]).mean() < 0.02


@pytest.mark.parametrize("white", [1, 255])
def test_inpaint_takes_masks_of_floats(run, stripes, white):
    mask = read_image(stripes / "mask.png") > 0
    write_image(stripes / "mask.tif", (white * mask).astype(np.float32))
    filled = filled_in(
        run, stripes, "image.png", "o.png", "--no-mask", "--mask", stripes / "mask.tif"
    )
    np.testing.assert_array_equal(filled, filled_in(run, stripes, "image.png", "p.png"))


@pytest.mark.parametrize("channels", [2, 4])
def test_inpaint_leaves_opaque_images_opaque_and_colours_under_alpha_out(run, stripes, channels):
    grey, hole = read_image(stripes / "image.png"), read_image(stripes / "mask.png") == 0

    def written(name, colour, alpha):
        write_image(stripes / name, np.dstack([*[colour] * (channels - 1), alpha]))

    written("a.png", grey, np.full_like(grey, 255))
    filled = filled_in(run, stripes, "a.png", "b.png")
    assert (filled[..., -1] == 255).all()
    np.testing.assert_array_equal(filled[..., 0], filled_in(run, stripes, "image.png", "o.png"))
    # What is beneath transparent pixels, black here and white there, does not matter, and stays.
    alpha = np.full_like(grey, 255)
    alpha[9:11, 6:10] = 0  # beside the hole, and within
    for name, beneath in (("black", 0), ("white", 255)):
        written(f"{name}.png", np.where(alpha == 0, beneath, grey), alpha)
        filled = filled_in(run, stripes, f"{name}.png", f"{name}_filled.png")
        np.testing.assert_array_equal(filled[..., -1], np.where(hole, 255, alpha))
        assert (filled[..., 0][~hole & (alpha == 0)] == beneath).all()
    black, white = (read_image(stripes / f"{name}_filled.png") for name in ("black", "white"))
    np.testing.assert_array_equal(black[hole], white[hole])


def test_inpaint_sees_a_colour_that_stands_for_transparent(run, stripes):
    grey, hole = read_image(stripes / "image.png"), read_image(stripes / "mask.png") == 0
    colour = np.dstack([np.where(hole, 3, grey)] * 3)
    Image.fromarray(colour).save(stripes / "colour.png", transparency=(3, 3, 3))
    Image.fromarray(colour[..., 0]).save(stripes / "grey.png", transparency=3)
    for name, channels in (("colour", 4), ("grey", 2)):
        filled = filled_in(run, stripes, f"{name}.png", f"{name}_filled.png", "--no-mask")
        assert filled.shape[2] == channels
        assert (filled[..., -1] == 255).all()
        assert (filled[hole][:, 0] > 30).all()


def test_inpaint_refuses_files_before_the_work(run, stripes, monkeypatch):
    def no_work(*arguments, **options):
        raise AssertionError("the work began")

    monkeypatch.setattr("ntkmc.cli.inpaint.solve", no_work)
    photograph = read_image(stripes / "image.png")
    write_image(stripes / "heights.tif", 3000 * (photograph / 255).astype(np.float32))
    write_image(stripes / "shorts.tif", photograph.astype(np.int16))
    write_image(stripes / "deep.png", photograph.astype(np.uint16) * 257)
    write_image(stripes / "alpha.png", np.dstack([photograph] * 4))
    for name, out, words in (
        ("heights.tif", "o.png", "hold values from 0 to 1, and those of"),
        ("heights.tif", "o.jpg", "go from 600 to 2094.12; pass a name that ends in .tif"),
        ("shorts.tif", "o.png", "does not hold greys of type int16; pass a name that ends in .tif"),
        ("deep.png", "o.webp", "does not hold greys of type uint16; pass a name that ends in .png"),
        ("deep.png", "o.jpeg", "does not hold greys of type uint16"),
        ("alpha.png", "o.jpg", "does not hold RGB with alpha of type uint8"),
        ("image.png", "o.what", "o.what cannot be written: .what does not hold"),
        ("image.png", "o", "a name without ending does not hold"),
    ):
        mask = ("--mask", stripes / "mask.png")
        refused(run("inpaint", stripes / name, *mask, "--out", stripes / out), words)
        assert not (stripes / out).exists()
    image = ("inpaint", stripes / "image.png", "--mask", stripes / "mask.png")
    out = ("--out", stripes / "o.png")
    for std, words in (
        ("s.jpg", "s.jpg cannot be written: .jpg does not hold greys of type uint16"),
        ("s", "a name without ending"),
        ("o.png", "--out and --std would both write"),
        ("../" + stripes.name + "/o.png", "--out and --std would both write"),
    ):
        refused(run(*image, *out, "--std", stripes / std, "--force"), words)
    refused(
        run(*image, *out, "--std", stripes / "o.html", "--report"), "--std and --report would both"
    )
    heights = ("inpaint", stripes / "heights.tif", *image[2:], "--out", stripes / "o.tif")
    refused(run(*heights, "--std", stripes / "s.png"), "hold values from 0 to 1, and those of")


@pytest.mark.slow
def test_inpaint_chooses_a_network(run, stripes, monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(
        "ntkmc.inpainting.selection.standard_candidates", lambda gap, axes: (autoencoder(1),)
    )
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
    write_image(stripes / "full.png", np.ones((20, 24)))
    refused(run("inpaint", image, "--mask", stripes / "full.png", *out), "full.png is white")
    write_image(stripes / "floats.tif", np.ones((20, 24)))
    refused(run("inpaint", stripes / "floats.tif", *out), "has no pixels that are NaN to fill in")
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
    monkeypatch.setattr("ntkmc.inpainting.selection.standard_candidates", lambda gap, axes: few)
    monkeypatch.setattr("ntkmc.inpainting.rehearsal.OTHERS", {})
    monkeypatch.setattr("ntkmc.inpainting.regression.TOGETHER", 0)
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
