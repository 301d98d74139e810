"""Drug responses as gene expression: the connectivity map and tables like it.

``load_responses`` reads, by what the file is,

``.mat``            the paper's ``large.mat``: a tensor ``T`` (drug x gene x cell line, NaN where
                    missing) with the names ``pertIds``, ``geneIds`` and ``cellIds``
``.gctx``           LINCS: one column a signature, with its drug and cell line in the file, in a
                    table beside it, or in the signature's name
``.csv``, ``.tsv``,
``.parquet``        one row a profile: drug, cell line, then one column a gene

References
----------
Subramanian et al., "A next generation connectivity map", Cell 2017. Hodos et al., "Cell-specific
prediction and application of drug-induced gene expression profiles", Pacific Symposium on
Biocomputing 2018 (the tensor ``large.mat``).
"""

import os
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from ntkmc.datasets import _gctx, _mat, _profiles_table
from ntkmc.datasets._folder import ROOT_VARIABLE
from ntkmc.responses import Responses

REFERENCE = "MCF7"
"""The cell line that the paper's reference prior embeds drugs with (SI appendix D)."""

LEFT_OUT = ("SNU1040", "HEK293T", "HS27A")
"""Cell lines of fewer than ten drugs in ``large.mat``, which the paper leaves out (appendix C)."""


def load_responses(
    path: str | Path,
    root: str | Path | None = None,
    *,
    genes: Iterable[str] | None = None,
    cells: Iterable[str] | None = None,
    signatures: str | Path | None = None,
) -> Responses:
    """Read the observed profiles of a file.

    Names are taken as they are written, without spaces around them: a drug may be called "NA" or
    "007". Only empty text and LINCS's -666 are no name. Files of text are UTF-8, or else Latin-1.

    Parameters
    ----------
    path : the file. Where it is not found as it stands, it is looked for below ``root``, and below
        the folder that the environment variable ``NTKMC_DATA`` names.
    root : a folder.
    genes, cells : names to keep, in the file's order; all where not given. A ``.gctx`` file is read
        no further than they need.
    signatures : of a ``.gctx`` file, a table of its columns (LINCS ``sig_info.txt``), which is
        looked for as ``path`` is: ``sig_id``, ``cell_id`` and ``pert_iname`` or ``pert_id``, and
        where they are there ``pert_idose`` and ``pert_itime``. Where the drug's name is missing its
        id takes its place; a missing dose or time is left out of the name.

    Warns
    -----
    UserWarning
        If signatures of a ``.gctx`` file are left out, since their drug or cell line is missing.

    Raises
    ------
    FileNotFoundError
        Saying where the file was looked for.
    ValueError
        If the file is of no known kind, or not laid out as its kind is: naming what was found and
        what is needed. If a name is missing elsewhere, or two would be the same.
    """
    found = _find(Path(path), root)
    kind = found.suffix.lower()
    if kind not in READERS:
        raise ValueError(f"{found} is of no known kind; pass {', '.join(READERS)}")
    genes, cells = _listed("genes", genes), _listed("cells", cells)
    if kind == ".gctx":
        table = None if signatures is None else _find(Path(signatures), root)
        return _gctx.read(found, genes, cells, table)
    if signatures is not None:
        raise ValueError(f"signatures was {str(signatures)!r}; {kind} files have no such table")
    return restrict(READERS[kind](found), genes, cells)


def restrict(responses: Responses, genes: list[str] | None, cells: list[str] | None) -> Responses:
    """The profiles of some cell lines at some genes, and only the names that they need."""
    if cells is not None:
        responses = responses.take(responses.of_cells(tuple(cells)))
    if genes is not None:
        unknown = sorted(set(genes) - set(responses.genes))
        if unknown:
            raise ValueError(
                f"genes: {unknown[0]!r} is not in the file ({len(unknown)} of {len(genes)} are "
                f"not); its genes begin with {', '.join(responses.genes[:5])}"
            )
        kept = np.flatnonzero(np.isin(responses.genes, genes))
        responses = Responses(
            responses.profiles[:, kept],
            responses.drug,
            responses.cell,
            responses.drugs,
            tuple(responses.genes[gene] for gene in kept),
            responses.cells,
        )
    return responses.compact()


def _listed(what: str, names: Iterable[str] | None) -> list[str] | None:
    if isinstance(names, str):
        raise ValueError(f"{what} was {names!r}; pass a list of names")
    return None if names is None else list(names)


def _find(path: Path, root: str | Path | None) -> Path:
    folders = [Path(folder) for folder in (root, os.environ.get(ROOT_VARIABLE)) if folder]
    places = [path.expanduser(), *(folder.expanduser() / path for folder in folders)]
    for place in places:
        if place.is_file():
            return place
    raise FileNotFoundError(
        f"no file at {' or '.join(map(str, dict.fromkeys(places)))}; pass its path, or set "
        f"{ROOT_VARIABLE} (or root) to the folder that {path} is in"
    )


READERS = {
    ".mat": _mat.read,
    ".gctx": _gctx.read,
    ".csv": _profiles_table.read,
    ".tsv": _profiles_table.read,
    ".parquet": _profiles_table.read,
}
