"""NIfTI comes back as it was: numbers, type, scaling, affine, header."""

import sys

import nibabel as nib
import numpy as np
import pytest

from ntkmc import read_volume, write_volume
from ntkmc.volumes import is_volume, read_volume_mask

AFFINE = np.array([[0, -2.0, 0, 10], [1.5, 0, 0, -20], [0, 0.1, 3, 5], [0, 0, 0, 1]])


def save(path, array, slope=None, inter=None, affine=AFFINE, make=nib.Nifti1Image):
    image = make(array, affine, dtype=array.dtype)
    image.header["descrip"] = b"made up"
    image.header.set_xyzt_units("mm", "sec")
    image.header.set_slope_inter(slope, inter)
    nib.save(image, path)
    return path


def numbers(shape=(5, 6, 7), dtype=np.int16):
    return np.random.default_rng(0).integers(0, 120, shape).astype(dtype)


def on_disk(path):
    """The numbers as they are stored, the header and the affine."""
    image = nib.load(path)
    return np.asarray(image.dataobj.get_unscaled()), image.header, image.affine


def same_file(some, other):
    (array, header, affine), (other_array, other_header, other_affine) = map(on_disk, (some, other))
    assert array.dtype == other_array.dtype
    np.testing.assert_array_equal(array, other_array)
    np.testing.assert_array_equal(affine, other_affine)
    assert header.binaryblock == other_header.binaryblock
    assert [e.get_content() for e in header.extensions] == [
        e.get_content() for e in other_header.extensions
    ]


@pytest.mark.parametrize("make", [nib.Nifti1Image, nib.Nifti2Image])
@pytest.mark.parametrize("dtype", ["uint8", "int16", "uint16", "int32", "float32", "float64"])
def test_what_is_read_is_written(tmp_path, dtype, make):
    array = numbers(dtype=dtype)
    volume = read_volume(save(tmp_path / "a.nii", array, make=make))
    assert volume.values.dtype == dtype
    assert volume.spacing == pytest.approx((1.5, np.hypot(2, 0.1), 3))
    np.testing.assert_array_equal(volume.values, array)
    for name in ("new/b.nii", "b.nii.gz"):
        write_volume(tmp_path / name, volume.values, volume)
        same_file(tmp_path / "a.nii", tmp_path / name)


@pytest.mark.parametrize(("slope", "inter"), [(0.1, -1024.0), (3.7e-5, 0.0), (1.0, -1000.0)])
def test_scaled_integers_keep_their_numbers_and_scaling(tmp_path, slope, inter):
    array = numbers()
    volume = read_volume(save(tmp_path / "a.nii.gz", array, slope, inter))
    np.testing.assert_allclose(volume.values, slope * array + inter, rtol=1e-6)
    write_volume(tmp_path / "b.nii.gz", volume.values, volume)
    same_file(tmp_path / "a.nii.gz", tmp_path / "b.nii.gz")
    # Other values are rounded to the nearest number; those beyond the type are clipped.
    filled = volume.values.copy()
    filled[0, 0, :3] += (0.4 * slope, 1.6 * slope, 1e9 * slope)
    write_volume(tmp_path / "c.nii.gz", filled, volume)
    expected = array.copy()
    expected[0, 0, 1] += 2
    expected[0, 0, 2] = np.iinfo(np.int16).max
    np.testing.assert_array_equal(on_disk(tmp_path / "c.nii.gz")[0], expected)
    filled[0, 0, 0] = np.nan
    with pytest.raises(ValueError, match="has NaN or infinite entries and the file int16"):
        write_volume(tmp_path / "d.nii.gz", filled, volume)


def test_other_types_are_stored_as_they_are(tmp_path):
    volume = read_volume(save(tmp_path / "a.nii", numbers(), 0.5, 3.0))
    deviations = np.random.default_rng(1).random((5, 6, 7)).astype(np.float32)
    write_volume(tmp_path / "std.nii", deviations, volume)
    array, header, affine = on_disk(tmp_path / "std.nii")
    assert array.dtype == np.float32
    np.testing.assert_array_equal(array, deviations)
    np.testing.assert_allclose(affine, AFFINE)
    assert header["descrip"] == b"made up"


def test_a_series_in_time(tmp_path):
    volume = read_volume(save(tmp_path / "a.nii", numbers((5, 6, 7, 9))))
    assert volume.shape == (5, 6, 7)
    write_volume(tmp_path / "b.nii", volume.values, volume)
    same_file(tmp_path / "a.nii", tmp_path / "b.nii")
    write_volume(tmp_path / "std.nii", np.ones(volume.shape, np.float32), volume)
    assert on_disk(tmp_path / "std.nii")[0].shape == (5, 6, 7)


def test_big_endian_and_without_affine(tmp_path):
    header = nib.Nifti1Header(endianness=">")
    header.set_data_dtype(">i2")
    nib.save(nib.Nifti1Image(numbers(), None, header), tmp_path / "a.nii")
    volume = read_volume(tmp_path / "a.nii")
    assert volume.affine is None
    assert volume.values.dtype == np.dtype("=i2")
    write_volume(tmp_path / "b.nii", volume.values, volume)
    assert nib.load(tmp_path / "b.nii").header.endianness == ">"
    same_file(tmp_path / "a.nii", tmp_path / "b.nii")


@pytest.mark.parametrize(
    "name", ["mni_icbm152_t1_tal_nlin_sym_09a_converted.nii.gz", "example4d.nii.gz"]
)
def test_real_files(data_dir, tmp_path, name):
    path = data_dir / "volumes" / name
    volume = read_volume(path)
    write_volume(tmp_path / "a.nii", volume.values, volume)  # unpacked: to pack takes seconds
    same_file(path, tmp_path / "a.nii")


def test_masks(tmp_path):
    volume = read_volume(save(tmp_path / "a.nii", numbers()))
    given = np.zeros((5, 6, 7), np.float32)
    given[1:3], given[3] = 0.2, np.nan
    expected = np.zeros((5, 6, 7), bool)
    expected[1:3] = True
    for name, array in (("m.nii", given), ("n.nii", given[..., None])):
        observed = read_volume_mask(save(tmp_path / name, array), volume)
        np.testing.assert_array_equal(observed, expected)
    np.save(tmp_path / "m.npy", expected)
    np.testing.assert_array_equal(read_volume_mask(tmp_path / "m.npy", volume), expected)


def test_masks_that_do_not_fit(tmp_path):
    volume = read_volume(save(tmp_path / "a.nii", numbers()))
    moved = AFFINE.copy()
    moved[1, 3] += 2.5
    for array, affine, words in (
        (numbers((5, 7, 6)), AFFINE, r"shape \(5, 7, 6\); pass a mask of shape \(5, 6, 7\), as"),
        (numbers((5, 6, 7, 2)), AFFINE, "channels have one mask"),
        (numbers(), moved, "m.nii lies elsewhere than .*a.nii: its affine differs by up to 2.5 mm"),
    ):
        save(tmp_path / "m.nii", array, affine=affine)
        with pytest.raises(ValueError, match=words):
            read_volume_mask(tmp_path / "m.nii", volume)


def test_what_is_no_volume(tmp_path):
    save(tmp_path / "whole.nii", numbers((20, 20, 20)))
    content = (tmp_path / "whole.nii").read_bytes()
    (tmp_path / "text.nii").write_text("no volume at all")
    (tmp_path / "short.nii").write_bytes(content[:400])
    (tmp_path / "packed.nii.gz").write_bytes(content[:400])
    save(tmp_path / "flat.nii", numbers((20, 20)))
    save(tmp_path / "five.nii", numbers((4, 4, 4, 1, 3)))
    save(tmp_path / "complex.nii", numbers().astype(np.complex64))
    for name, words in (
        ("text.nii", "text.nii cannot be read as NIfTI"),
        ("short.nii", "short.nii cannot be read as NIfTI"),
        ("packed.nii.gz", "packed.nii.gz cannot be read as NIfTI"),
        ("flat.nii", r"flat.nii has shape \(20, 20\); a volume has three axes"),
        ("five.nii", r"five.nii has shape \(4, 4, 4, 1, 3\); a volume has three axes"),
        ("complex.nii", "complex.nii holds complex64; pass real numbers"),
    ):
        assert is_volume(tmp_path / name)
        with pytest.raises(ValueError, match=words):
            read_volume(tmp_path / name)
    with pytest.raises(FileNotFoundError, match="no volume at"):
        read_volume(tmp_path / "none.nii.gz")


def test_without_nibabel(tmp_path, monkeypatch):
    path = save(tmp_path / "a.nii", numbers())
    volume = read_volume(path)
    monkeypatch.setitem(sys.modules, "nibabel", None)
    for work in (lambda: read_volume(path), lambda: write_volume(path, volume.values, volume)):
        with pytest.raises(ImportError, match=r'NIfTI files need nibabel: pip install "ntkmc\[med'):
            work()


def test_targets_that_do_not_hold_it(tmp_path):
    volume = read_volume(save(tmp_path / "a.nii", numbers()))
    for name, words in (
        ("o.tif", "would not say where .* lies in space; pass a name that ends in .nii.gz or .npy"),
        ("frames", "would not say where"),
        ("o.mp4", "o.mp4 cannot be written; pass a name that ends in .nii.gz"),
        ("o.dcm", "o.dcm cannot be written: pass a name that ends in .nii.gz"),
    ):
        with pytest.raises(ValueError, match=words):
            write_volume(tmp_path / name, volume.values, volume)
    with pytest.raises(ValueError, match=r"does not hold float16; pass a name that ends in \.npy"):
        write_volume(tmp_path / "o.nii", volume.values.astype(np.float16), volume)
    with pytest.raises(ValueError, match=r"shape \(5, 6, 1\); expected \(5, 6, 7\)"):
        write_volume(tmp_path / "o.nii", volume.values[..., :1], volume)
    write_volume(tmp_path / "o.npy", volume.values, volume)
    np.testing.assert_array_equal(np.load(tmp_path / "o.npy"), volume.values)
