"""LINCS ``.gctx`` files: HDF5 with one column a signature and one row a gene.

``/0/DATA/0/matrix``  (signatures, genes): HDF5 has the axes the other way round
``/0/META/ROW/id``    genes, and other fields of them beside it
``/0/META/COL/id``    signatures, and in some releases ``cell_id``, ``pert_iname``, ... beside it

A signature is named plate_cell_time[_replicate]:drug:dose, as in ``CPC005_A375_6H:BRD-K859:10``.
"""

import re
from pathlib import Path

import h5py
import numpy as np
import pandas as pd

from ntkmc import memory
from ntkmc.datasets import _profiles_table
from ntkmc.responses import Responses

MATRIX, ROWS, COLUMNS = "0/DATA/0/matrix", "0/META/ROW", "0/META/COL"
_DRUG = ("pert_iname", "pert_id")
_CONDITION = ("pert_idose", "pert_itime")
_NAME = re.compile(r"[^_:]+_(?P<cell>[^_:]+)_(?P<time>[^_:]+)[^:]*:(?P<drug>[^:]+)(:(?P<dose>.+))?")
_CHUNK = 4096  # signatures read at once


def read(
    path: Path,
    genes: list[str] | None = None,
    cells: list[str] | None = None,
    signatures: str | Path | None = None,
) -> Responses:
    """The profiles of some genes and cell lines; those of one drug, dose, time and cell averaged.

    A drug's name here is drug|dose|time, with as many of the three as are known.
    """
    try:
        file = h5py.File(path)
    except OSError as error:
        raise ValueError(f"{path} cannot be read as a gctx (HDF5) file: {error}") from None
    with file:
        for place in (MATRIX, f"{ROWS}/id", f"{COLUMNS}/id"):
            if place not in file:
                raise ValueError(f"{path} has no /{place}; it is not laid out as a gctx file")
        names, ids = (_text(file[f"{place}/id"]) for place in (ROWS, COLUMNS))
        matrix = file[MATRIX]
        if matrix.shape != (len(ids), len(names)):
            raise ValueError(
                f"{path}: /{MATRIX} is {matrix.shape} for {len(ids)} signatures and {len(names)} "
                "genes; it has to be signatures x genes"
            )
        drug, cell = _pairs(path, file, ids, signatures)
        rows = _kept(path, "genes", names, genes)
        columns = _kept(path, "cells", cell, cells)
        memory.require(
            3 * 8 * len(columns) * len(rows) + 4 * _CHUNK * len(names),
            f"{len(columns)} signatures of {len(rows)} genes",
            "pass fewer genes (the 978 landmarks) or cells",
        )
        profiles = np.empty((len(columns), len(rows)))
        for start in range(0, len(columns), _CHUNK):
            part = columns[start : start + _CHUNK]
            # Neighbouring columns are read together; the few between them that are not wanted cost
            # less than one read each.
            block = matrix[part[0] : part[-1] + 1] if _dense(part) else matrix[part]
            block = block[part - part[0]] if _dense(part) else block
            profiles[start : start + _CHUNK] = block[:, rows]
    return _profiles_table.collect(
        path, profiles, drug[columns], cell[columns], tuple(names[rows].tolist())
    )


def _dense(part):
    return part[-1] - part[0] < 2 * _CHUNK


def _pairs(path, file, ids, signatures):
    """Drug (with dose and time) and cell line of each signature."""
    if signatures is not None:
        return _from_table(path, ids, signatures)
    held = {key: _text(file[f"{COLUMNS}/{key}"]) for key in file[COLUMNS]}
    drug = next((key for key in _DRUG if key in held), None)
    if drug and "cell_id" in held:
        parts = [held[drug], *(held[key] for key in _CONDITION if key in held)]
        return _join(parts), held["cell_id"]
    matches = [match for match in map(_NAME.fullmatch, ids) if match]
    if len(matches) < len(ids):
        strange = next(str(name) for name in ids if not _NAME.fullmatch(name))
        raise ValueError(
            f"{path}: signature {strange!r} does not say its drug and cell line, nor does "
            f"/{COLUMNS} (cell_id with pert_iname or pert_id); pass signatures, the table of "
            "LINCS sig_info.txt"
        )
    parts = [[match[part] or "" for match in matches] for part in ("drug", "dose", "time")]
    return _join(parts), np.array([match["cell"] for match in matches])


def _from_table(path, ids, signatures):
    table = pd.read_csv(signatures, sep=None, engine="python", dtype=str)
    drug = next((key for key in _DRUG if key in table.columns), None)
    for key in ("sig_id", "cell_id", drug or " or ".join(_DRUG)):
        if key not in table.columns:
            raise ValueError(
                f"{signatures} has no column {key}; it has {', '.join(table.columns[:8])}"
            )
    table = table.drop_duplicates("sig_id").set_index("sig_id")
    absent = [name for name in ids if name not in table.index]
    if absent:
        raise ValueError(
            f"{signatures} lacks {len(absent)} of the {len(ids)} signatures of {path}, such as "
            f"{str(absent[0])!r}"
        )
    table = table.loc[ids]
    parts = [table[key].to_numpy(str) for key in (drug, *_CONDITION) if key in table.columns]
    return _join(parts), table["cell_id"].to_numpy(str)


def _join(parts):
    return np.array(["|".join(part for part in one if part) for one in zip(*parts, strict=True)])


def _kept(path, what, names, wanted):
    if wanted is None:
        return np.arange(len(names))
    unknown = sorted(set(wanted) - set(names.tolist()))
    if unknown:
        raise ValueError(f"{path}: {what} lack {unknown[0]!r} ({len(unknown)} of {len(wanted)})")
    return np.flatnonzero(np.isin(names, wanted))


def _text(dataset):
    values = dataset[()]
    if values.dtype.kind in "SO":
        return np.array([str(v, "utf-8") if isinstance(v, bytes) else str(v) for v in values])
    return values.astype(str)
