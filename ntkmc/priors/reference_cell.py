"""Priors for sparsely observed cell lines: drugs as a reference cell line shows them."""

import numpy as np
from jaxtyping import Float

from ntkmc.baselines.means import mean_over_cell
from ntkmc.priors.columns import concatenated, unit_columns
from ntkmc.priors.one_hot import one_hot_cell
from ntkmc.responses import Indices, Responses, group_means


def reference_cell(
    observed: Responses,
    drug: Indices,
    cell: Indices,
    reference: Responses,
    cell_weight: float = 1.25,
) -> Float[np.ndarray, "p columns"]:
    r"""Embedding of the cell line above the embedding of the drug.

    .. math:: z_{dc} = \begin{pmatrix} w\, |e_d|\, m_c / |m_c| \\ e_d \end{pmatrix}

    where :math:`e_d` is the profile of the drug in the reference cell line, or where it has none
    the mean of all its profiles, and :math:`m_c` the mean of the observed profiles of cell line c.
    The paper normalises it after `with_identity`.

    Parameters
    ----------
    observed : Responses
        What the network is trained on, without the reference cell line.
    drug, cell : (q,)
        The pairs to impute.
    reference : Responses
        The profiles of the reference cell line (MCF7 in the paper), of the same tensor.
    cell_weight : w.

    Returns
    -------
    (2 genes, n + q) : the observed columns, in their order, then those asked for. A cell line
    without profiles is embedded by the mean of the others'.

    References
    ----------
    Radhakrishnan, Stefanakis, Belkin and Uhler, PNAS 2022, SI appendix D ("MCF7 reference prior").
    """
    of_drug = _of_drugs(observed, drug, reference)
    drugs, cells = (np.concatenate(pair) for pair in ((observed.drug, drug), (observed.cell, cell)))
    of_cell = unit_columns(mean_over_cell(observed, drugs, cells).T)
    return _above(of_cell, of_drug, cell_weight)


def reference_cell_one_hot(
    observed: Responses,
    drug: Indices,
    cell: Indices,
    reference: Responses,
    cell_weight: float = 0.75,
) -> Float[np.ndarray, "p columns"]:
    r"""Which cell line it is, above the embedding of the drug.

    .. math:: z_{dc} = \begin{pmatrix} w\, |e_d|\, \delta_c \\ e_d \end{pmatrix},

    with :math:`e_d` as in `reference_cell` and :math:`\delta_c` one feature a cell line, 1 for c.

    Parameters
    ----------
    observed, drug, cell, reference : as in `reference_cell`.
    cell_weight : w, 0.75 in the authors' programs.

    Returns
    -------
    (cells + genes, n + q) : the observed columns, in their order, then those asked for.

    References
    ----------
    ``only_train_cell_oneHot`` of github.com/uhlerlab/ntk_matrix_completion, whose training cell is
    the one that is never imputed.
    """
    of_drug = _of_drugs(observed, drug, reference)
    of_cell = one_hot_cell(observed, drug, cell)
    return _above(of_cell, of_drug, cell_weight)


def _above(of_cell, of_drug, cell_weight):
    """Embeddings of cell lines, as long as those of the drugs, and these."""
    return concatenated([of_cell * np.linalg.norm(of_drug, axis=0), of_drug], [cell_weight, 1])


def _of_drugs(observed, drug, reference):
    """(genes, n + q), profiles of drugs in the reference; their mean for drugs it lacks."""
    if not len(reference):
        raise ValueError("reference has no profiles; pass those of a cell line that has")
    lines = np.unique(reference.cell)
    if len(lines) > 1:
        raise ValueError(
            f"reference has profiles of {len(lines)} cell lines; pass those of one, such as MCF7"
        )
    default = reference.profiles.mean(axis=0)
    embedded = group_means(reference.profiles, reference.drug, reference.number_of_drugs, default)
    return embedded[np.concatenate([observed.drug, drug])].T
