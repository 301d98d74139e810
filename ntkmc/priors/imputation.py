"""Another method's imputation as a feature prior."""

from collections.abc import Callable

import numpy as np
from jaxtyping import Float, Integer

from ntkmc.responses import Indices, Responses

Impute = Callable[[Responses, Indices, Indices], Float[np.ndarray, "n genes"]]
"""(observed, drug, cell) -> profiles: what ``ntkmc.baselines`` are."""


def imputation(
    observed: Responses, drug: Indices, cell: Indices, impute: Impute
) -> Float[np.ndarray, "genes columns"]:
    """Observed columns as they are, the others as a method imputes them: SI appendices D and F.

    Parameters
    ----------
    observed : Responses
    drug, cell : (q,)
        The pairs to impute.
    impute : (observed, drug, cell) -> (q, genes).

    Returns
    -------
    (genes, n + q) : the observed columns, in their order, then those asked for.
    """
    return np.concatenate([observed.profiles, impute(observed, drug, cell)]).T


def held_out_imputation(
    observed: Responses,
    drug: Indices,
    cell: Indices,
    impute: Impute,
    folds: int = 10,
    seed: int = 0,
) -> Float[np.ndarray, "genes columns"]:
    """Every column as a method imputes it from others: an observed one while it is held out.

    `imputation` shows the network observed columns that are noisier than the imputed ones it has to
    predict from, so that where profiles are mostly noise it learns to trust its features too much.
    Held out, all columns are alike.

    Parameters
    ----------
    observed, drug, cell, impute : as in `imputation`. Only ``observed`` is ever read.
    folds : parts that the observed columns of each cell line are held out in, in turn.
    seed : draws them.
    """
    imputed = np.empty_like(observed.profiles)
    for held in folds_within_cells(observed, folds, seed):
        kept = np.setdiff1d(np.arange(len(observed)), held)
        imputed[held] = impute(observed.take(kept), observed.drug[held], observed.cell[held])
    return np.concatenate([imputed, impute(observed, drug, cell)]).T


def folds_within_cells(
    responses: Responses, folds: int, seed: int
) -> list[Integer[np.ndarray, " held"]]:
    """The profiles in as many parts, each with its share of every cell line (SI appendix I).

    A cell line of fewer profiles than parts is in as many parts as it has profiles.

    Parameters
    ----------
    responses : Responses
    folds : at least 2.
    seed : of scikit-learn's shuffled ``KFold``, begun anew for each cell line.
    """
    from sklearn.model_selection import KFold  # a second to import; most priors do without

    if folds < 2:
        raise ValueError(f"folds was {folds}; pass at least 2")
    parts: list[list[np.ndarray]] = [[] for _ in range(folds)]
    for line in np.unique(responses.cell):
        rows = np.flatnonzero(responses.cell == line)
        if len(rows) == 1:
            parts[0].append(rows)
            continue
        split = KFold(min(folds, len(rows)), shuffle=True, random_state=seed).split(rows)
        for part, (_, held) in zip(parts, split, strict=False):
            part.append(rows[held])
    return [np.concatenate(part) for part in parts if part]
