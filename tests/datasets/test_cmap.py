"""The formats of drug responses, written here as they are read there."""

import h5py
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


def test_mat_of_version_7_3(table, mat, tmp_path):
    with h5py.File(tmp_path / "large.mat", "w") as file:
        file["T"] = mat["T"].T
        for key in ("pertIds", "geneIds", "cellIds"):
            references = []
            for number, name in enumerate(mat[key][:, 0]):
                place = file.create_dataset(
                    f"#refs#/{key}{number}", data=np.array([[ord(c)] for c in name], np.uint16)
                )
                references.append(place.ref)
            file.create_dataset(key, data=np.array([references], h5py.ref_dtype))
    same(load_responses(tmp_path / "large.mat"), table)


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
        ("drug,cell,a,b\nx,1,2,\n", "is nan at gene 'b'"),
        ("", "cannot be read as a table"),
    ],
)
def test_wrong_long_tables(text, message, tmp_path):
    path = tmp_path / "wrong.csv"
    path.write_text(text)
    with pytest.raises(ValueError, match=message):
        load_responses(path)


def write_gctx(path, matrix, ids, genes, **fields):
    with h5py.File(path, "w") as file:
        file["0/DATA/0/matrix"] = matrix.astype(np.float32)
        file["0/META/ROW/id"] = np.array(genes, "S")
        file["0/META/COL/id"] = np.array(ids, "S")
        for name, values in fields.items():
            file[f"0/META/COL/{name}"] = np.array(values, "S")


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


def test_the_real_tensors(data_dir):
    responses = load_responses(data_dir / "drugs" / "l1000_drugs.mat")
    assert responses.profiles.shape == (966, 978)
    assert (len(responses.drugs), len(responses.cells)) == (244, 52)
    assert {REFERENCE, LEFT_OUT[0]} < set(responses.cells)
