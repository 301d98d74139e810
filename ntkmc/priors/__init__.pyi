from .columns import (
    concatenated as concatenated,
    evened_columns as evened_columns,
    unit_columns as unit_columns,
    with_identity as with_identity,
)
from .exact import exact_features as exact_features
from .features import identity as identity, meshgrid as meshgrid, uniform as uniform
from .iid import (
    PRIORS as PRIORS,
    IIDNormal as IIDNormal,
    IIDPrior as IIDPrior,
    IIDUniform as IIDUniform,
)
from .imputation import (
    folds_within_cells as folds_within_cells,
    held_out_imputation as held_out_imputation,
    imputation as imputation,
)
from .laplacian import laplacian_eigenvectors as laplacian_eigenvectors
from .one_hot import one_hot_cell as one_hot_cell, one_hot_drug as one_hot_drug
from .other_profiles import (
    drug_and_neighbours as drug_and_neighbours,
    other_profiles as other_profiles,
)
from .patches import PatchPrior as PatchPrior
from .reference_cell import (
    reference_cell as reference_cell,
    reference_cell_one_hot as reference_cell_one_hot,
)
from .spelling import from_dict as from_dict, resolve as resolve
