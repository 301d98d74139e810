"""Imputes responses of cells to drugs with an infinitely wide network."""

import dataclasses
import functools
import numbers
from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Float

from ntkmc.architecture import Layer, Relu
from ntkmc.baselines.means import mean_over_cell
from ntkmc.kernels import dense_ntk
from ntkmc.priors.columns import Columns
from ntkmc.response_metrics import Profiles
from ntkmc.responses import Indices, Responses, check_places
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
    features: Columns | Sequence[Float[np.ndarray, "_ columns"]],
    *,
    depth: int = 1,
    activation: Layer | str | dict = Relu(),
    ridge: float | str = "loo",
    centre: Profiles | None = None,
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
    centre : (n + q, genes)
        What the network learns the differences of profiles from: the mean over the cell line where
        not given. Zeros, as in the paper, make it learn the profiles.
    uncertainty : whether to compute ``std``.
    ridge_columns : "loo" looks at so many observed columns at most, evenly spread: the noise that a
        ridge stands for does not depend on how many there are, and a factorisation takes the cube.
    progress : called with a stage, the steps done and their number.

    Raises
    ------
    ValueError
        If the pairs are not places in ``observed``, there are not as many columns of features as
        observed and asked pairs, or a setting is wrong.
    SingularKernelError
        If the kernel of the observed columns is singular with this ridge.
    """
    n, q = len(observed), len(drug)
    check_places(observed, drug, cell, q)
    priors = [features] if isinstance(features, np.ndarray) else list(features)
    if not priors or any(np.ndim(prior) != 2 for prior in priors):
        raise ValueError("features is no matrix and no list of matrices; pass one, or several")
    for prior in priors:
        if prior.shape[1] != n + q:
            raise ValueError(
                f"features have {prior.shape[1]} columns; pass one for each of {n} observed and "
                f"{q} asked pairs, in this order"
            )
    if len(priors) != 1 and ridge != "loo":
        raise ValueError(f"there are {len(priors)} priors and ridge was {ridge}; pass 'loo' or one")
    if centre is None:
        centre = cell_means(observed, drug, cell)
    if centre.shape != (n + q, len(observed.genes)):
        raise ValueError(
            f"centre is {centre.shape}; pass a profile for each of {n} observed and {q} asked pairs"
        )
    if not np.isfinite(centre).all():
        raise ValueError("centre is not finite everywhere; pass profiles without gaps")
    table = np.full((len(observed.genes), n + q), np.nan)
    table[:, :n] = (observed.profiles - centre[:n]).T
    chosen = 0
    kernel_of = functools.partial(_kernel, depth=depth, activation=activation)
    if ridge == "loo":
        some = _spread(n, ridge_columns)
        kernels = [kernel_of(prior[:, some]) for prior in priors]
        chosen, ridge = _least_error(kernels, table[:, some], progress)
    kernel = kernel_of(priors[chosen])
    solved = complete_rows(kernel, table, ridge=ridge, uncertainty=uncertainty, progress=progress)
    std = None if solved.std is None else solved.std[:, n:].T
    return ImputedResponses(solved.completed[:, n:].T + centre[n:], std, solved.ridge, chosen)


def _kernel(features, depth, activation) -> np.ndarray:
    return np.asarray(dense_ntk(features, depth=depth, activation=activation))


def _spread(n, columns):
    if not isinstance(columns, numbers.Integral) or columns < 2:
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


def cell_means(observed: Responses, drug: Indices, cell: Indices) -> Profiles:
    """Means over the cell lines of observed columns, then of those asked for: (n + q, genes)."""
    drugs, cells = (np.concatenate(pair) for pair in ((observed.drug, drug), (observed.cell, cell)))
    return mean_over_cell(observed, drugs, cells)


def fitted_centre(observed: Responses, means: Profiles, imputed: Profiles) -> Profiles:
    r"""Means plus the multiple of an imputation's difference from them that fits best.

    .. math:: m + \alpha (\hat y - m), \qquad \alpha = \arg\min_\alpha
              \sum \| y - m - \alpha (\hat y - m) \|^2,

    the sum over observed columns. Of an imputation that was held out (`held_out_imputation`) it
    says how far to trust it, and the network learns the rest.

    Parameters
    ----------
    observed : Responses
    means, imputed : (n + q, genes), the observed columns first.
    """
    n = len(observed)
    beside = imputed - means
    wanted = observed.profiles - means[:n]
    size = float(np.sum(beside[:n] ** 2))
    slope = float(np.sum(beside[:n] * wanted)) / size if size else 0.0
    return means + slope * beside


def in_dense_cells(
    observed: Responses, cell: Indices, threshold: int = 150
) -> Bool[np.ndarray, " q"]:
    """Which of the pairs are of cell lines with at least ``threshold`` observed profiles.

    SI appendix D imputes these with one prior and the others with another one.
    """
    return np.bincount(observed.cell, minlength=observed.number_of_cells)[cell] >= threshold
