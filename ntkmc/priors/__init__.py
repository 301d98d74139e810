"""Feature priors: what the network is told about a coordinate before it sees any data.

Those of images are arrays (channels, H, W). Those of tables are matrices with one column for each
column of the table; for responses of cells to drugs, whose columns are pairs of the two, they are
functions of what is observed and of the pairs that are asked for.
"""

from ntkmc.priors.columns import concatenated, evened_columns, unit_columns, with_identity
from ntkmc.priors.exact import exact_features
from ntkmc.priors.features import identity, meshgrid, uniform
from ntkmc.priors.iid import PRIORS, IIDNormal, IIDPrior, IIDUniform
from ntkmc.priors.imputation import folds_within_cells, held_out_imputation, imputation
from ntkmc.priors.laplacian import laplacian_eigenvectors
from ntkmc.priors.one_hot import one_hot_cell, one_hot_drug
from ntkmc.priors.other_profiles import drug_and_neighbours, other_profiles
from ntkmc.priors.reference_cell import reference_cell
from ntkmc.priors.spelling import from_dict, resolve

__all__ = [
    "PRIORS",
    "IIDNormal",
    "IIDPrior",
    "IIDUniform",
    "concatenated",
    "drug_and_neighbours",
    "evened_columns",
    "exact_features",
    "folds_within_cells",
    "from_dict",
    "held_out_imputation",
    "identity",
    "imputation",
    "laplacian_eigenvectors",
    "meshgrid",
    "one_hot_cell",
    "one_hot_drug",
    "other_profiles",
    "reference_cell",
    "resolve",
    "uniform",
    "unit_columns",
    "with_identity",
]
