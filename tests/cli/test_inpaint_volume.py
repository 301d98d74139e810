"""``ntkmc inpaint`` of volumes: what is missing is filled in, the rest comes back as it was."""

import nibabel as nib
import numpy as np
import pytest
from commands import refused
from volumes.slices import PATIENT, series

from ntkmc import InpaintResult, PeriodicKernel, read_volume, write_volume
from ntkmc.architecture import autoencoder
from ntkmc.images import write_image

SIDES = (9, 10, 11)


def fill(run, path, out, *options):
    """The completed volume and what was printed, of a network of one level."""
    code, printed, err = run("inpaint", path, "--out", out, "--levels", 1, *options)
    assert code == 0, err
    return read_volume(out), printed


def waves(shape=SIDES):
    """Smooth values between 0 and 1000."""
    grids = np.meshgrid(*(np.linspace(0, 3, side) for side in shape), indexing="ij")
    return 500 + 500 * np.sin(grids[0] + grids[1]) * np.cos(grids[2])


def hole(shape=SIDES):
    """True where observed: all but a box, and single voxels."""
    observed = np.random.default_rng(0).random(shape) < 0.9
    observed[3:5, 4:6, 5:7] = False
    return observed


@pytest.fixture
def by_mean(monkeypatch):
    """In place of the network, which takes seconds to compile; shapes that it was asked for."""
    asked = []
    kernel = PeriodicKernel.build(autoencoder(1), (4, 4))

    def mean(image, mask, **options):
        asked.append((image.shape, mask.shape))
        filled = np.where(mask[..., None], image, image[mask].mean(axis=0).astype(image.dtype))
        network = autoencoder(1)
        return InpaintResult(filled, filled.astype(float), mask, None, kernel, network, {})

    monkeypatch.setattr("ntkmc.cli.inpaint_volume.solve", mean)
    return asked


@pytest.fixture
def brain(tmp_path):
    """A NIfTI file of integers that are scaled, and its mask."""
    affine = np.diag([1.0, 1.5, 2.0, 1.0])
    image = nib.Nifti1Image(waves().astype(np.int16), affine)
    image.header.set_slope_inter(0.5, -10)
    image.to_filename(tmp_path / "brain.nii.gz")
    mask = nib.Nifti1Image(hole().astype(np.uint8), affine)
    mask.to_filename(tmp_path / "mask.nii.gz")
    return tmp_path


def test_nifti(run, brain):
    mask, out, std = ("--mask", brain / "mask.nii.gz"), brain / "new" / "o.nii.gz", brain / "s.nii"
    filled, printed = fill(run, brain / "brain.nii.gz", out, *mask, "--report", "--std", std)
    missing = ~hole()
    assert f"{missing.sum()} of {missing.size} voxels filled in, solver cholesky" in printed
    given, written = nib.load(brain / "brain.nii.gz"), nib.load(out)
    assert written.header.binaryblock == given.header.binaryblock
    assert written.get_data_dtype() == np.int16
    stored = [np.asarray(image.dataobj.get_unscaled()) for image in (given, written)]
    np.testing.assert_array_equal(stored[1][~missing], stored[0][~missing])
    truth = 0.5 * waves().astype(int) - 10
    assert abs(filled.values - truth)[missing].max() < 100  # of 500
    deviations = nib.load(std)
    assert deviations.get_data_dtype() == np.float32
    np.testing.assert_array_equal(deviations.get_fdata() > 0, missing)
    np.testing.assert_array_equal(deviations.affine, given.affine)
    page = (brain / "new" / "o.html").read_text()
    assert "Inpainting brain.nii.gz" in page
    assert page.count("data:image/png") >= 9  # three planes: observed, filled in, uncertainty
    assert "1 x 1.5 x 2" in page
    assert "90% interval" in page
    again = ("inpaint", brain / "brain.nii.gz", *mask, "--out", out)
    refused(run(*again), "o.nii.gz exists; pass --force to replace it")


def test_a_series_in_time_and_nan(run, brain, by_mean):
    times = np.stack([waves(), 2 * waves(), 3 * waves()], axis=-1).astype(np.float32)
    times[..., 1][~hole()] = np.nan
    nib.Nifti1Image(times, np.eye(4)).to_filename(brain / "times.nii")
    filled, _ = fill(run, brain / "times.nii", brain / "o.nii", "--report")
    assert filled.values.shape == times.shape
    assert filled.values.dtype == np.float32
    np.testing.assert_array_equal(filled.values[hole()], times[hole()])
    assert by_mean == [((*SIDES, 3), SIDES)]
    assert np.isfinite(filled.values).all()
    np.save(brain / "four.npy", np.ones((*SIDES, 3)))
    answer = run("inpaint", brain / "times.nii", "--mask", brain / "four.npy", "--out", "o.nii")
    refused(answer, "four.npy has shape (9, 10, 11, 3); pass a mask of shape (9, 10, 11)")


def test_absent_dicom_slices_and_nobody_named(run, tmp_path):
    volume = waves().astype(np.int16)
    folder = series(tmp_path / PATIENT[0], volume, leave_out=(4, 7), RescaleIntercept=-1024)
    filled, printed = fill(run, folder, tmp_path / "o.nii.gz", "--report")
    assert "220 of 990 voxels filled in, 2 absent slices among them" in printed
    expected = volume.transpose(2, 1, 0)
    observed = np.delete(np.arange(9), (4, 7))
    np.testing.assert_array_equal(filled.values[..., observed], expected[..., observed] - 1024.0)
    assert abs(filled.values + 1024 - expected).max() < 150
    page = (tmp_path / "o.html").read_text()
    assert "Inpainting a DICOM series" in page
    for private in (*PATIENT, "IM0"):
        assert private not in page


def test_one_slice_is_a_picture(run, tmp_path, by_mean):
    picture = waves()[:1].astype(np.uint16)
    folder = series(tmp_path / "s", picture)
    np.save(tmp_path / "mask.npy", hole()[3:4])
    mask = ("--mask", tmp_path / "mask.npy")
    filled, _ = fill(run, folder, tmp_path / "o.npy", *mask, "--report")
    assert by_mean == [((10, 11, 1), (10, 11))]
    assert filled.values.dtype == np.uint16
    np.testing.assert_array_equal(filled.values[hole()[3:4]], picture[hole()[3:4]])


def test_dropped_frames_of_a_video(run, tmp_path):
    video = np.stack([waves() / 4, waves() / 5, waves() / 6], axis=-1).astype(np.uint8)
    for i in (0, 1, 2, 4, 5, 6, 8):
        write_image(tmp_path / "video" / f"f{i}.png", video[i])
    filled, printed = fill(run, tmp_path / "video", tmp_path / "out", "--report")
    assert "2 absent frames among them" in printed
    np.testing.assert_array_equal(filled.values[[0, 8]], video[[0, 8]])
    assert abs(filled.values.astype(int) - video)[[3, 7]].max() < 40
    assert "Inpainting video" in (tmp_path / "out.html").read_text()


@pytest.mark.parametrize("name", ["stack.tif", "stack.npy"])
def test_stacks_of_few_slices(run, tmp_path, by_mean, name):
    """Three slices along the last axis are no colours."""
    stack = waves((11, 10, 3)).astype(np.uint16)
    np.save(tmp_path / "given.npy", stack)
    write_volume(tmp_path / name, stack, read_volume(tmp_path / "given.npy"))
    np.save(tmp_path / "mask.npy", hole((11, 10, 7))[..., :3])
    out = tmp_path / f"o{name}"
    filled, _ = fill(run, tmp_path / name, out, "--mask", tmp_path / "mask.npy")
    observed = np.load(tmp_path / "mask.npy")
    assert by_mean == [((11, 10, 3, 1), (11, 10, 3))]
    np.testing.assert_array_equal(filled.values[observed], stack[observed])
    assert filled.values.dtype == np.uint16


def test_without_levels_networks_are_chosen(run, brain, monkeypatch):
    asked = []

    def no_work(*arguments, network, **options):
        asked.append(network)
        raise ValueError("enough")

    monkeypatch.setattr("ntkmc.cli.inpaint_volume.solve", no_work)
    command = ("inpaint", brain / "brain.nii.gz", "--mask", brain / "mask.nii.gz")
    for options in ((), ("--auto",), ("--levels", 2)):
        code, _, err = run(*command, "--out", brain / "o.nii", *options)
        assert (code, err.strip()) == (2, "error: enough")
    assert asked == ["auto", "auto", autoencoder(2)]


def test_refused_before_the_work(run, brain, monkeypatch):
    def no_work(*arguments, **options):
        raise AssertionError("the work began")

    monkeypatch.setattr("ntkmc.cli.inpaint_volume.solve", no_work)
    volume, mask = brain / "brain.nii.gz", ("--mask", brain / "mask.nii.gz")
    out = ("--out", brain / "o.nii.gz")
    np.save(brain / "ones.npy", np.ones(SIDES))
    np.save(brain / "small.npy", np.ones((3, 4, 5)))
    (brain / "text.nii").write_text("no volume")
    for arguments, words in (
        ((brain / "none.nii", *out), "no volume at"),
        ((brain / "text.nii", *out), "text.nii cannot be read as NIfTI"),
        ((volume, *out), "has no absent frames or voxels that are NaN to fill in; pass --mask"),
        ((volume, "--mask", brain / "ones.npy", *out), "nothing is missing: "),
        ((volume, "--mask", brain / "small.npy", *out), "has shape (3, 4, 5); pass a mask of"),
        ((volume, "--mask", brain / "no.npy", *out), "no volume at"),
        ((volume, *mask, *out, "--prior", "image"), "--prior was image, which is for pictures"),
        ((volume, *mask, "--out", brain / "o.dcm"), "pass a name that ends in .nii.gz or .npy"),
        ((volume, *mask, "--out", brain / "o"), "would not say where"),
        ((volume, *mask, *out, "--std", brain / "s.tif"), "s.tif would not say where"),
        ((volume, *mask, *out, "--std", brain / "o.nii.gz"), "--out and --std would both write"),
        (
            (volume, *mask, *out, "--std", brain / "o.html", "--report"),
            "--std and --report would both write",
        ),
    ):
        refused(run("inpaint", *arguments), words)
    assert not list(brain.glob("o.*"))
