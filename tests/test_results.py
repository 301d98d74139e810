import csv
import json
import math

import matplotlib.image
import numpy as np
import pytest

from ntkmc import plots
from ntkmc.results import ResultsFolder, environment, git_revision


def test_a_folder_that_holds_files_is_kept_unless_told_otherwise(tmp_path):
    folder = ResultsFolder(tmp_path / "a" / "b")
    folder.write_text("note.txt", "kept")
    with pytest.raises(FileExistsError, match="holds files already; pass --force"):
        ResultsFolder(tmp_path / "a" / "b")
    ResultsFolder(tmp_path / "a" / "b", overwrite=True)
    assert (tmp_path / "a" / "b" / "note.txt").read_text() == "kept"
    with pytest.raises(FileExistsError, match="is a file"):
        ResultsFolder(tmp_path / "a" / "b" / "note.txt", overwrite=True)


def test_a_folder_into_which_nothing_was_written_is_taken_away(tmp_path):
    def refused(place, text=None):
        with ResultsFolder(tmp_path / place) as folder:
            assert folder.path.is_dir()
            if text:
                folder.write_text("note.txt", text)
            raise ValueError("no data")

    (tmp_path / "kept").mkdir()
    for place in ("kept", "new", "new/a/b", "kept/a/b"):
        with pytest.raises(ValueError, match="no data"):
            refused(place)
        assert [path.name for path in tmp_path.rglob("*")] == ["kept"]
    with pytest.raises(ValueError, match="no data"):
        refused("new/a", "kept")
    assert (tmp_path / "new" / "a" / "note.txt").read_text() == "kept"


def test_metrics_are_one_value_a_row(tmp_path):
    rows = [
        {"case": "a", "metric": "psnr", "value": 30.5},
        {"case": "b", "metric": "psnr", "value": 29.0},
    ]
    path = ResultsFolder(tmp_path).write_metrics(rows)
    with open(path, newline="") as file:
        read = list(csv.DictReader(file))
    assert [(row["case"], float(row["value"])) for row in read] == [("a", 30.5), ("b", 29.0)]


def test_summary_is_json_whatever_the_numbers_are(tmp_path):
    path = ResultsFolder(tmp_path).write_summary(
        seed=3,
        psnr=math.inf,
        shape=(2, 3),
        count=np.int64(4),
        where=tmp_path,
        ratio=np.float32(0.5),
    )

    def refuse(constant):
        raise AssertionError(f"{constant} is not JSON")

    summary = json.loads(path.read_text(), parse_constant=refuse)
    assert summary["psnr"] is None
    assert (summary["seed"], summary["shape"], summary["count"]) == (3, [2, 3], 4)
    assert summary["ratio"] == 0.5
    assert summary["peak_memory_bytes"] > 2**20
    assert summary["process_seconds"] > 0
    assert summary["environment"]["versions"]["jax"]
    assert summary["environment"]["device"] in ("cpu", "gpu", "tpu")


def test_environment_says_what_a_reader_asks_for():
    assert {"git_revision", "versions", "platform", "cores", "device", "time"} <= set(environment())


def test_revision_of_an_installed_package_is_unknown(tmp_path, monkeypatch):
    monkeypatch.setattr("ntkmc.results.__file__", str(tmp_path / "results.py"))
    assert git_revision() is None


def test_figures_have_no_empty_edges(tmp_path):
    figure = plots.picture_panels({"a": np.zeros((4, 8)), "b": np.zeros((4, 8))})
    path = ResultsFolder(tmp_path).write_figure("panels.png", figure)
    pixels = matplotlib.image.imread(path)[..., :3]
    height, width = pixels.shape[:2]
    assert width > 2 * height
    assert not pixels[-height // 4].all()


def test_arrays_are_found_by_name(tmp_path):
    path = ResultsFolder(tmp_path).write_arrays("some.npz", {"a": np.arange(3), "b": np.ones(2)})
    with np.load(path) as arrays:
        np.testing.assert_array_equal(arrays["a"], [0, 1, 2])
        np.testing.assert_array_equal(arrays["b"], [1, 1])
