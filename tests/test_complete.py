"""The command that completes tables."""

import importlib.util
import sys

import numpy as np
import pandas as pd
import pytest

from ntkmc.cli import main
from ntkmc.datasets import read_table, write_table
from ntkmc.datasets.tables import exact_csv


@pytest.fixture
def run(capsys):
    def run(*arguments):
        with pytest.raises(SystemExit) as ended:
            main(["complete", *(str(argument) for argument in arguments)])
        printed = capsys.readouterr()
        return ended.value.code, printed.out, " ".join(printed.err.split())

    return run


@pytest.fixture
def cells(tmp_path):
    """A table with labels, text, whole numbers and a category."""
    rng = np.random.default_rng(0)
    factor = rng.standard_normal(40)
    numbers = factor[:, None] * [1, -2, 3, 0.5] + 0.1 * rng.standard_normal((40, 4))
    frame = pd.DataFrame(numbers, columns=["a", "b", "c", "d"]).mask(rng.random((40, 4)) < 0.15)
    frame.insert(0, "cell", [f"cell {i}" for i in range(40)])
    frame.insert(1, "tissue", "skin")
    frame["dose"] = np.arange(40)
    frame["kind"] = np.where(rng.random(40) < 0.2, None, np.where(factor > 0, "up", "down"))
    frame.to_csv(tmp_path / "cells.csv", index=False)
    return tmp_path, frame


def test_complete(run, cells):
    folder, frame = cells
    out = folder / "new" / "filled.csv"
    code, printed, err = run(folder / "cells.csv", "--out", out, "--categorical", "kind")
    assert code == 0, err
    missing = frame[["a", "b", "c", "d", "dose", "kind"]].isna()
    assert f"{missing.to_numpy().sum()} of 240 entries filled in" in printed
    filled = pd.read_csv(out, **exact_csv())
    assert list(filled.columns) == list(frame.columns)
    assert (filled["tissue"] == "skin").all()
    assert filled["dose"].tolist() == list(range(40))
    assert set(filled["kind"]) == {"up", "down"}
    assert not filled.isna().any(axis=None)
    kept = frame["a"].notna()
    np.testing.assert_array_equal(filled["a"][kept], frame["a"][kept])
    imputed = pd.read_csv(folder / "new" / "filled.imputed.csv", **exact_csv())
    assert list(imputed.columns) == ["row", "column", "value", "std"]
    assert len(imputed) == missing.to_numpy().sum()
    assert (imputed["std"] > 0).all()
    one = imputed[imputed["column"] == "a"].iloc[0]
    assert float(one["value"]) == filled.set_index("cell").loc[one["row"], "a"]
    page = (folder / "new" / "filled.html").read_text()
    for words in ("Accuracy on this table", "iterative", "kNN", "data:image/png", "cell"):
        assert words in page
    code, printed, err = run(folder / "cells.csv", "--out", out)
    assert code == 2
    assert "filled.csv exists; pass --force to replace it" in err
    again = run(folder / "cells.csv", "--out", out, "--force", "--no-report")
    assert again[0] == 0
    assert pd.read_csv(out)["kind"].isna().any()  # text that nothing was said about


def test_the_page_says_which_imputer_it_leaves_out(run, cells, monkeypatch):
    monkeypatch.setattr("ntkmc.cli.complete._ITERATIVE_COLUMNS", 3)
    folder, _ = cells
    code, _, err = run(folder / "cells.csv", "--out", folder / "o.csv")
    assert code == 0, err
    page = (folder / "o.html").read_text()
    assert "The iterative imputer is left out, as it takes too long on more than 3 columns" in page
    assert "soft-impute" in page


@pytest.mark.parametrize("suffix", [".csv", ".parquet", ".npz"])
def test_formats_keep_values_and_labels(suffix, tmp_path):
    if suffix == ".parquet" and not importlib.util.find_spec("pyarrow"):
        pytest.skip("pyarrow is not installed")
    frame = pd.DataFrame(
        {"x": [1.5, np.nan], "y": [0.0, 2.0]}, index=pd.Index(["p", "q"], name="row")
    )
    write_table(tmp_path / f"table{suffix}", frame, "row")
    table = read_table(tmp_path / f"table{suffix}")
    pd.testing.assert_frame_equal(table.numbers, frame, check_index_type=False)
    assert table.index == "row"
    assert table.text == ()


def test_columns_are_recognised(tmp_path):
    def read(text):
        (tmp_path / "t.csv").write_text(text)
        return read_table(tmp_path / "t.csv")

    assert read("id,x\n7,1\n8,\n").index == "id"
    assert read("year,x\n7,1\n8,\n").index is None
    assert read("name,x\na,1\na,2\n").text == ("name",)
    assert read("x,on\n1,True\n2,False\n").numbers["on"].tolist() == [1, 0]
    np.savez(tmp_path / "bare.npz", np.array([[1.0, np.nan]]))
    assert np.isnan(read_table(tmp_path / "bare.npz").numbers.iloc[0, 1])


def test_complete_refuses_in_one_line(run, cells, monkeypatch):
    folder, _ = cells
    table, out = folder / "cells.csv", ("--out", folder / "o.csv")

    def refused(words, *arguments):
        code, printed, err = run(*arguments)
        assert code == 2
        assert printed == ""
        assert words in err

    refused("no table at", folder / "none.csv", *out)
    refused("pass a file that ends in .csv, .parquet, .npz", folder / "t.xls", *out)
    refused("--out was", table, "--out", folder / "o.txt")
    refused("holds numbers alone", table, "--out", folder / "o.npz")
    refused("--categorical names 'knid'; the table's columns", table, *out, "--categorical", "knid")
    for name, text, words in (
        ("text", "a,b\nu,v\nu,w\n", "has no column of numbers, only text (a, b)"),
        ("full", "a,b\n1,2\n3,4\n", "has no missing entry"),
        ("empty", "", "not a table"),
        ("twice", "a,a.1\n1,2\n", "has no missing entry"),
        ("infinite", "a,b\n1,inf\n2,\n", "contains infinity"),
        ("nothing", "a,b\n,\n,\n", "no observed value at all"),
    ):
        (folder / f"{name}.csv").write_text(text)
        refused(words, folder / f"{name}.csv", *out)
    (folder / "broken.npz").write_bytes(b"no")
    refused("broken.npz: not a table", folder / "broken.npz", *out)
    np.savez(folder / "two.npz", a=np.eye(2), b=np.eye(2))
    refused("it holds a, b; name the matrix 'table'", folder / "two.npz", *out)
    (folder / "t.parquet").touch()
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    refused('pip install "ntkmc[parquet]"', folder / "t.parquet", *out)
    assert not (folder / "o.csv").exists()
