"""Long tables: one row a profile, with its drug, its cell line and one column a gene."""

from pathlib import Path

import numpy as np
import pandas as pd

from ntkmc.datasets._names import as_names, read_csv
from ntkmc.responses import Responses, group_means

DRUG = ("drug", "pert_iname", "pert_id", "perturbation", "condition")
CELL = ("cell", "cell_line", "cell_id", "cell_iname", "unit")


def read(path: Path) -> Responses:
    """The profiles of a table; those of one pair are averaged."""
    table = _read_parquet(path) if path.suffix.lower() == ".parquet" else _read_csv(path)
    drug, cell = _name_columns(path, table.columns)
    genes = [name for name in table.columns if name not in (drug, cell)]
    if not genes:
        raise ValueError(f"{path} has no genes beside {drug!r} and {cell!r}")
    names = {column: as_names(table[column]) for column in (drug, cell)}
    for column, its in names.items():
        if "" in its:
            row = its.tolist().index("")
            raise ValueError(
                f"{path}: row {row} has no {column}; name the drug and cell of each row"
            )
    for name in genes:
        if len(table) and not pd.api.types.is_numeric_dtype(table[name]):
            raise ValueError(
                f"{path}: column {name!r} is {table[name].dtype}, not numbers; pass one column for "
                f"the drug ({drug!r}), one for the cell line ({cell!r}) and one for each gene"
            )
    profiles = table[genes].to_numpy(np.float64, na_value=np.nan)
    held = ~np.isnan(profiles).all(axis=1)
    return collect(
        path, profiles[held], names[drug][held], names[cell][held], tuple(map(str, genes))
    )


def collect(path: Path, profiles, drug, cell, genes: tuple[str, ...]) -> Responses:
    """Responses from one name of a drug and a cell line for each profile; replicates averaged."""
    drugs, drug_place = np.unique(drug, return_inverse=True)
    cells, cell_place = np.unique(cell, return_inverse=True)
    pairs, group = np.unique(drug_place * len(cells) + cell_place, return_inverse=True)
    if len(pairs) < len(profiles):
        profiles = group_means(profiles, group, len(pairs), np.zeros(profiles.shape[1]))
    else:
        profiles = profiles[np.argsort(group)]
    if not len(profiles):
        raise ValueError(f"{path} holds no profiles; pass a file with at least one")
    try:
        return Responses(
            profiles,
            pairs // len(cells),
            pairs % len(cells),
            tuple(map(str, drugs)),
            genes,
            tuple(map(str, cells)),
        )
    except ValueError as refusal:
        raise ValueError(f"{path}: {refusal}") from None


def _read_csv(path):
    """The table, its drugs and cell lines as text, just as it is written."""
    sep = "\t" if path.suffix.lower() == ".tsv" else ","
    first = read_csv(path, sep=sep, header=None, nrows=1, dtype=str, keep_default_na=False)
    header = pd.Index(first.iloc[0])
    # A first column without a name holds row labels, as pandas and R write them.
    labels = header[0] == ""
    if "" in header[1:]:
        place = 2 + header[1:].tolist().index("")
        raise ValueError(f"{path}: column {place} has no name; name each gene, or remove it")
    if header.has_duplicates:
        twice = header[header.duplicated()][0]
        raise ValueError(f"{path}: column {twice!r} is there twice; name columns differently")
    columns = _name_columns(path, header[int(labels) :])
    index = 0 if labels else None
    table = read_csv(path, sep=sep, dtype=dict.fromkeys(columns, str), index_col=index)
    if table.index.nlevels > 1 or not (labels or table.index.is_unique):
        raise ValueError(
            f"{path}: rows have more fields than the header, and the first ones are no row labels; "
            "quote names that hold a separator"
        )
    # What says that a number is missing is pandas' to know; of names, "NA" and "007" are some.
    text = read_csv(path, sep=sep, usecols=columns, dtype=str, keep_default_na=False)
    return table.assign(**{name: text[name].to_numpy() for name in columns})


def _read_parquet(path):
    try:
        table = pd.read_parquet(path)
        labels = [name for name in table.index.names if name is not None]
        return table.reset_index(level=labels) if labels else table
    except (ValueError, OSError) as error:
        raise ValueError(f"{path} cannot be read as a table: {' '.join(str(error).split())}") from (
            None
        )


def _name_columns(path, columns):
    """Which of the columns name the drug and the cell line."""
    names = []
    for known in (DRUG, CELL):
        found = [name for name in columns if str(name).lower() in known]
        if len(found) != 1:
            has = f"has {', '.join(map(repr, found))}" if found else "has none"
            raise ValueError(
                f"{path}: one column has to be called {' or '.join(known)}; the table {has}, its "
                f"columns begin with {', '.join(map(str, columns[:5]))}"
            )
        names.append(found[0])
    return names
