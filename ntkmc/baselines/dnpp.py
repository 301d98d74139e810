"""Drug neighbour profile prediction: the profiles of similar drugs in the same cell line."""

import numpy as np
from jaxtyping import Float

from ntkmc import memory
from ntkmc.baselines.means import mean_over_cell
from ntkmc.responses import Indices, Responses


def dnpp(
    observed: Responses, drug: Indices, cell: Indices, neighbours: int = 10
) -> Float[np.ndarray, "n genes"]:
    r"""Weighted mean of the nearest drugs' profiles in the cell line.

    .. math:: \hat y_{dc} = \frac{\sum_{d' \in N} w_{dd'}\, y_{d'c}}{\sum_{d' \in N} w_{dd'}},
              \qquad w_{dd'} = \max(s_{dd'}, 0),

    where :math:`s_{dd'}` is the correlation of the profiles of d and d', averaged over the cell
    lines in which both are observed, and N are the ``neighbours`` drugs of largest similarity among
    those observed in c. Where none has a positive weight, it is the mean over the cell line.

    Parameters
    ----------
    observed : Responses
    drug, cell : (n,)
        The pairs to impute. What is observed of them is not used.
    neighbours : at least 1; 10 as in the paper's comparison.

    References
    ----------
    Hodos et al., "Cell-specific prediction and application of drug-induced gene expression
    profiles", Pacific Symposium on Biocomputing 2018.
    """
    if neighbours < 1:
        raise ValueError(f"dnpp: neighbours was {neighbours}; pass at least 1")
    similarity = mean_correlations(observed)
    imputed = mean_over_cell(observed, drug, cell)
    for line in np.unique(cell):
        rows = np.flatnonzero(observed.cell == line)
        if not len(rows):
            continue
        asked = np.flatnonzero(cell == line)
        near = similarity[np.ix_(drug[asked], observed.drug[rows])]
        near[drug[asked][:, None] == observed.drug[rows]] = -np.inf
        # Ties (drugs that were never seen together, at minus infinity) weigh nothing.
        kept = np.argsort(-near, axis=1, kind="stable")[:, :neighbours]
        weights = np.clip(np.take_along_axis(near, kept, axis=1), 0, None)
        total = weights.sum(axis=1)
        has = total > 0
        spread = np.zeros((int(has.sum()), len(rows)))
        np.put_along_axis(spread, kept[has], weights[has] / total[has, None], axis=1)
        imputed[asked[has]] = spread @ observed.profiles[rows]
    return imputed


def mean_correlations(observed: Responses) -> Float[np.ndarray, "drugs drugs"]:
    """Correlation of two drugs' profiles, averaged over the cell lines in which both are observed.

    Minus infinity for drugs that no cell line has both of.
    """
    number = observed.number_of_drugs
    memory.require(
        3 * 8 * number**2,
        f"similarities of {number} drugs",
        "drop the drugs without profiles (Responses.compact)",
    )
    total, count = np.zeros((number, number)), np.zeros((number, number))
    for line in np.unique(observed.cell):
        rows = np.flatnonzero(observed.cell == line)
        profiles = observed.profiles[rows]
        profiles = profiles - profiles.mean(axis=1, keepdims=True)
        norms = np.linalg.norm(profiles, axis=1, keepdims=True)
        units = profiles / np.where(norms > 0, norms, 1)
        block = np.ix_(observed.drug[rows], observed.drug[rows])
        total[block] += units @ units.T
        count[block] += 1
    return np.where(count > 0, total / np.maximum(count, 1), -np.inf)
