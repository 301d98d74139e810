"""The formats of drug responses, written here as they are read there."""

import h5py
import hypothesis
import hypothesis.strategies as st
import numpy as np
import pandas as pd
import pytest
import scipy.io
from responses import draw

from ntkmc.datasets.cmap import LEFT_OUT, REFERENCE, load_responses


def same(read, responses):
    """Whether two tables hold the same profiles under the same names."""
    assert read.genes == responses.genes
    order = [read.drugs.index(responses.drugs[drug]) for drug in responses.drug]
    lines = [read.cells.index(responses.cells[cell]) for cell in responses.cell]
    assert len(read) == len(responses)
    np.testing.assert_allclose(
        read.profiles[read.places()[order, lines]], responses.profiles, rtol=1e-6
    )


def by_pair(read):
    """The values at the only gene, by drug and cell line."""
    places = zip(read.drug, read.cell, strict=True)
    pairs = [(read.drugs[drug], read.cells[cell]) for drug, cell in places]
    return dict(zip(pairs, read.profiles[:, 0].tolist(), strict=True))


def cellstr(names):
    """Names as MATLAB's cell array of strings."""
    array = np.empty((len(names), 1), object)
    array[:, 0] = names
    return array


@pytest.fixture
def table():
    return draw()[0]


@pytest.fixture
def mat(table):
    return {
        "T": table.tensor(),
        "pertIds": cellstr(table.drugs),
        "geneIds": cellstr(table.genes),
        "cellIds": cellstr(table.cells),
    }


def test_mat(table, mat, tmp_path):
    scipy.io.savemat(tmp_path / "large.mat", mat)
    same(load_responses("large.mat", tmp_path), table)


def write_new_mat(path, mat):
    """MATLAB 7.3: cells by reference, matrices of characters and of numbers as they are."""

    def characters(text):
        return np.array([ord(character) for character in text], np.uint16)

    with h5py.File(path, "w") as file:
        file["T"] = mat["T"].T
        for key in ("pertIds", "geneIds", "cellIds"):
            if mat[key].dtype != object:
                text = mat[key].dtype.kind == "U"
                file[key] = np.array([*map(characters, mat[key])]).T if text else mat[key][None]
                continue
            references = []
            for number, name in enumerate(mat[key][:, 0]):
                values = characters(name)[:, None] if isinstance(name, str) else np.array([[name]])
                empty = not values.size
                values = np.zeros(2, np.uint64) if empty else values
                place = file.create_dataset(f"#refs#/{key}{number}", data=values)
                if empty:
                    place.attrs["MATLAB_empty"] = np.uint8(1)
                references.append(place.ref)
            file.create_dataset(key, data=np.array([references], h5py.ref_dtype))


def test_mat_of_version_7_3(table, mat, tmp_path):
    write_new_mat(tmp_path / "large.mat", mat)
    same(load_responses(tmp_path / "large.mat"), table)


@pytest.mark.parametrize("write", [scipy.io.savemat, write_new_mat])
def test_names_in_mat(write, mat, tmp_path):
    """Texts as they are; numbers, of a cell array or a vector, without a point."""
    path = tmp_path / "large.mat"
    drugs = ["NA", "None", "nan", 7.0, "10 µM", " x ", "666", "y"]
    cells = np.array(["A375", "NULL", "MCF7", "PC3 "])
    cells = np.array([f"{cell:<4}" for cell in cells])
    write(path, {**mat, "pertIds": cellstr(drugs), "geneIds": np.arange(12.0), "cellIds": cells})
    read = load_responses(path)
    assert read.drugs == ("NA", "None", "nan", "7", "10 µM", "x", "666", "y")
    assert read.genes == tuple(map(str, range(12)))
    assert read.cells == ("A375", "NULL", "MCF7", "PC3")
    for missing in ("", "-666", np.nan):
        write(path, {**mat, "pertIds": cellstr(["a", missing, *"cdefgh"])})
        with pytest.raises(ValueError, match=r"large.mat: drugs\[1\] has no name"):
            load_responses(path)


def test_wrong_layouts_of_mat(table, mat, tmp_path):
    path = tmp_path / "wrong.mat"

    def refused(message, **changed):
        scipy.io.savemat(path, {k: v for k, v in {**mat, **changed}.items() if v is not None})
        with pytest.raises(ValueError, match=message):
            load_responses(path)

    refused(r"has no cellIds; it holds T, pertIds, geneIds, and has to hold T", cellIds=None)
    refused(r"T is \(8, 4, 12\) and geneIds has 12 names", T=mat["T"].transpose(0, 2, 1))
    refused(r"T is .* \(8, 48\); it has to be a tensor", T=mat["T"].reshape(8, 48))
    refused(r"T is int64 .*; it has to be a tensor", T=np.ones((8, 12, 4), np.int64))
    partly = mat["T"].copy()
    partly[0, 0, 0] = np.nan
    refused(r"lacks 1 of 12 genes", T=partly)
    refused(
        r"pertIds holds float64 of shape \(2,\) at place 0", pertIds=cellstr([[1, 2.5], *"bcdefgh"])
    )
    scipy.io.savemat(path, mat, do_compression=True)
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(ValueError, match="cannot be read as a MATLAB file"):
        load_responses(path)
    with h5py.File(path, "w") as file:
        for key in mat:
            file.create_group(key)
    with pytest.raises(ValueError, match="T is a structure"):
        load_responses(path)
    path.write_bytes(b"not a matrix at all, but long enough to look at " * 9)
    with pytest.raises(ValueError, match="cannot be read as a MATLAB file"):
        load_responses(path)


@pytest.mark.parametrize("suffix", ["csv", "tsv", "parquet"])
def test_long_tables(table, suffix, tmp_path):
    frame = pd.DataFrame(table.profiles, columns=list(table.genes))
    frame.insert(0, "cell_id", [table.cells[cell] for cell in table.cell])
    frame.insert(0, "pert_iname", [table.drugs[drug] for drug in table.drug])
    path = tmp_path / f"long.{suffix}"
    if suffix == "parquet":
        frame.to_parquet(path)
    else:
        frame.to_csv(path, index=False, sep="\t" if suffix == "tsv" else ",")
    same(load_responses(path), table)


def test_replicates_are_averaged_and_empty_rows_left_out(tmp_path):
    path = tmp_path / "long.csv"
    path.write_text("drug,cell,a,b\nx,1,2,4\nx,1,4,8\ny,1,,\ny,2,5,6\n")
    read = load_responses(path)
    assert (read.drugs, read.cells, read.genes) == (("x", "y"), ("1", "2"), ("a", "b"))
    np.testing.assert_array_equal(read.profiles, [[3, 6], [5, 6]])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("drug,line,a\nx,1,2\n", r"one column has to be called cell or cell_line .* has none"),
        ("drug,pert_id,cell,a\nx,x,1,2\n", "the table has 'drug', 'pert_id'"),
        ("drug,cell,a,note\nx,1,2,good\n", r"column 'note' is .*, not numbers"),
        ("drug,cell\nx,1\n", "has no genes beside 'drug' and 'cell'"),
        ("drug,cell,a\n,1,2\n", "row 0 has no drug"),
        ("drug,cell,a\nx,1,2\n-666|-666,1,2\n", "row 1 has no drug"),
        ("drug,cell,a\nx,1,2\ny, ,2\n", "row 1 has no cell"),
        ("drug,cell,a\n", "holds no profiles"),
        ("drug,cell,a\nx,1,\n", "holds no profiles"),
        ("drug,cell,a,b,a\nx,1,2,3,4\n", "column 'a' is there twice"),
        ("drug,cell,a,\nx,1,2,3\n", "column 4 has no name"),
        ("drug,cell,a\nx,y,z,1,2\n", "rows have more fields than the header"),
        ("drug,cell,a\nx,y,1,2\nx,z,1,2\n", "rows have more fields than the header"),
        ("drug,cell,a\nx,1,2\nx,y,1,2\n", "cannot be read as a table: .*Expected 3 fields"),
        ("drug,cell,a,b\nx,1,2,\n", "is nan at gene 'b'"),
        ("", "cannot be read as a table"),
    ],
)
def test_wrong_long_tables(text, message, tmp_path):
    path = tmp_path / "wrong.csv"
    path.write_text(text)
    with pytest.raises(ValueError, match=message):
        load_responses(path)


NAMES = ("NA", "None", "nan", "NULL", "n/a", "007", "7", "1e2", "100", "10 µM", "Ünal")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "latin-1"])
@pytest.mark.parametrize("suffix", ["csv", "tsv"])
def test_names_in_long_tables_are_as_they_are_written(suffix, encoding, tmp_path):
    """As pandas writes them with their row labels, which are no gene."""
    frame = pd.DataFrame({"drug": NAMES, "cell_line": NAMES[::-1], "NA": np.arange(11.0)})
    path = tmp_path / f"long.{suffix}"
    frame.to_csv(path, sep="\t" if suffix == "tsv" else ",", encoding=encoding)
    read = load_responses(path)
    assert read.genes == ("NA",)
    assert by_pair(read) == {
        pair: float(value) for value, pair in enumerate(zip(NAMES, reversed(NAMES), strict=True))
    }


@hypothesis.settings(max_examples=30, deadline=None, derandomize=True)
@hypothesis.given(
    drugs=st.lists(
        st.text(st.characters(categories=("L", "N", "P", "S", "Zs")), min_size=1)
        .map(str.strip)
        .filter(bool),
        min_size=2,
        max_size=6,
        unique=True,
    )
)
def test_any_text_is_a_name(drugs, tmp_path_factory):
    """Commas, quotes and all alphabets, in tables of profiles and of signatures."""
    folder = tmp_path_factory.mktemp("names")
    count = range(len(drugs))
    frame = pd.DataFrame({"sig_id": [f"S{n}" for n in count], "pert_iname": drugs, "cell_id": "A"})
    frame.to_csv(folder / "info.txt", sep="\t", index=False)
    write_gctx(folder / "a.gctx", np.array(count, float)[:, None], frame["sig_id"], ["g"])
    frame.assign(sig_id=count).to_csv(folder / "a.csv", index=False)
    expected = {(drug, "A"): float(n) for n, drug in enumerate(drugs)}
    assert by_pair(load_responses(folder / "a.gctx", signatures=folder / "info.txt")) == expected
    assert by_pair(load_responses(folder / "a.csv")) == expected


def test_names_in_parquet(tmp_path):
    path = tmp_path / "long.parquet"
    frame = pd.DataFrame({"drug": pd.Categorical(["NA", " x "]), "cell": [7.0, 8.5], "a": [1, 2]})
    frame.set_index(["drug", "cell"]).to_parquet(path)
    read = load_responses(path)
    assert (read.drugs, read.cells, read.genes) == (("NA", "x"), ("7", "8.5"), ("a",))
    frame.assign(cell=[7, np.nan]).to_parquet(path)
    with pytest.raises(ValueError, match="row 1 has no cell"):
        load_responses(path)


def test_row_labels_of_r_are_no_gene(tmp_path):
    """`write.table` writes no name above them."""
    path = tmp_path / "long.tsv"
    path.write_text("drug\tcell\ta\n1\tx\tNA\t3\n2\ty\tNA\t4\n")
    read = load_responses(path)
    assert (read.drugs, read.cells, read.genes) == (("x", "y"), ("NA",), ("a",))
    np.testing.assert_array_equal(read.profiles, [[3], [4]])


def write_gctx(path, matrix, ids, genes, **fields):
    def stored(values):
        encoded = [v.encode("latin-1") if isinstance(v, str) else v for v in values]
        return np.array(encoded)

    with h5py.File(path, "w") as file:
        file["0/DATA/0/matrix"] = matrix.astype(np.float32)
        file["0/META/ROW/id"] = stored(genes)
        file["0/META/COL/id"] = stored(ids)
        for name, values in fields.items():
            file[f"0/META/COL/{name}"] = stored(values)


@pytest.fixture
def signatures(table):
    """Ids as LINCS has them, drug|dose|time, and the profiles under those names."""
    ids = [
        f"CPC00{n % 3}_{table.cells[c].replace(' ', '')}_24H:{table.drugs[d]}:10"
        for n, (d, c) in enumerate(zip(table.drug, table.cell, strict=True))
    ]
    names = {
        "drugs": tuple(f"{drug}|10|24H" for drug in table.drugs),
        "cells": tuple(cell.replace(" ", "") for cell in table.cells),
    }
    return ids, type(table)(table.profiles, table.drug, table.cell, genes=table.genes, **names)


def test_gctx_by_the_names_of_its_signatures(table, signatures, tmp_path):
    ids, expected = signatures
    write_gctx(tmp_path / "level5.gctx", table.profiles, ids, table.genes)
    same(load_responses(tmp_path / "level5.gctx"), expected)
    some = load_responses(
        tmp_path / "level5.gctx", genes=["gene 3", "gene 1"], cells=["cell2", "cell0"]
    )
    assert (some.genes, some.cells) == (("gene 1", "gene 3"), ("cell0", "cell2"))
    kept = np.isin(table.cell, [0, 2])
    assert len(some) == kept.sum()
    np.testing.assert_allclose(
        np.sort(some.profiles[:, 1]), np.sort(table.profiles[kept, 3]), rtol=1e-6
    )


def test_gctx_by_its_fields_and_by_a_table(table, tmp_path):
    path = tmp_path / "level5.gctx"
    ids = [f"signature {number}" for number in range(len(table))]
    drug = [table.drugs[place] for place in table.drug]
    cell = [table.cells[place] for place in table.cell]
    write_gctx(path, table.profiles, ids, table.genes, pert_iname=drug, cell_id=cell)
    same(load_responses(path), table)

    write_gctx(path, table.profiles, ids, table.genes)
    with pytest.raises(ValueError, match=r"signature 'signature 0' does not say its drug"):
        load_responses(path)
    info = pd.DataFrame({"sig_id": ids, "pert_id": drug, "cell_id": cell}).iloc[::-1]
    info.to_csv(tmp_path / "sig_info.txt", sep="\t", index=False)
    same(load_responses(path, signatures=tmp_path / "sig_info.txt"), table)
    info.iloc[1:].to_csv(tmp_path / "short.txt", sep="\t", index=False)
    with pytest.raises(ValueError, match="lacks 1 of the"):
        load_responses(path, signatures=tmp_path / "short.txt")
    info.drop(columns="cell_id").to_csv(tmp_path / "short.txt", sep="\t", index=False)
    with pytest.raises(ValueError, match="has no column cell_id"):
        load_responses(path, signatures=tmp_path / "short.txt")


FOUR = ["S1", "S2", "S3", "S4"]
NAMED = {
    "cell_id": ["A375", "A549", "MCF7", "MCF10A"],
    "pert_iname": ["vorinostat", "vemurafenib", "NA", "-6666"],
    "pert_idose": ["10 µM", "-666", "1 µM", ""],
    "pert_itime": ["24 h", "-666.0|-666.0", "", "6 h"],
}
WHOLE = ("vorinostat|10 µM|24 h", "vemurafenib", "NA|1 µM", "-6666|6 h")


@pytest.fixture(params=["fields", "utf-8", "utf-8-sig", "latin-1"])
def load_four(request, tmp_path):
    """Reads four signatures of one gene: named by fields in the file, or by a table beside it."""

    def load(**changed):
        fields = {key: values for key, values in {**NAMED, **changed}.items() if values is not None}
        path, table = tmp_path / "four.gctx", None
        inside = fields if request.param == "fields" else {}
        write_gctx(path, np.arange(4.0)[:, None], FOUR, ["g"], **inside)
        if not inside:
            table = tmp_path / "sig_info.txt"
            frame = pd.DataFrame({"sig_id": FOUR, **fields}).iloc[::-1]
            frame.to_csv(table, sep="\t", index=False, encoding=request.param)
        return by_pair(load_responses(path, signatures=table))

    return load


def test_what_is_missing_of_a_signature_is_left_out_of_its_name(load_four, recwarn):
    places = dict(zip(zip(WHOLE, NAMED["cell_id"], strict=True), range(4), strict=True))
    assert load_four() == places
    # A drug without a name has its number.
    ids = ["BRD-1", "-666", "BRD-3", "BRD-4"]
    read = load_four(pert_iname=["vorinostat", "vemurafenib", "", "-666"], pert_id=ids)
    assert [drug for drug, _ in read] == ["BRD-3|1 µM", "BRD-4|6 h", WHOLE[1], WHOLE[0]]
    assert not recwarn.list


@pytest.mark.parametrize(
    ("changed", "left", "first"),
    [
        ({"pert_iname": ["vorinostat", "", "NA", "-666"]}, (0, 2), "2 of 4 .* such as 'S2'"),
        ({"cell_id": ["A375", "A549", "-666.000", "MCF10A"]}, (0, 1, 3), "1 of 4 .* such as 'S3'"),
        ({"cell_id": ["-666 -666", "A549", " ", "A549"]}, (1, 3), "2 of 4 .* such as 'S1'"),
    ],
)
def test_signatures_without_a_drug_or_a_cell_line_are_left_out(load_four, changed, left, first):
    with pytest.warns(UserWarning, match=first):
        read = load_four(**changed)
    assert sorted(read.values()) == list(left)
    assert {drug for drug, _ in read} == {WHOLE[place] for place in left}
    with (
        pytest.warns(UserWarning, match="4 of 4 signatures are left out"),
        pytest.raises(ValueError, match=r"four.gctx holds no profiles"),
    ):
        load_four(cell_id=["-666"] * 4)


def test_a_name_that_may_mean_two_drugs_is_refused(load_four):
    one = {"pert_iname": ["x"] * 4, "pert_itime": ["24", "", "6", "6"]}
    with pytest.raises(ValueError, match=r"would both be called 'x\|24'; pass signatures"):
        load_four(pert_idose=["", "24", "1", "1"], **one)
    assert len(load_four(pert_idose=["", "24 µM", "1", "1"], **one)) == 4


def test_gctx_with_fields_of_numbers(tmp_path):
    numbers = {"pert_iname": [7, 7, 8, 9], "pert_itime": [24.0, np.nan, 6.5, -666.0]}
    write_gctx(tmp_path / "a.gctx", np.eye(4), FOUR, "abcd", cell_id=["A"] * 4, **numbers)
    assert load_responses(tmp_path / "a.gctx").drugs == ("7", "7|24", "8|6.5", "9")
    write_gctx(tmp_path / "a.gctx", np.eye(4), FOUR, "abcd", cell_id=["A"] * 3, **numbers)
    with pytest.raises(ValueError, match="/0/META/COL/cell_id has 3 values for 4 signatures"):
        load_responses(tmp_path / "a.gctx")


def test_gctx_in_latin_1(tmp_path):
    """Ids of signatures and of genes, and -666 for a dose."""
    ids = ["CPC_A375_6H:BRD-1:10 µM", "CPC_A375_6H:BRD-1:-666", "CPC_A375_24H:NA"]
    write_gctx(tmp_path / "a.gctx", np.eye(3, 2), ids, ["gén", "NA"])
    read = load_responses(tmp_path / "a.gctx", genes=["gén"])
    assert read.drugs == ("BRD-1|10 µM|6H", "BRD-1|6H", "NA|24H")
    assert read.genes == ("gén",)
    for genes, message in ((["g", "g"], "genes holds 'g' twice"), (["g", ""], "genes.1. has no")):
        write_gctx(tmp_path / "a.gctx", np.eye(3, 2), ids, genes)
        with pytest.raises(ValueError, match=message):
            load_responses(tmp_path / "a.gctx")


def test_a_table_that_names_a_signature_twice(tmp_path):
    write_gctx(tmp_path / "a.gctx", np.eye(2), ["S1", "S2"], ["g", "h"])
    table = "sig_id,pert_iname,cell_id\nS1,x,A\nS2,y,A\nS1,x,A\nS3,x,A\nS3,y,A\n"
    (tmp_path / "info.csv").write_text(table)
    assert len(load_responses(tmp_path / "a.gctx", tmp_path, signatures="info.csv")) == 2
    (tmp_path / "info.csv").write_text(table + "S2,z,A\n")
    with pytest.raises(ValueError, match="signature 'S2' is there twice and not the same"):
        load_responses(tmp_path / "a.gctx", tmp_path, signatures="info.csv")
    (tmp_path / "info.csv").write_text("")
    with pytest.raises(ValueError, match=r"info.csv cannot be read as a table: "):
        load_responses(tmp_path / "a.gctx", tmp_path, signatures="info.csv")
    with pytest.raises(FileNotFoundError, match=r"no file at none.csv or "):
        load_responses(tmp_path / "a.gctx", tmp_path, signatures="none.csv")


def test_wrong_gctx(table, signatures, tmp_path):
    path = tmp_path / "wrong.gctx"
    write_gctx(path, table.profiles.T, signatures[0], table.genes)
    with pytest.raises(ValueError, match=r"matrix is \(12, \d+\) for \d+ signatures and 12 genes"):
        load_responses(path)
    with h5py.File(path, "w") as file:
        file["matrix"] = table.profiles
    with pytest.raises(ValueError, match=r"has no /0/DATA/0/matrix"):
        load_responses(path)
    path.write_text("text")
    with pytest.raises(ValueError, match="cannot be read as a gctx"):
        load_responses(path)


def test_files_that_are_not_there_or_of_no_kind(table, mat, tmp_path, monkeypatch):
    monkeypatch.delenv("NTKMC_DATA", raising=False)
    with pytest.raises(FileNotFoundError, match=r"no file at large.mat or .*; pass its path"):
        load_responses("large.mat", tmp_path)
    (tmp_path / "large.xlsx").touch()
    with pytest.raises(ValueError, match=r"of no known kind; pass .mat, .gctx, .csv"):
        load_responses(tmp_path / "large.xlsx")
    scipy.io.savemat(tmp_path / "large.mat", mat)
    monkeypatch.setenv("NTKMC_DATA", str(tmp_path))
    with pytest.raises(ValueError, match=r"genes: 'TP53' is not in the file \(1 of 2"):
        load_responses("large.mat", genes=["gene 1", "TP53"])
    with pytest.raises(ValueError, match=r"signatures was 'info\.txt'"):
        load_responses("large.mat", signatures="info.txt")
    with pytest.raises(ValueError, match="cells was 'MCF7'; pass a list of names"):
        load_responses("large.mat", cells="MCF7")


def test_the_real_tensors(data_dir):
    responses = load_responses(data_dir / "drugs" / "l1000_drugs.mat")
    assert responses.profiles.shape == (966, 978)
    assert (len(responses.drugs), len(responses.cells)) == (244, 52)
    assert {REFERENCE, LEFT_OUT[0]} < set(responses.cells)
