"""Tables in text files and matrices: read as what they are, written back as they were."""

import csv
import io
import warnings

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ntkmc.datasets import read_table, write_table


@pytest.fixture
def read(tmp_path):
    def read(content, **options):
        raw = content if isinstance(content, bytes) else content.encode()
        (tmp_path / "t.csv").write_bytes(raw)
        return read_table(tmp_path / "t.csv", **options)

    return read


def one(read, cells, **options):
    """A column of the cells, beside one that is of no interest."""
    stream = io.StringIO()
    csv.writer(stream, lineterminator="\n").writerows([("w", "v"), *(("1", c) for c in cells)])
    return read(stream.getvalue(), **options).columns["v"]


def test_row_labels(read):
    assert read("id,x\n7,1\n8,\n").index == "id"
    assert read("year,x\n7,1\n8,\n").index is None
    assert read("name,x\na,1\na,2\n").text == ("name",)
    assert read("day,x\n2024-01-01,1\n2024-01-02,\n").index == "day"
    assert read("ID,x\n007,1\n010,\n").labels.tolist() == ["007", "010"]
    assert read(",x\n3,1\n5,\n").labels.tolist() == [3, 5]
    assert read(",,x\na,1,1\na,2,\n").labels.tolist() == [("a", 1), ("a", 2)]
    assert read("x,y\ng 1,1,NA\ng 2,3,4\n").labels.tolist() == ["g 1", "g 2"]
    assert read('"x" "y"\n"g 1" 1 NA\n"g 2" 3 4\n').labels.tolist() == ["g 1", "g 2"]
    for odd in ("?", "unknown", "-"):
        table = read(f"age,x\n31,1\n{odd},2\n45,\n")
        assert table.index is None
        assert table.columns["age"].kind == "mixed"


@pytest.mark.parametrize(
    ("cells", "options", "values"),
    [
        (["1,234", "12", "1,234,567.5", ""], {}, [1234, 12, 1234567.5]),
        (["1'234.5", "2'000", "n/a"], {}, [1234.5, 2000]),
        (["1 234", "-5 000", " "], {}, [1234, -5000]),
        (["12,5", "-0,25", ",5", "1e3", ""], {"decimal": ","}, [12.5, -0.25, 0.5, 1000]),
        (["1.234,5", "7", "#N/A"], {"decimal": ","}, [1234.5, 7]),
        (["5%", "12.5 %", "NULL"], {}, [5, 12.5]),
        (["+3", "-.5", "1E-3", "<NA>"], {}, [3, -0.5, 0.001]),
        (["-999", "4", "?", "missing"], {"na": ["?", "-999", "missing"]}, [4]),
        (["007", "010", "NaN"], {}, [7, 10]),
    ],
)
def test_numbers(read, cells, options, values):
    column = one(read, cells, **options)
    assert column.kind == "numbers"
    assert column.numbers[~column.missing].tolist() == values
    assert np.isnan(column.numbers[column.missing]).all()
    assert column.missing.any()


@pytest.mark.parametrize(
    ("cells", "kind", "why"),
    [
        (["1", "2", "?", "x", "3"], "mixed", "numbers but for '?' in row 3 (line 4) and 1 other"),
        (["5%", "7", "8%"], "mixed", "numbers with % but for '7' in row 2 (line 3)"),
        (["1,234", "5", "12 34"], "mixed", "numbers but for '12 34' in row 3 (line 4)"),
        (["12", "12,5"], "mixed", "'12,5' in row 2 (line 3); pass --decimal , if"),
        (["1_000", "2", "3"], "mixed", "numbers but for '1_000'"),
        (["a", "b", "3"], "text", "text"),
        (["NA", "null", "aspirin"], "text", "text"),
        (["50-78-2", "110-54-3", "50-78-2"], "text", "text"),
        (["2024-01-31", "", "1999-12-01"], "dates", "dates"),
        (["31.1.2024 12:30", "1.12.99"], "dates", "dates"),
        (["True", "", "FALSE", "NA"], "truth", "truth values"),
        (["", "NA"], "empty", "nothing observed"),
    ],
)
def test_what_is_no_column_of_numbers(read, cells, kind, why):
    column = one(read, cells)
    assert column.kind == kind
    if kind == "truth":
        np.testing.assert_array_equal(column.numbers, [1, np.nan, 0, np.nan])
    assert column.why.startswith(why)
    blank = [cell == "" or (cell == "NA" and kind != "text") for cell in cells]
    assert column.missing.tolist() == blank


@pytest.mark.parametrize(
    ("cells", "options", "value", "spelled"),
    [
        (["3", "", "4"], {}, 3.6, "4"),
        (["003", "", "104"], {}, 7.2, "007"),
        (["-5%", "", "6%"], {}, 12.4, "12%"),
        (["5.5 %", "", "6.25 %"], {}, 12.375, "12.375 %"),
        (["1,000", "", "2,500"], {}, -1234567.2, "-1,234,567"),
        (["1.000,5", "", "2,5"], {"decimal": ","}, 1234.5678, "1.234,5678"),
        (["0.5", "", "1e-9"], {}, 0.1 + 0.2, "0.30000000000000004"),
        (["9007199254740993", "?", "1"], {"na": ["?"]}, 2**60, str(2**60)),
        (["YES", "", "TRUE"], {}, "YES", "YES"),
        (["true", "NA", "FALSE"], {}, True, "true"),
    ],
)
def test_what_is_filled_in_is_spelled_as_the_column(read, cells, options, value, spelled):
    stream = io.StringIO()
    csv.writer(stream).writerows([("v", "w"), *((cell, "00") for cell in cells)])
    table = read(stream.getvalue(), **options)
    completed = table.filled({"v": np.array([None, value, None], object)})
    assert list(completed.cells("v")) == [cells[0], spelled, cells[2]]
    assert list(completed.cells("w")) == ["00"] * 3
    assert list(table.cells("v")) == cells
    if not isinstance(value, str | bool):
        assert completed.numbers["v"].iloc[1] == pytest.approx(value, abs=0.5)


@pytest.mark.parametrize(
    "raw",
    [
        "naïve,x\nà,1\nb,\n".encode("cp1252"),
        "\ufeffa,x\r\nu,1\r\nv,\r\n".encode(),
        "a\tb\n3,5\t1\n2\t\n".encode("utf-16"),
        b"k;v;w\n1;2;a, b\n3;;c\n",
        b'a|b\n"two\nlines"|1\n"a | b"|\n',
        b"a,b\r1,2\r3,\r",
        b"x, y ,z\n 1 ,,3\n2, 5,NA\n",
    ],
    ids=["latin", "mark", "utf-16", "semicolon", "quoted", "old-mac", "blanks"],
)
def test_files_are_written_as_they_were(read, raw, tmp_path):
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        table = read(raw)
    assert [str(one.message)[-35:] for one in said] == (
        ["is not in UTF-8; it was read as cp1252"[-35:]] if b"na\xef" in raw else []
    )
    assert sum(column.missing.sum() for column in table.columns.values()) in (1, 2)
    write_table(tmp_path / "o.csv", table)
    assert (tmp_path / "o.csv").read_bytes() == raw


def test_separators_at_the_end_make_no_column(read):
    for text in ("a,b,\n1,2,\n3,,\n", "a,b\n1,2,\n3,,\n", "a,b,,\n1,2\n3,,,\n"):
        table = read(text)
        assert list(table.columns) == ["a", "b"]
        assert table.labels.tolist() == [0, 1]
    assert list(read("a,,b\n1,2,3\n1,,4\n").columns) == ["a", "Unnamed: 1", "b"]
    assert read("a,b\n\n1,2\n\n3,\n\n").numbers["a"].tolist() == [1, 3]
    np.testing.assert_array_equal(read("a\n1\n\n3\n\n").numbers["a"], [1, np.nan, 3])
    with pytest.raises(ValueError, match="line 3 has 3 cells and the header 2"):
        read("a,b\n1,2\n3,4,5\n")
    with pytest.raises(ValueError, match="check its quotes"):
        read('a,b\n"1,2\n3,4\n')
    with pytest.raises(ValueError, match="it is no text file"):
        read(b"PK\x03\x04\x00")
    assert list(read("a;b,c\n1;2,3\n1;2,4\n", sep=",").columns) == ["a;b", "c"]


words = st.text(st.characters(codec="utf-8", exclude_characters="\r\n\0"), max_size=6)
cells = st.one_of(words, st.sampled_from(["", "NA", "1", "2.50", "1,5", "07", "True", '"', "é;"]))


@settings(deadline=None, derandomize=True, max_examples=60)
@given(st.lists(st.tuples(cells, cells, cells), min_size=2, max_size=5))
def test_all_cells_come_back(tmp_path_factory, rows):
    folder = tmp_path_factory.mktemp("t")
    stream = io.StringIO(newline="")
    csv.writer(stream).writerows([("a", "b", "c"), *rows])
    (folder / "t.csv").write_bytes(stream.getvalue().encode())
    table = read_table(folder / "t.csv", sep=",")
    write_table(folder / "o.csv", table)
    with (folder / "o.csv").open(newline="", encoding="utf-8") as written:
        assert [tuple(row) for row in csv.reader(written)] == [("a", "b", "c"), *rows]


def test_other_formats_get_the_types(read, tmp_path):
    pytest.importorskip("pyarrow")
    table = read(
        "key,n,big,x,p,on,t\n"
        'a,3,9007199254740993,0.5,5%,True,NA\nb,,2,,"1,000%",,\nc,5,3,1.5,7%,False,u\n'
    )
    write_table(tmp_path / "t.parquet", table)
    frame = pd.read_parquet(tmp_path / "t.parquet")
    assert frame.index.tolist() == ["a", "b", "c"]
    assert frame.index.name == "key"
    assert frame["n"].tolist() == [3, pd.NA, 5]
    assert frame["big"].tolist() == [9007199254740993, 2, 3]
    assert [frame[name].dtype.kind for name in ("big", "x", "p")] == list("ifi")
    assert frame["p"].tolist() == [5, 1000, 7]
    assert frame["on"].tolist() == [True, pd.NA, False]
    assert frame["t"].isna().tolist() == [False, True, False]
    assert frame["t"].iloc[0] == "NA"
    with pytest.raises(ValueError, match=r"holds numbers alone, and column 't' .* is text"):
        write_table(tmp_path / "t.npz", table)
    write_table(tmp_path / "t.tsv", table)
    assert read_table(tmp_path / "t.tsv").cells("p") == ["5%", "1,000%", "7%"]
    assert (tmp_path / "t.tsv").read_text().startswith("key\tn\tbig\t")


@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".parquet", ".npz"])
def test_formats_keep_values_and_labels(suffix, read, tmp_path):
    if suffix == ".parquet":
        pytest.importorskip("pyarrow")
    write_table(tmp_path / f"table{suffix}", read("row,x,y\np,1.5,0.0\nq,,2.0\n"))
    table = read_table(tmp_path / f"table{suffix}")
    frame = pd.DataFrame({"x": [1.5, np.nan], "y": [0.0, 2.0]}, pd.Index(["p", "q"], name="row"))
    pd.testing.assert_frame_equal(table.numbers, frame, check_index_type=False)
    assert table.index == "row"
    assert table.text == ()


def test_matrices_keep_their_type_and_names(tmp_path):
    matrix = np.array([[1, np.nan], [0.1, 3]], np.float32)
    rows = np.array(["2024-01-01", "2024-01-02"], "datetime64[D]")
    np.savez(tmp_path / "t.npz", ic50=matrix, rows=rows)
    table = read_table(tmp_path / "t.npz")
    completed = table.filled({"1": np.array([9.0, 0.25])})
    write_table(tmp_path / "o.npz", completed)
    with np.load(tmp_path / "o.npz") as stored:
        assert stored["ic50"].dtype == np.float32
        np.testing.assert_array_equal(stored["ic50"], np.where(np.isnan(matrix), 9, matrix))
        np.testing.assert_array_equal(stored["rows"], rows)
    np.save(tmp_path / "bare.npy", matrix)
    (tmp_path / "bare.npy").rename(tmp_path / "bare.npz")
    with pytest.raises(ValueError, match="one array without a name"):
        read_table(tmp_path / "bare.npz")
    np.savez(tmp_path / "bare.npz", matrix)
    assert np.isnan(read_table(tmp_path / "bare.npz").numbers.iloc[0, 1])
