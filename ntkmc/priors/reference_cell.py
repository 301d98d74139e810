"""The paper's prior for sparsely observed cell lines: drugs as a reference cell line shows them."""

import numpy as np
from jaxtyping import Float

from ntkmc.baselines.means import mean_over_cell
from ntkmc.priors.columns import concatenated, unit_columns
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
    if not len(reference):
        raise ValueError("reference has no profiles; pass those of a cell line that has")
    lines = np.unique(reference.cell)
    if len(lines) > 1:
        raise ValueError(
            f"reference has profiles of {len(lines)} cell lines; pass those of one, such as MCF7"
        )
    default = reference.profiles.mean(axis=0)
    embedded = group_means(reference.profiles, reference.drug, reference.number_of_drugs, default)
    drugs, cells = (np.concatenate(pair) for pair in ((observed.drug, drug), (observed.cell, cell)))
    of_drug = embedded[drugs].T
    of_cell = unit_columns(mean_over_cell(observed, drugs, cells).T)
    return concatenated([of_cell * np.linalg.norm(of_drug, axis=0), of_drug], [cell_weight, 1])
