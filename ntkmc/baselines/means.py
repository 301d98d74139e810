"""Means over cell lines and drugs: what every method of imputing responses has to beat."""

import numpy as np
from jaxtyping import Float

from ntkmc.responses import Indices, Responses, group_means


def mean_over_cell(
    observed: Responses, drug: Indices, cell: Indices
) -> Float[np.ndarray, "n genes"]:
    """The mean of all observed profiles of the cell line, whatever the drug.

    The kernel with one-hot drugs for a prior is a multiple of it (SI proposition 2).

    Parameters
    ----------
    observed : Responses
    drug, cell : (n,)
        The pairs to impute, as places in ``observed.drugs`` and ``observed.cells``.

    Returns
    -------
    (n, genes); for a cell line without profiles the mean of the other cell lines' means.
    """
    return _means(observed, observed.cell, observed.number_of_cells)[cell]


def mean_over_drug(
    observed: Responses, drug: Indices, cell: Indices
) -> Float[np.ndarray, "n genes"]:
    """The mean of all observed profiles of the drug, whatever the cell line.

    For a drug without profiles the mean of the other drugs' means; otherwise as `mean_over_cell`.
    """
    return _means(observed, observed.drug, observed.number_of_drugs)[drug]


def two_way_mean(
    observed: Responses, drug: Indices, cell: Indices, weight: float = 0.5
) -> Float[np.ndarray, "n genes"]:
    """``weight`` times the mean over the cell line and the rest of the mean over the drug.

    References
    ----------
    Hodos et al., "Cell-specific prediction and application of drug-induced gene expression
    profiles", 2018 ("2D mean", with one half).
    """
    if not 0 <= weight <= 1:
        raise ValueError(f"two_way_mean: weight was {weight}; pass a number between 0 and 1")
    of_cell = mean_over_cell(observed, drug, cell)
    return weight * of_cell + (1 - weight) * mean_over_drug(observed, drug, cell)


def _means(observed, groups, number):
    present = np.unique(groups)
    if not len(present):
        raise ValueError("nothing is observed; pass at least one profile")
    means = group_means(observed.profiles, groups, number, np.zeros(len(observed.genes)))
    absent = np.ones(number, bool)
    absent[present] = False
    means[absent] = means[present].mean(axis=0)
    return means
