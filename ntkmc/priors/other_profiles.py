"""A prior of the responses themselves: a drug is what it does in the other cell lines."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from ntkmc.baselines.means import mean_over_cell
from ntkmc.priors.columns import concatenated, evened_columns
from ntkmc.priors.imputation import Impute, held_out_imputation
from ntkmc.priors.one_hot import one_hot_cell
from ntkmc.responses import Indices, Responses, group_sums


def other_profiles(
    observed: Responses, drug: Indices, cell: Indices
) -> Float[np.ndarray, "genes columns"]:
    r"""Mean over the drug's *other* observed profiles of what they are beside their cell line's.

    .. math:: z_{dc} = \frac{1}{|C_d \setminus c|} \sum_{c' \in C_d \setminus c}
              (y_{dc'} - \bar y_{c'}),

    :math:`C_d` the cell lines in which d is observed and :math:`\bar y_{c'}` the mean over a cell
    line; zero where there are no others. Its own profile is left out of an observed column as it is
    missing from one that is asked for, so that the two are embedded alike.

    Parameters
    ----------
    observed : Responses
    drug, cell : (q,)
        The pairs to impute.

    Returns
    -------
    (genes, n + q) : the observed columns, in their order, then those asked for.
    """
    centred = observed.profiles - mean_over_cell(observed, observed.drug, observed.cell)
    sums, counts = group_sums(centred, observed.drug, observed.number_of_drugs)
    others = sums[observed.drug] - centred
    own = np.maximum(counts[observed.drug] - 1, 1)[:, None]
    asked = sums[drug] / np.maximum(counts[drug], 1)[:, None]
    # The sum less the one that is left out is rounding where there is no other.
    alone = counts[observed.drug] == 1
    return np.concatenate([np.where(alone[:, None], 0, others / own), asked]).T


def drug_and_neighbours(
    observed: Responses,
    drug: Indices,
    cell: Indices,
    impute: Impute | Sequence[Impute],
    cell_weight: float = 1.5,
    power: float = 0.5,
    folds: int = 10,
    seed: int = 0,
) -> Float[np.ndarray, "p columns"]:
    r"""What the drug does elsewhere, what similar drugs do here, and which cell line it is.

    Three blocks of features, one below the other: `other_profiles`; for each imputation its
    `held_out_imputation` less the mean over the cell line; and ``cell_weight`` times
    `one_hot_cell`. All but the last have their norms evened out with ``power``
    (`evened_columns`). A column of the first kinds is of the same making whether its profile is
    observed or asked for, and no profile is a feature of its own column.

    Parameters
    ----------
    observed, drug, cell : as in `other_profiles`.
    impute : imputations from similar drugs in the cell line, such as ``ntkmc.baselines.dnpp``.
    cell_weight, power : see above.
    folds, seed : of `held_out_imputation`.
    """
    imputes = [impute] if callable(impute) else list(impute)
    n = len(observed)
    means = mean_over_cell(
        observed, np.concatenate([observed.drug, drug]), np.concatenate([observed.cell, cell])
    ).T
    blocks = [other_profiles(observed, drug, cell)]
    blocks += [
        held_out_imputation(observed, drug, cell, one, folds, seed) - means for one in imputes
    ]
    evened = [evened_columns(block, n, power) for block in blocks]
    lines = one_hot_cell(observed, drug, cell)
    return concatenated([*evened, lines], [1.0] * len(evened) + [cell_weight])
