"""Tables in .parquet files: filled in within their types, otherwise as they were."""

import datetime
from decimal import Decimal

import numpy as np
import pandas as pd
import pytest

from ntkmc.datasets import read_table, write_table

pa = pytest.importorskip("pyarrow")
parquet = pytest.importorskip("pyarrow.parquet")

DAY, LATE = datetime.date(2024, 1, 1), datetime.date(2300, 1, 1)
COLUMNS = {
    "name": pa.array(["a", "b", "c"]),
    "int8": pa.array([1, None, 127], pa.int8()),
    "unsigned": pa.array([1, None, 4], pa.uint16()),
    "big": pa.array([9007199254740993, None, 3], pa.int64()),
    "float": pa.array([0.1, None, 4], pa.float32()),
    "nan": pa.array([float("nan"), float("nan"), 4.0], pa.float64()),
    "decimal": pa.array([Decimal("1.10"), None, Decimal("2.25")], pa.decimal128(3, 2)),
    "truth": pa.array([True, None, False]),
    "day": pa.array([DAY, None, LATE]),
    "time": pa.array([0, None, 10**13], pa.timestamp("ms", "UTC")),
    "category": pa.array(["x", None, "y"]).dictionary_encode(),
    "text": pa.array(["NA", None, ""], pa.large_string()),
    "list": pa.array([[1], None, [2, 3]]),
    "nothing": pa.nulls(3),
}
KINDS = ["numbers"] * 6 + ["truth", "dates", "dates", "text", "text", "other", "empty"]


@pytest.fixture
def table(tmp_path):
    parquet.write_table(pa.table(COLUMNS), tmp_path / "t.parquet")
    return read_table(tmp_path / "t.parquet")


def test_columns_are_recognised(table):
    assert table.index == "name"
    assert [column.kind for column in table.columns.values()] == KINDS
    assert [name for name, column in table.columns.items() if column.whole] == [
        "int8",
        "unsigned",
        "big",
    ]
    np.testing.assert_array_equal(table.numbers["truth"], [1, np.nan, 0])
    assert table.columns["nan"].missing.tolist() == [True, True, False]


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("int8", -2.4, -2),
        ("int8", -300.0, -128),
        ("unsigned", -7.0, 0),
        ("big", 6.6, 7),
        ("float", 0.25, 0.25),
        ("nan", 0.3, 0.3),
        ("decimal", 1.234, Decimal("1.23")),
        ("decimal", -12.0, Decimal("-9.99")),
        ("truth", True, True),
        ("day", LATE, LATE),
        ("category", "y", "y"),
        ("text", "", ""),
    ],
)
def test_types_are_kept(table, tmp_path, name, value, expected):
    completed = table.filled({name: np.array([value] * 3, object)})
    write_table(tmp_path / "o.parquet", completed)
    before, after = pa.table(COLUMNS), parquet.read_table(tmp_path / "o.parquet")
    assert after.schema.equals(before.schema)
    assert completed.cells(name)[1] == after.column(name)[1].as_py() == expected
    for other in COLUMNS:
        if other != name:
            assert after.column(other).to_pylist()[1] in (None, "b") or other == "nan"
        unchanged = [0, 2] if (other, name) != ("nan", "nan") else [2]
        for row in unchanged:
            assert str(after.column(other)[row].as_py()) == str(before.column(other)[row].as_py())


def test_pandas_types_and_order_are_kept(tmp_path):
    frame = pd.DataFrame(
        {
            "whole": pd.array([1, None, 3], "Int64"),
            "on": pd.array([True, None, False], "boolean"),
            "kind": pd.Categorical(["b", None, "a"], ["b", "a", "unused"], ordered=True),
            "when": pd.to_datetime(["2024-01-01", None, "2024-01-03"]),
        },
        index=pd.RangeIndex(5, 8),
    )
    frame.to_parquet(tmp_path / "t.parquet")
    table = read_table(tmp_path / "t.parquet")
    values = {"whole": [0, 1.6, 0], "on": [None, True, None], "kind": [None, "a", None]}
    filled = table.filled({name: np.array(v, object) for name, v in values.items()})
    write_table(tmp_path / "o.parquet", filled)
    expected = frame.fillna({"whole": 2, "on": True, "kind": "a"})
    pd.testing.assert_frame_equal(pd.read_parquet(tmp_path / "o.parquet"), expected)
    write_table(tmp_path / "o.csv", filled)
    assert (tmp_path / "o.csv").read_text().splitlines() == [
        ",whole,on,kind,when",
        "5,1,True,b,2024-01-01",
        "6,2,True,a,",
        "7,3,False,a,2024-01-03",
    ]


def test_two_columns_of_one_name_are_refused(tmp_path):
    column = pa.array([1.0, None])
    parquet.write_table(pa.table([column, column], names=["a", "a"]), tmp_path / "t.parquet")
    with pytest.raises(ValueError, match=r"t.parquet: not a table: column 'a' is there twice"):
        read_table(tmp_path / "t.parquet")
