"""DICOM in, NIfTI out: in the right units, at the right place, and of nobody."""

import sys

import nibabel as nib
import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate
from pydicom.uid import JPEGLSLossless, generate_uid
from volumes.slices import PATIENT, dataset, save, series

from ntkmc import read_volume, write_volume
from ntkmc.volumes import is_volume, read_volume_mask


def numbers(shape=(4, 5, 6), dtype=np.int16):
    return np.random.default_rng(0).integers(0, 120, shape).astype(dtype)


def test_slices_are_sorted_by_place_and_scaled(tmp_path):
    array = numbers()
    volume = read_volume(series(tmp_path / "s", array, RescaleSlope=0.5, RescaleIntercept=-1024))
    np.testing.assert_array_equal(volume.values, 0.5 * array - 1024)
    assert volume.spacing == (2.0, 0.5, 0.75)
    assert volume.absent == ()
    # Of the last slice, row 4, column 3: LPS to RAS.
    place = volume.affine @ (3, 4, 3, 1)
    np.testing.assert_allclose(place, (-(-3 + 3 * 0.75), -(4 + 4 * 0.5), 5 + 3 * 2.0, 1))


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.uint16])
def test_integers_that_are_not_scaled_stay(tmp_path, dtype):
    array = numbers(dtype=dtype)
    volume = read_volume(series(tmp_path / "s", array))
    assert volume.values.dtype == dtype
    np.testing.assert_array_equal(volume.values, array)


def test_written_as_nifti_with_the_same_numbers_and_of_nobody(tmp_path):
    array = numbers()
    volume = read_volume(series(tmp_path / "s", array, RescaleSlope=2, RescaleIntercept=-1000))
    write_volume(tmp_path / "a.nii", volume.values, volume)
    image = nib.load(tmp_path / "a.nii")
    stored = np.asarray(image.dataobj.get_unscaled())
    assert stored.dtype == np.int16
    np.testing.assert_array_equal(stored, array.transpose(2, 1, 0))  # columns, rows, slices
    assert (image.dataobj.slope, image.dataobj.inter) == (2, -1000)
    assert image.header.get_zooms() == pytest.approx((0.75, 0.5, 2.0))
    np.testing.assert_allclose(image.affine @ (3, 4, 2, 1), volume.affine @ (2, 4, 3, 1))
    content = (tmp_path / "a.nii").read_bytes()
    for private in (*PATIENT, "IM0"):
        assert private.encode() not in content
    # A mask drawn on that file, by a program that keeps its axes.
    drawn = np.zeros((6, 5, 4), np.uint8)
    drawn[5, 0, 1] = 1
    nib.save(nib.Nifti1Image(drawn, image.affine), tmp_path / "m.nii")
    observed = read_volume_mask(tmp_path / "m.nii", volume)
    np.testing.assert_array_equal(np.argwhere(observed), [[1, 0, 5]])
    moved = image.affine + np.eye(4)
    nib.save(nib.Nifti1Image(drawn, moved), tmp_path / "m.nii")
    with pytest.raises(ValueError, match="lies elsewhere than"):
        read_volume_mask(tmp_path / "m.nii", volume)


def test_absent_slices_are_found(tmp_path):
    array = numbers((9, 5, 6))
    volume = read_volume(series(tmp_path / "s", array, leave_out=(2, 5, 6)))
    assert volume.absent == (2, 5, 6)
    there = volume.has_values
    assert not there[[2, 5, 6]].any()
    np.testing.assert_array_equal(volume.values[there], array[there])
    assert there.sum() == 6 * 30
    assert volume.spacing == (2.0, 0.5, 0.75)


def test_oblique_slices(tmp_path):
    angle = 0.3
    rows = np.array([np.cos(angle), np.sin(angle), 0])
    columns = np.array([-np.sin(angle), np.cos(angle), 0])
    for place in range(3):
        position = list(np.round([1.0, 2.0, -4.0 * place], 4))
        made = dataset(numbers((5, 6)), position, ImageOrientationPatient=[*rows, *columns])
        save(tmp_path / "s" / f"{place}.dcm", made)
    volume = read_volume(tmp_path / "s")
    np.testing.assert_allclose(volume.affine[:, 3], (-1, -2, -8, 1))  # along the normal: upwards
    assert volume.spacing == pytest.approx((4.0, 0.5, 0.75))
    step = volume.affine[:3, 1]
    np.testing.assert_allclose(step, 0.5 * columns * (-1, -1, 1), atol=1e-4)


def test_slices_with_scales_of_their_own(tmp_path):
    array = numbers((3, 5, 6))
    for place, pixels in enumerate(array):
        made = dataset(pixels, (0, 0, place), RescaleSlope=place + 1)
        save(tmp_path / "s" / f"{place}", made)
    volume = read_volume(tmp_path / "s")
    np.testing.assert_array_equal(volume.values, array * np.arange(1, 4)[:, None, None])
    write_volume(tmp_path / "a.nii", volume.values, volume)
    assert nib.load(tmp_path / "a.nii").get_data_dtype() == np.float64


def test_one_file_of_several_frames(tmp_path):
    array = numbers()
    made = dataset(array, NumberOfFrames=4)
    save(tmp_path / "cine", made)  # no ending
    assert is_volume(tmp_path / "cine")
    volume = read_volume(tmp_path / "cine")
    np.testing.assert_array_equal(volume.values, array)
    assert volume.affine is None

    made.GridFrameOffsetVector = [0, 3, 6, 9]
    save(tmp_path / "dose.dcm", made)
    assert read_volume(tmp_path / "dose.dcm").spacing == (3.0, 0.5, 0.75)

    groups = []
    for place in (3, 2, 0, 1):
        position, group = Dataset(), Dataset()
        position.ImagePositionPatient = [0, 0, place]
        group.PlanePositionSequence = [position]
        groups.append(group)
    del made.GridFrameOffsetVector
    made.PerFrameFunctionalGroupsSequence = groups
    save(tmp_path / "enhanced.dcm", made)
    volume = read_volume(tmp_path / "enhanced.dcm")
    np.testing.assert_array_equal(volume.values, array[[2, 3, 1, 0]])
    assert volume.spacing == (1.0, 0.5, 0.75)


@pytest.mark.parametrize(
    ("name", "spacing", "first"),
    [
        ("CT_small.dcm", (5.0, 0.661468, 0.661468), (-849, 128, 128)),
        ("MR_small.dcm", (0.8, 0.3125, 0.3125), (905, 64, 64)),
        ("liver_1frame.dcm", None, (0, 512, 512)),
    ],
)
def test_real_files(data_dir, tmp_path, name, spacing, first):
    path = data_dir / "volumes" / name
    volume = read_volume(path)
    assert volume.values.shape == (1, *first[1:])
    assert volume.values[0, 0, 0] == first[0]
    if spacing:
        assert volume.spacing == pytest.approx(spacing)
    write_volume(tmp_path / "a.nii", volume.values, volume)
    image, stored = nib.load(tmp_path / "a.nii"), pydicom.dcmread(path)
    array = np.asarray(image.dataobj.get_unscaled())
    assert array.dtype == stored.pixel_array.dtype
    np.testing.assert_array_equal(array[..., 0].T, stored.pixel_array)
    content = (tmp_path / "a.nii").read_bytes()
    for private in (stored.PatientName, stored.PatientID, stored.get("InstitutionName")):
        assert not private or str(private).encode() not in content


def test_what_is_no_one_series(tmp_path):
    array = numbers()

    def stack(name, change):
        folder = series(tmp_path / name, array)
        path = folder / "IM0002"
        made = pydicom.dcmread(path)
        change(made, path)
        if path.exists():
            save(path, made)
        return folder

    def other(made, path):
        made.SeriesInstanceUID = generate_uid()

    def smaller(made, path):
        made.Rows, made.Columns = 3, 10

    def turned(made, path):
        made.ImageOrientationPatient = [0, 1, 0, 0, 0, 1]

    def doubled(made, path):
        save(path.with_name("again"), made)

    def off(made, path):
        made.ImagePositionPatient = [-3, 4, float(made.ImagePositionPatient[2]) + 0.7]

    def aside(made, path):
        made.ImagePositionPatient = [0, 4, made.ImagePositionPatient[2]]

    def placeless(made, path):
        del made.ImagePositionPatient

    def unsigned(made, path):
        made.PixelRepresentation = 0

    def text(made, path):
        path.with_name("notes.txt").write_text("not a slice" * 20)

    for change, words in (
        (other, "holds 2 series, .*; pass a folder with one"),
        (smaller, "is 3 x 10 and .* 5 x 6; pass a folder of slices of one size"),
        (turned, "not parallel or have pixels of two sizes"),
        (doubled, "have slices at one place; pass one series of one time"),
        (off, "the slices are spaced unevenly"),
        (aside, "the slices are spaced unevenly"),
        (placeless, "has slices without ImagePositionPatient"),
        (unsigned, "holds u?int16 and .* u?int16; pass one series"),
        (text, "notes.txt cannot be read as DICOM: .*move it out of the folder"),
    ):
        with pytest.raises(ValueError, match=words):
            read_volume(stack(change.__name__, change))


def test_far_gaps_are_no_absent_slices(tmp_path):
    series(tmp_path / "s", numbers((12, 5, 6)), leave_out=range(2, 11))
    with pytest.raises(ValueError, match="spaced unevenly: gaps from 2 to 20 mm"):
        read_volume(tmp_path / "s")


def test_what_has_no_values(tmp_path):
    flat = numbers((5, 6))
    compressed = dataset(flat)
    compressed.file_meta.TransferSyntaxUID = JPEGLSLossless
    compressed.PixelData = encapsulate([b"\xff\xd8nothing\xff\xd9"])
    compressed["PixelData"].is_undefined_length = True
    colour = dataset(np.zeros((5, 6), np.uint8), SamplesPerPixel=3, PhotometricInterpretation="RGB")
    table = dataset(flat, ModalityLUTSequence=[Dataset()])
    for name, made, words in (
        ("jpeg.dcm", compressed, "compressed as JPEG-LS Lossless .*pylibjpeg.*gdcmconv --raw"),
        ("colour.dcm", colour, r"colour.dcm holds colours \(RGB\)"),
        ("table.dcm", table, "has a table of values"),
        ("report.dcm", dataset(flat, Rows=None), "holds no pixels .CT Image Storage"),
        ("short.dcm", dataset(flat, PixelData=b"1234"), "has pixels that cannot be read"),
    ):
        save(tmp_path / name, made)
        with pytest.raises(ValueError, match=words):
            read_volume(tmp_path / name)
    (tmp_path / "text.dcm").write_text("no slice")
    with pytest.raises(ValueError, match=r"text\.dcm cannot be read as DICOM"):
        read_volume(tmp_path / "text.dcm")


def test_dicom_is_not_written(tmp_path):
    volume = read_volume(series(tmp_path / "s", numbers()))
    for name in ("o.dcm", "o.tif", "o"):
        with pytest.raises(ValueError, match=r"pass a name that ends in \.nii\.gz or \.npy"):
            write_volume(tmp_path / name, volume.values, volume)


def test_without_pydicom(tmp_path, monkeypatch):
    series(tmp_path / "s", numbers())
    monkeypatch.setitem(sys.modules, "pydicom", None)
    with pytest.raises(ImportError, match=r'need pydicom: pip install "ntkmc\[medical\]"'):
        read_volume(tmp_path / "s")
