"""Synthetic control: a cell line as a weighted mean of others, weights on the simplex."""

import dataclasses

import numpy as np
import scipy.linalg
from jaxtyping import Bool, Float, Int
from scipy.optimize import nnls

from ntkmc.baselines._donors import largest_block
from ntkmc.baselines.means import mean_over_cell
from ntkmc.responses import Indices, Responses

_SUM = 1e3  # weight of the equation that the weights sum to one, beside the largest other one


@dataclasses.dataclass(frozen=True)
class SyntheticControl:
    """Imputed profiles, and for each whether the data speak for what they rest on.

    Attributes
    ----------
    profiles : (n, genes); the mean over the cell line where there are no donors.
    donors, shared : (n,), how many cell lines there were, and drugs the weights were fitted to.
    unexplained : (n,), of the cell line's sum of squares under these drugs, the share that the
        weighted mean leaves, NaN where there were no donors: *the cell line lies in the convex hull
        of the donors*, which holds where it is small.
    """

    profiles: Float[np.ndarray, "n genes"]
    donors: Int[np.ndarray, " n"]
    shared: Int[np.ndarray, " n"]
    unexplained: Float[np.ndarray, " n"]

    def holds(self, unexplained: float = 0.5) -> Bool[np.ndarray, " n"]:
        """Where the condition holds to this share."""
        return self.unexplained <= unexplained


def synthetic_control(
    observed: Responses, drug: Indices, cell: Indices, minimum: int = 3
) -> SyntheticControl:
    r"""The drug's profiles in other cell lines, weighted so that these resemble the cell line.

    .. math:: \hat y_{dc} = \sum_{c'} w_{c'} y_{dc'}, \qquad
              w = \arg\min_{w \ge 0,\, \sum w = 1} \sum_{d' \in D}
              \Big\| y_{d'c} - \sum_{c'} w_{c'} y_{d'c'} \Big\|^2

    The donors c' are cell lines in which d is observed, as many as have at least ``minimum`` drugs
    D in common with each other and c. Where there is none, the mean over the cell line.

    Parameters
    ----------
    observed : Responses
    drug, cell : (n,)
        The pairs to impute. What is observed of them is not used.
    minimum : of drugs that the weights are fitted to.

    References
    ----------
    Abadie, Diamond and Hainmueller, "Synthetic control methods for comparative case studies",
    Journal of the American Statistical Association 105 (2010).
    """
    if minimum < 1:
        raise ValueError(f"synthetic_control: minimum was {minimum}; pass at least 1")
    places, available = observed.places(), observed.availability()
    imputed = mean_over_cell(observed, drug, cell)
    counts = np.zeros((2, len(drug)), int)
    unexplained = np.full(len(drug), np.nan)
    for row, (one, line) in enumerate(zip(drug.tolist(), cell.tolist(), strict=True)):
        block = largest_block(available, line, one, minimum)
        if block is None:
            continue
        donors = observed.profiles[places[np.ix_(block.shared, block.donors)]]
        donors = donors.transpose(0, 2, 1).reshape(-1, len(block.donors))
        target = observed.profiles[places[block.shared, line]].ravel()
        weights = simplex_weights(donors, target)
        imputed[row] = weights @ observed.profiles[places[one, block.donors]]
        counts[:, row] = len(block.donors), len(block.shared)
        left = target - donors @ weights
        unexplained[row] = (left @ left) / max(target @ target, np.finfo(float).tiny)
    return SyntheticControl(imputed, counts[0], counts[1], unexplained)


def simplex_weights(
    donors: Float[np.ndarray, "m k"], target: Float[np.ndarray, " m"]
) -> Float[np.ndarray, " k"]:
    """The w >= 0 of sum 1 for which |donors w - target| is least.

    Non-negative least squares of the triangular factor, with the sum as one more, heavy equation.
    """
    factor = scipy.linalg.qr(np.column_stack([donors, target]), mode="r", check_finite=False)[0]
    factor = factor[: factor.shape[1]]
    triangle, right = factor[:, :-1], factor[:, -1]
    heavy = _SUM * (np.abs(triangle).max() or 1.0)
    weights, _ = nnls(
        np.vstack([triangle, np.full(donors.shape[1], heavy)]), np.append(right, heavy)
    )
    return weights / weights.sum()
