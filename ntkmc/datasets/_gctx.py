"""LINCS ``.gctx`` files: HDF5 with one column a signature and one row a gene.

``/0/DATA/0/matrix``  (signatures, genes): HDF5 has the axes the other way round
``/0/META/ROW/id``    genes, and other fields of them beside it
``/0/META/COL/id``    signatures, and in some releases ``cell_id``, ``pert_iname``, ... beside it

A signature is named plate_cell_time[_replicate]:drug:dose, as in ``CPC005_A375_6H:BRD-K859:10``.
"""

import re
import warnings
from pathlib import Path

import h5py
import numpy as np

from ntkmc import memory
from ntkmc.datasets import _profiles_table
from ntkmc.datasets._names import as_names, read_csv
from ntkmc.responses import Responses, check_names

MATRIX, ROWS, COLUMNS = "0/DATA/0/matrix", "0/META/ROW", "0/META/COL"
_DRUG = ("pert_iname", "pert_id")
_CONDITION = ("pert_idose", "pert_itime")
_CELL = "cell_id"
_FIELDS = (_CELL, *_DRUG, *_CONDITION)
_NAME = re.compile(r"[^_:]+_(?P<cell>[^_:]+)_(?P<time>[^_:]+)[^:]*:(?P<drug>[^:]+)(:(?P<dose>.+))?")
_CHUNK = 4096  # signatures read at once


def read(
    path: Path,
    genes: list[str] | None = None,
    cells: list[str] | None = None,
    signatures: str | Path | None = None,
) -> Responses:
    """The profiles of some genes and cell lines; those of one drug, dose, time and cell averaged.

    A drug's name here is drug|dose|time, with as many of the three as are known. A signature whose
    drug or cell line is not known is left out, with a warning.
    """
    try:
        file = h5py.File(path)
    except OSError as error:
        raise ValueError(f"{path} cannot be read as a gctx (HDF5) file: {error}") from None
    with file:
        for place in (MATRIX, f"{ROWS}/id", f"{COLUMNS}/id"):
            if place not in file:
                raise ValueError(f"{path} has no /{place}; it is not laid out as a gctx file")
        names, ids = (as_names(file[f"{place}/id"][()]) for place in (ROWS, COLUMNS))
        matrix = file[MATRIX]
        if matrix.shape != (len(ids), len(names)):
            raise ValueError(
                f"{path}: /{MATRIX} is {matrix.shape} for {len(ids)} signatures and {len(names)} "
                "genes; it has to be signatures x genes"
            )
        drug, cell = _pairs(path, file, ids, signatures)
        rows = _kept(path, "genes", names, genes)
        check_names(f"{path}: genes", names[rows].tolist())
        columns = _known(path, ids, drug, cell, _kept(path, "cells", cell, cells))
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
    """Drug (with dose and time) and cell line of each signature; "" where they are not known."""
    if signatures is not None:
        fields = _of_table(path, ids, signatures)
    else:
        held = [key for key in _FIELDS if key in file[COLUMNS]]
        fields = {key: as_names(file[f"{COLUMNS}/{key}"][()]) for key in held}
        for key, values in fields.items():
            if values.shape != ids.shape:
                raise ValueError(
                    f"{path}: /{COLUMNS}/{key} has {len(values)} values for {len(ids)} signatures"
                )
        if _CELL not in fields or not any(key in fields for key in _DRUG):
            fields = _of_ids(path, ids)
    first, *others = (fields[key] for key in _DRUG if key in fields)
    drug = np.where(first == "", others[0], first) if others else first
    return _join(path, drug, *(fields[key] for key in _CONDITION if key in fields)), fields[_CELL]


def _of_ids(path, ids):
    """Fields from the names of signatures."""
    matches = [match for match in map(_NAME.fullmatch, ids) if match]
    if len(matches) < len(ids):
        strange = next(str(name) for name in ids if not _NAME.fullmatch(name))
        raise ValueError(
            f"{path}: signature {strange!r} does not say its drug and cell line, nor does "
            f"/{COLUMNS} (cell_id with pert_iname or pert_id); pass signatures, the table of "
            "LINCS sig_info.txt"
        )
    parts = {"pert_id": "drug", "pert_idose": "dose", "pert_itime": "time", _CELL: "cell"}
    return {key: as_names(match[part] or "" for match in matches) for key, part in parts.items()}


def _of_table(path, ids, signatures):
    """Fields from a table with a row for each signature, and others."""
    table = read_csv(signatures, sep=None, engine="python", dtype=str, keep_default_na=False)
    drug = next((key for key in _DRUG if key in table.columns), " or ".join(_DRUG))
    for key in ("sig_id", _CELL, drug):
        if key not in table.columns:
            raise ValueError(
                f"{signatures} has no column {key}; it has {', '.join(table.columns[:8])}"
            )
    fields = [key for key in _FIELDS if key in table.columns]
    table = table[fields].assign(sig_id=as_names(table["sig_id"])).drop_duplicates()
    table = table[table["sig_id"].isin(ids)].set_index("sig_id")
    absent = [name for name in ids if name not in table.index]
    if absent:
        raise ValueError(
            f"{signatures} lacks {len(absent)} of the {len(ids)} signatures of {path}, such as "
            f"{str(absent[0])!r}"
        )
    if table.index.has_duplicates:
        twice = table.index[table.index.duplicated()][0]
        raise ValueError(
            f"{signatures}: signature {twice!r} is there twice and not the same; keep one of them"
        )
    table = table.loc[ids]
    return {key: as_names(table[key]) for key in fields}


def _join(path, *parts):
    """drug|dose|time, of dose and time those that are known; "" for a drug that is not."""
    meant: dict[str, tuple[str, ...]] = {}
    names = []
    for one in zip(*(part.tolist() for part in parts), strict=True):
        name = "|".join(filter(None, one)) if one[0] else ""
        if name and meant.setdefault(name, one) != one:
            raise ValueError(
                f"{path}: drug, dose and time {meant[name]} and {one} would both be called "
                f"{name!r}; pass signatures, a table with units beside doses and times"
            )
        names.append(name)
    return np.array(names, dtype=str)


def _known(path, ids, drug, cell, columns):
    """Those of the signatures whose drug and cell line are known."""
    known = (drug[columns] != "") & (cell[columns] != "")
    if not known.all():
        warnings.warn(
            f"{path}: {(~known).sum()} of {len(columns)} signatures are left out, whose drug or "
            f"cell line is not known, such as {str(ids[columns[~known][0]])!r}; to keep them, pass "
            "signatures, a table that names both",
            stacklevel=4,
        )
    return columns[known]


def _kept(path, what, names, wanted):
    if wanted is None:
        return np.arange(len(names))
    unknown = sorted(set(wanted) - set(names.tolist()))
    if unknown:
        raise ValueError(f"{path}: {what} lack {unknown[0]!r} ({len(unknown)} of {len(wanted)})")
    return np.flatnonzero(np.isin(names, wanted))
