"""Imputes responses of cells to drugs with an infinitely wide network."""

import dataclasses
import functools
from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Float

from ntkmc.architecture import Layer, Relu
from ntkmc.baselines.means import mean_over_cell
from ntkmc.kernels import dense_ntk
from ntkmc.priors.columns import Columns
from ntkmc.responses import Indices, Responses
from ntkmc.solvers.pattern_solve import complete_rows, leave_one_out_error, minimise_over_ridges
from ntkmc.solvers.result import Progress


@dataclasses.dataclass(frozen=True)
class ImputedResponses:
    """Imputed profiles, and how far to trust them.

    Attributes
    ----------
    profiles : (q, genes)
    std : (q, genes), standard deviation of a profile that is measured less the imputed one; None
        where it was not asked for.
    ridge : what was used, relative to the mean of the kernel's diagonal.
    prior : place of the prior that was used among those that were given.
    """

    profiles: Float[np.ndarray, "q genes"]
    std: Float[np.ndarray, "q genes"] | None
    ridge: float
    prior: int


def impute_responses(
    observed: Responses,
    drug: Indices,
    cell: Indices,
    features: Columns | Sequence[Columns],
    *,
    depth: int = 1,
    activation: Layer | str | dict = Relu(),
    ridge: float | str = "loo",
    centred: bool = True,
    uncertainty: bool = False,
    ridge_columns: int = 1000,
    progress: Progress | None = None,
) -> ImputedResponses:
    r"""Complete the table genes x (observed and asked columns) with `dense_ntk` of a prior.

    Parameters
    ----------
    observed : Responses
    drug, cell : (q,)
        The pairs to impute.
    features : (p, n + q)
        A feature prior of ``ntkmc.priors``: the n observed columns, then those asked for. Or
        several, of which leave-one-out chooses one together with the ridge.
    depth, activation : of the network; see `dense_ntk`.
    ridge : relative to the mean of the kernel's diagonal; or "loo", with the least leave-one-out
        error (`best_ridge`).
    centred : whether the network learns what a profile is beside the mean over its cell line. Else,
        as in the paper, it learns the profile.
    uncertainty : whether to compute ``std``.
    ridge_columns : "loo" looks at so many observed columns at most, evenly spread: the noise that a
        ridge stands for does not depend on how many there are, and a factorisation takes the cube.
    progress : called with a stage, the steps done and their number.

    Raises
    ------
    ValueError
        If there are not as many columns of features as observed and asked pairs, or a setting is
        wrong.
    SingularKernelError
        If the kernel of the observed columns is singular with this ridge.
    """
    n, q = len(observed), len(drug)
    priors = [features] if isinstance(features, np.ndarray) else list(features)
    for prior in priors:
        if prior.shape[1] != n + q:
            raise ValueError(
                f"features have {prior.shape[1]} columns; pass one for each of {n} observed and "
                f"{q} asked pairs, in this order"
            )
    if len(priors) != 1 and ridge != "loo":
        raise ValueError(f"there are {len(priors)} priors and ridge was {ridge}; pass 'loo' or one")
    means = np.zeros((n + q, len(observed.genes)))
    if centred:
        means = mean_over_cell(
            observed, np.concatenate([observed.drug, drug]), np.concatenate([observed.cell, cell])
        )
    table = np.full((len(observed.genes), n + q), np.nan)
    table[:, :n] = (observed.profiles - means[:n]).T
    chosen = 0
    kernel_of = functools.partial(_kernel, depth=depth, activation=activation)
    if ridge == "loo":
        some = _spread(n, ridge_columns)
        kernels = [kernel_of(prior[:, some]) for prior in priors]
        chosen, ridge = _least_error(kernels, table[:, some], progress)
    kernel = kernel_of(priors[chosen])
    solved = complete_rows(kernel, table, ridge=ridge, uncertainty=uncertainty, progress=progress)
    std = None if solved.std is None else solved.std[:, n:].T
    return ImputedResponses(solved.completed[:, n:].T + means[n:], std, solved.ridge, chosen)


def _kernel(features, depth, activation) -> np.ndarray:
    return np.asarray(dense_ntk(features, depth=depth, activation=activation))


def _spread(n, columns):
    if columns < 2:
        raise ValueError(f"ridge_columns was {columns}; pass at least 2")
    return np.unique(np.linspace(0, n - 1, min(columns, n), dtype=int))


def _least_error(kernels, table, progress):
    """Place of the best kernel, and its ridge."""
    ridges = [
        minimise_over_ridges(functools.partial(leave_one_out_error, kernel, table), progress)
        for kernel in kernels
    ]
    if len(kernels) == 1:
        return 0, ridges[0]
    errors = [
        leave_one_out_error(kernel, table, ridge)
        for kernel, ridge in zip(kernels, ridges, strict=True)
    ]
    best = int(np.argmin(errors))
    return best, ridges[best]


def in_dense_cells(
    observed: Responses, cell: Indices, threshold: int = 150
) -> Bool[np.ndarray, " q"]:
    """Which of the pairs are of cell lines with at least ``threshold`` observed profiles.

    SI appendix D imputes these with one prior and the others with another one.
    """
    return np.bincount(observed.cell, minlength=observed.number_of_cells)[cell] >= threshold
