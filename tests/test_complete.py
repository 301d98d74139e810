"""The command that completes tables."""

import re
import sys

import numpy as np
import pandas as pd
import pytest

from ntkmc.cli import main


def read_text(path):
    """The cells of a file as text."""
    return pd.read_csv(path, dtype=str, keep_default_na=False)


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


@pytest.mark.slow
def test_complete(run, cells):
    folder, frame = cells
    out = folder / "new" / "filled.csv"
    code, printed, err = run(folder / "cells.csv", "--out", out)
    assert code == 0, err
    missing = frame[["a", "b", "c", "d", "dose", "kind"]].isna()
    assert f"{missing.to_numpy().sum()} of 240 entries filled in" in printed
    counts = ", ".join(f"{name} ({n})" for name, n in missing.sum().items() if n)
    assert f"filled in: {counts}" in printed
    assert "left as it is: tissue (text, always the same)\n" in printed
    before, filled = read_text(folder / "cells.csv"), read_text(out)
    assert list(filled.columns) == list(frame.columns)
    assert (filled != "").all(axis=None)
    assert (filled == before.where(before != "", filled)).all(axis=None)
    assert set(filled["kind"]) == {"up", "down"}
    imputed = read_text(folder / "new" / "filled.imputed.csv")
    assert list(imputed.columns) == ["row", "column", "value", "std"]
    assert len(imputed) == missing.to_numpy().sum()
    assert (imputed["std"].astype(float) > 0).all()
    one = imputed[imputed["column"] == "a"].iloc[0]
    assert one["value"] == filled.set_index("cell").loc[one["row"], "a"]
    page = (folder / "new" / "filled.html").read_text()
    for words in ("Accuracy on this table", "iterative", "kNN", "data:image/png", "cell"):
        assert words in page
    assert "7, of them text and left as they are: tissue<" in page
    first = printed.splitlines()[0]
    code, printed, err = run(folder / "cells.csv", "--out", out)
    assert code == 2
    assert "filled.csv exists; pass --force to replace it" in err
    assert re.search(r"<td>kind</td><td>\d+</td><td>rows \d+%, columns \d+%</td><td>", page) or (
        re.search(r"<td>kind</td><td>\d+</td><td>columns \d+%, rows \d+%</td><td>", page)
    )
    options = ("--out", out, "--force", "--no-report")
    plain = run(folder / "cells.csv", *options, "--no-chained")
    assert plain[0] == 0
    assert plain[1].splitlines()[0] != first  # the error is another
    chained = run(folder / "cells.csv", *options, "--chained")
    assert chained[1].splitlines()[0] == first


def test_text_that_repeats_is_filled_in_and_names_are_not(run, tmp_path):
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(
        {
            "sex": rng.choice(["f", "m"], 39),
            "grade": rng.choice(["I", "II", "III"], 39),
            "arm": "B",
            "name": [f"n{i}" for i in range(39)],
            "site": [f"s{i if i < 30 else i - 5}" for i in range(39)],
            "code": rng.choice([1, 5], 39),
        }
    )
    frame = frame.mask(rng.random(frame.shape) < 0.15)
    frame["code"] = frame["code"].astype("Int64")
    frame.to_csv(tmp_path / "t.csv", index=False)
    options = ("--out", tmp_path / "o.csv", "--force")
    code, printed, err = run(tmp_path / "t.csv", *options)
    assert code == 0, err
    counts = frame.isna().sum()
    assert f"filled in: sex ({counts['sex']}), grade ({counts['grade']}), code (" in printed
    hint = "pass --categorical {} to fill in its gaps all the same"
    assert f"it is: arm (text, always the same); {hint.format('arm')}\n" in printed
    assert f"left as they are: name, site (names); {hint.format('name')}\n" in printed
    page = (tmp_path / "o.html").read_text()
    assert re.search(r"<td>sex</td><td>\d+</td><td>columns</td><td>\d+% wrong</td><td>", page)
    assert re.search(r"<td>grade</td><td>\d+</td><td>columns</td><td>\d+% wrong</td><td>", page)
    assert re.search(r"<td>code</td><td>\d+</td><td>columns</td><td>\d\.\d+</td><td>±", page)
    before, filled = read_text(tmp_path / "t.csv"), read_text(tmp_path / "o.csv")
    assert (filled["name"] == before["name"]).all()
    assert set(filled["sex"]) == {"f", "m"}
    forced = [word for name in ("name", "arm", "code") for word in ("--categorical", name)]
    code, printed, err = run(tmp_path / "t.csv", *options, "--no-report", *forced)
    assert code == 0, err
    filled = read_text(tmp_path / "o.csv")
    assert set(filled["arm"]) == {"B"}
    assert set(filled["name"]) == set(before["name"]) - {""}
    assert set(filled["code"]) == {"1", "5"}


def test_only_categories_and_a_column_that_is_constant(run, tmp_path):
    rows = ["a,b,c", *(f"{'uv'[i % 2]},{'xy'[i // 2 % 2]},1" for i in range(20)), ",x,", "u,,1"]
    (tmp_path / "t.csv").write_text("\n".join(rows) + "\n")
    code, printed, err = run(tmp_path / "t.csv", "--out", tmp_path / "o.csv")
    assert code == 0, err
    assert "filled in: a (1), b (1), c (1)" in printed
    page = (tmp_path / "o.html").read_text()
    assert "<td>c</td><td>1</td><td>none, as it is constant</td><td></td><td>± 0</td>" in page


def test_the_page_lists_the_columns_with_most_gaps(run, cells, monkeypatch):
    monkeypatch.setattr("ntkmc.cli.complete_page._LISTED", 2)
    folder, frame = cells
    options = ("--out", folder / "o.csv", "--no-chained")
    assert run(folder / "cells.csv", *options)[0] == 0
    page = (folder / "o.html").read_text()
    counts = frame.drop(columns=["cell", "tissue"]).isna().sum()
    assert f"Of {(counts > 0).sum()} columns these are the 2 with most gaps." in page
    most = set(counts.sort_values(ascending=False, kind="stable").index[:2])
    assert {name for name in counts.index if f"<td>{name}</td>" in page} == most


@pytest.mark.slow
@pytest.mark.parametrize("name", ["lung", "gbsg2"])
def test_clinical_tables_are_completed_without_naming_a_column(run, data_dir, tmp_path, name):
    frame = pd.read_csv(data_dir / "tables" / f"{name}.csv", dtype=str).iloc[:48]
    if name == "lung":
        frame = frame.iloc[:, -6:]
    else:  # it has columns of text, and no gaps
        frame = frame.iloc[:, :6]
        frame = frame.mask(np.random.default_rng(0).random(frame.shape) < 0.1)
    frame.to_csv(tmp_path / "t.csv", index=False)
    code, printed, err = run(tmp_path / "t.csv", "--out", tmp_path / "o.csv")
    assert code == 0, err
    assert "left as" not in printed
    assert not pd.read_csv(tmp_path / "o.csv", dtype=str).isna().any(axis=None)
    page = (tmp_path / "o.html").read_text()
    assert "What was filled in" in page
    for column in frame.columns[frame.isna().any()]:
        assert re.search(rf"<td>{re.escape(column)}</td><td>\d+</td><td>(rows|columns) \d", page)


def test_the_page_says_which_imputer_it_leaves_out(run, cells, monkeypatch):
    monkeypatch.setattr("ntkmc.cli.complete_page._ITERATIVE_COLUMNS", 3)
    folder, _ = cells
    code, _, err = run(folder / "cells.csv", "--out", folder / "o.csv", "--no-chained")
    assert code == 0, err
    page = (folder / "o.html").read_text()
    assert "The iterative imputer is left out, as it takes too long on more than 3 columns" in page
    assert "soft-impute" in page


def test_cells_come_back_and_gaps_are_spelled_as_their_column_is(run, tmp_path):
    """Whole numbers, percent, thousands, truth values, codes and text that looks like a gap."""
    rows = range(1, 21)
    gap = {3: ("n",), 5: ("share",), 7: ("pay", "when"), 9: ("on", "x"), 11: ("big",)}
    columns = {
        "name": lambda i: ("NA", "null", "aspirin", "n/a")[i % 4],
        "n": lambda i: f"{i:03d}",
        "share": lambda i: f"{i * 2} %",
        "pay": lambda i: f'"{i * 1500:,}"',
        "on": lambda i: "TRUE" if i % 2 else "FALSE",
        "x": lambda i: f"{i}.50",
        "big": lambda i: str(9007199254740993 + 2 * i),
        "odd": lambda i: "?" if i == 2 else str(i),
        "when": lambda i: f"{i:02d}.03.2024",
        "nothing": lambda i: "",
    }
    lines = [
        ",".join("" if name in gap.get(i, ()) else cell(i) for name, cell in columns.items())
        for i in rows
    ]
    (tmp_path / "t.csv").write_bytes("\r\n".join([",".join(columns), *lines, ""]).encode())
    code, printed, err = run(tmp_path / "t.csv", "--out", tmp_path / "o.csv", "--no-report")
    assert code == 0, err
    assert "filled in: n (1), share (1), pay (1), on (1), x (1), big (1)" in printed
    assert "read: pay, '1,500' as 1500; pass --decimal , if" in printed
    assert "(name" not in printed
    assert "warning: 'NA' in column 'name' is taken for a category; pass --na NA if" in err
    assert "odd (numbers but for '?' in row 2 (line 3); pass --na '?' if that is a gap)" in printed
    assert "left as it is: when (dates)" in printed
    assert "left as it is: nothing (nothing observed)" in printed
    assert (tmp_path / "o.csv").read_bytes().count(b"\r\n") == 21
    before, after = read_text(tmp_path / "t.csv"), read_text(tmp_path / "o.csv")
    assert (after == before.where(before != "", after)).all(axis=None)
    filled = {name: after[name][row - 1] for row, names in gap.items() for name in names}
    assert re.fullmatch(r"\d{3}", filled["n"])
    assert re.fullmatch(r"\d+ %", filled["share"])
    assert re.fullmatch(r"\d+,\d{3}", filled["pay"])
    assert filled["on"] in ("TRUE", "FALSE")
    assert 5 < float(filled["x"]) < 15
    assert filled["big"].isdigit()
    assert filled["when"] == ""
    again = run(tmp_path / "t.csv", "--out", tmp_path / "o2.csv", "--no-report", "--na", "?")
    assert "odd (1)" in again[1]
    assert read_text(tmp_path / "o2.csv")["odd"][1].isdigit()


def test_a_decimal_comma_is_read_and_written(run, tmp_path):
    lines = [
        f"{i};{'' if i == 4 else f'1.{i:03d},25'};{'' if i == 6 else f'{i},5'}"
        for i in range(10, 30)
    ]
    lines[4], lines[9] = "14;;14,5", "19;1.019,25;"
    (tmp_path / "t.csv").write_text("k;v;w\n" + "\n".join(lines) + "\n")
    options = ("--out", tmp_path / "o.csv", "--no-report", "--decimal", ",")
    code, printed, err = run(tmp_path / "t.csv", *options)
    assert code == 0, err
    assert "filled in: v (1), w (1)" in printed
    after = (tmp_path / "o.csv").read_text().splitlines()
    assert re.fullmatch(r"14;\d\.\d{3},\d+;14,5", after[5])
    assert re.fullmatch(r"19;1\.019,25;\d+,\d+", after[10])
    assert [line for n, line in enumerate(after[1:]) if n not in (4, 9)] == [
        line for n, line in enumerate(lines) if n not in (4, 9)
    ]


def test_a_mark_among_categories_is_said(run, cells):
    folder, frame = cells
    frame.fillna({"kind": "NA"}).to_csv(folder / "r.csv", index=False)
    options = ("--out", folder / "o.csv", "--no-report", "--no-chained")
    _, printed, err = run(folder / "r.csv", *options)
    assert "warning: 'NA' in column 'kind' is taken for a category; pass --na NA if" in err
    assert "kind" not in printed
    _, printed, err = run(folder / "r.csv", *options, "--force", "--na", "NA")
    assert "warning" not in err
    assert "kind (" in printed


@pytest.mark.parametrize("labels", ["dates", "levels", "numbers"])
def test_row_labels_without_a_name_are_kept(run, tmp_path, labels):
    pytest.importorskip("pyarrow")
    index = {
        "dates": pd.date_range("2023-05-01", periods=40, freq="h", tz="UTC"),
        "levels": pd.MultiIndex.from_product([["b", "a"], range(20)]),
        "numbers": pd.Index(np.arange(40) * 3 % 41 / 2),
    }[labels]
    frame = pd.DataFrame(np.random.default_rng(1).normal(size=(40, 6)), index, list("uvwxyz"))
    frame.iloc[2, 1] = np.nan
    frame["when"] = pd.to_datetime([None, *["2024-02-29"] * 39])
    frame.to_parquet(tmp_path / "t.parquet")
    options = ("--no-report", "--force", "--no-chained")
    code, printed, err = run(tmp_path / "t.parquet", "--out", tmp_path / "o.parquet", *options)
    assert code == 0, err
    assert "left as it is: when (dates)" in printed
    filled = pd.read_parquet(tmp_path / "o.parquet")
    assert filled.isna().sum().to_dict() == {**dict.fromkeys("uvwxyz", 0), "when": 1}
    expected = frame.fillna({"v": filled["v"].iloc[2]})
    pd.testing.assert_frame_equal(filled, expected, check_freq=False)
    assert run(tmp_path / "o.parquet", "--out", tmp_path / "o.csv", *options)[0] == 2  # no gap
    assert run(tmp_path / "t.parquet", "--out", tmp_path / "o.csv", *options)[0] == 0
    text = pd.read_csv(tmp_path / "o.csv", index_col=list(range(index.nlevels)))
    assert [str(label) for label in text.index] == [str(label) for label in index]
    imputed = pd.read_csv(tmp_path / "o.imputed.csv")
    assert list(imputed.columns)[-3:] == ["column", "value", "std"]
    assert imputed.shape == (1, index.nlevels + 3)


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
    (folder / "folder.csv").mkdir()
    refused("folder.csv is a folder", table, "--out", folder / "folder.csv", "--force")
    refused("nothing can be written in", table, "--out", table / "o.csv")
    refused("decimal was ';'", table, *out, "--decimal", ";")
    refused("sep was ';;'; pass one character", table, *out, "--sep", ";;")
    refused("--categorical names 'knid'; the table's columns", table, *out, "--categorical", "knid")
    for name, text, words in (
        (
            "text",
            "a,b\nu,v\nu,w\n",
            "no column of numbers or categories, only text, always the same (a); names (b)",
        ),
        ("full", "a,b\n1,2\n3,4\n", "has no missing entry"),
        ("empty", "", "not a table"),
        ("twice", "a,a.1\n1,2\n", "has no missing entry"),
        ("infinite", "a,b\n1,inf\n2,\n", "column 'b' contains infinity ('inf' in row 1)"),
        ("large", "a,b,c\n1,2,\n2,-1e999,3\n", "column 'b' contains infinity ('-1e999' in row 2)"),
        ("double", "a,b,a\n1,2,3\n,,\n", "column 'a' is there twice"),
        ("odd", "v,w\n?,1\n2,1\n3,1\n", "left as they are: numbers but for '?' in row 1"),
        ("nothing", "a,b\n,\n,\n", "no observed value at all"),
    ):
        (folder / f"{name}.csv").write_text(text)
        refused(words, folder / f"{name}.csv", *out)
    (folder / "broken.npz").write_bytes(b"no")
    refused("broken.npz: not a table", folder / "broken.npz", *out)
    np.savez(folder / "two.npz", a=np.eye(2), b=np.eye(2))
    refused("it holds a, b; name the matrix 'table'", folder / "two.npz", *out)
    np.savez(folder / "dup.npz", table=np.eye(2), columns=["b", "b"])
    refused("column 'b' is there twice", folder / "dup.npz", *out)
    np.savez(folder / "short.npz", table=np.eye(2), rows=["p"])
    refused(
        "'rows' has the shape (1,); pass one for each of the 2 rows", folder / "short.npz", *out
    )
    (folder / "cut.npz").write_bytes((folder / "dup.npz").read_bytes()[:-30])
    refused("cut.npz: not a table", folder / "cut.npz", *out)
    refused("sep, decimal and na are of text files", folder / "dup.npz", *out, "--na", "?")
    (folder / "t.parquet").touch()
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    refused('pip install "ntkmc[parquet]"', folder / "t.parquet", *out)
    assert not (folder / "o.csv").exists()
