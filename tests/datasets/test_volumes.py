import numpy as np
import pytest

from ntkmc.datasets import load_volume, panning_video, synthetic_video


def test_a_window_moves_over_a_photograph_by_whole_pixels():
    video = panning_video(frames=4, side=40)
    assert video.shape == (4, 40, 40)
    assert 0 <= video.min() < video.max() <= 1
    np.testing.assert_array_equal(video[1][:-1, :-3], video[0][1:, 3:])
    with pytest.raises(ValueError, match="400 frames of 40 x 40 pixels do not lie within"):
        panning_video(frames=400, side=40)


def test_discs_move_before_a_moving_grating():
    video = synthetic_video(frames=5, side=32)
    assert video.shape == (5, 32, 32)
    assert 0 <= video.min() < video.max() <= 1
    # The light disc goes from the upper left to the lower right.
    assert video[0, 8, 6] == video[-1, 22, 26] == pytest.approx(0.95)
    assert video[0, 22, 26] < 0.8 > video[-1, 8, 6]
    with pytest.raises(ValueError, match="frames, side were 1, 32"):
        synthetic_video(frames=1, side=32)


def test_videos_need_no_folder(monkeypatch):
    monkeypatch.delenv("NTKMC_DATA", raising=False)
    for name in ("pan", "synthetic"):
        video = load_volume(name)
        assert video.name == name
        assert video.values.shape == (24, 96, 96)
        assert video.rows_down
        assert video.spacing is None


@pytest.mark.parametrize(
    ("name", "package", "shape"),
    [
        ("brain", "nibabel", (197, 233, 189)),
        ("epi", "nibabel", (128, 96, 24, 2)),
        ("ct", "pydicom", (1, 128, 128)),
        ("MR_small.dcm", "pydicom", (1, 64, 64)),
    ],
)
def test_files_by_name(data_dir, name, package, shape):
    pytest.importorskip(package)
    volume = load_volume(name, data_dir)
    assert volume.values.shape == shape
    assert volume.values.dtype == np.float64
    assert volume.rows_down == (package == "pydicom")
    if name == "brain":
        assert volume.spacing == (1, 1, 1)


def test_what_is_not_there_is_said(tmp_path, monkeypatch):
    monkeypatch.delenv("NTKMC_DATA", raising=False)
    with pytest.raises(FileNotFoundError, match="there is no data folder; set NTKMC_DATA"):
        load_volume("brain")
    with pytest.raises(FileNotFoundError, match="did you mean 'brain'"):
        load_volume("brian", tmp_path)
