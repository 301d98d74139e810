"""Feature priors that know of a column only which drug, or which cell line, it is."""

import numpy as np
from jaxtyping import Float

from ntkmc.responses import Indices, Responses


def one_hot_drug(
    observed: Responses, drug: Indices, cell: Indices
) -> Float[np.ndarray, "drugs columns"]:
    """One feature a drug: 1 for the columns of that drug.

    With it, and within one cell line, the network imputes a multiple of the mean over the cell line
    (SI appendix E, proposition 2).

    Parameters
    ----------
    observed : Responses
    drug, cell : (q,)
        The pairs to impute.

    Returns
    -------
    (drugs, n + q) : the observed columns, in their order, then those asked for.
    """
    return _one_hot(observed.drug, drug, observed.number_of_drugs)


def one_hot_cell(
    observed: Responses, drug: Indices, cell: Indices
) -> Float[np.ndarray, "cells columns"]:
    """One feature a cell line: 1 for the columns of that cell line; otherwise as `one_hot_drug`."""
    return _one_hot(observed.cell, cell, observed.number_of_cells)


def _one_hot(observed, asked, number):
    places = np.concatenate([observed, asked])
    features = np.zeros((number, len(places)))
    features[places, np.arange(len(places))] = 1
    return features
