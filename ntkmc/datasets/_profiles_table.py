"""Long tables: one row a profile, with its drug, its cell line and one column a gene."""

from pathlib import Path

import numpy as np
import pandas as pd

from ntkmc.responses import Responses, group_means

DRUG = ("drug", "pert_iname", "pert_id", "perturbation", "condition")
CELL = ("cell", "cell_line", "cell_id", "cell_iname", "unit")


def read(path: Path) -> Responses:
    """The profiles of a table; those of one pair are averaged."""
    table = _read(path)
    drug, cell = (_column(path, table, names) for names in (DRUG, CELL))
    genes = [name for name in table.columns if name not in (drug, cell)]
    if not genes:
        raise ValueError(f"{path} has no genes beside {drug!r} and {cell!r}")
    for name in (drug, cell):
        if table[name].isna().any():
            row = int(np.flatnonzero(table[name].isna())[0])
            raise ValueError(f"{path}: row {row} has no {name}; name the drug and cell of each row")
    for name in genes:
        if not pd.api.types.is_numeric_dtype(table[name]):
            raise ValueError(
                f"{path}: column {name!r} is {table[name].dtype}, not numbers; pass one column for "
                f"the drug ({drug!r}), one for the cell line ({cell!r}) and one for each gene"
            )
    profiles = table[genes].to_numpy(np.float64, na_value=np.nan)
    empty = np.isnan(profiles).all(axis=1)
    return collect(
        path,
        profiles[~empty],
        table[drug].astype(str).to_numpy()[~empty],
        table[cell].astype(str).to_numpy()[~empty],
        tuple(map(str, genes)),
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


def _read(path):
    try:
        if path.suffix.lower() == ".parquet":
            return pd.read_parquet(path)
        return pd.read_csv(path, sep="\t" if path.suffix.lower() == ".tsv" else ",")
    except (ValueError, OSError, pd.errors.ParserError) as error:
        raise ValueError(f"{path} cannot be read as a table: {' '.join(str(error).split())}") from (
            None
        )


def _column(path, table, names):
    found = [name for name in table.columns if str(name).lower() in names]
    if len(found) != 1:
        has = f"has {', '.join(map(repr, found))}" if found else "has none"
        raise ValueError(
            f"{path}: one column has to be called {' or '.join(names)}; the table {has}, its "
            f"columns begin with {', '.join(map(str, table.columns[:5]))}"
        )
    return found[0]
