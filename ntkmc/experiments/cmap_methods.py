"""The methods that the drug-response experiment compares, by name."""

import functools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ntkmc import _spelling, priors
from ntkmc.drug_response import (
    ImputedResponses,
    cell_means,
    fitted_centre,
    impute_responses,
    in_dense_cells,
)
from ntkmc.experiments.cmap_baselines import BASELINES, Fold, baseline_from

DENSE = 150
"""Observed profiles from which on the paper calls a cell line dense."""


Method = Callable[[Fold, bool], ImputedResponses]
"""Of a fold and of whether standard deviations are wanted."""


def one_hot(
    cell_weight: float = 1.0, drug_weight: float = 0.75, identity: float | None = None
) -> Method:
    """Which drug and which cell line it is, and nothing else.

    With ``identity``, 1.5 in the authors' programs, it is solved as all of the paper's priors are:
    profiles themselves, of the imputed cell lines alone, without a ridge.
    """

    def run(fold: Fold, uncertainty: bool) -> ImputedResponses:
        observed = fold.observed if identity is None else fold.trained
        pairs = observed, fold.drug, fold.cell
        features = priors.concatenated(
            [priors.one_hot_cell(*pairs), priors.one_hot_drug(*pairs)], [cell_weight, drug_weight]
        )
        if identity is not None:
            return _as_in_the_paper(pairs, features, identity, uncertainty)
        return impute_responses(*pairs, features, uncertainty=uncertainty)

    return run


def random(features: int = 100, seed: int = 0, identity: float = 1.5) -> Method:
    """Numbers drawn for each column, uniform between 0 and 1: a prior that says nothing."""

    def run(fold: Fold, uncertainty: bool) -> ImputedResponses:
        pairs = fold.trained, fold.drug, fold.cell
        columns = len(fold.trained) + len(fold.drug)
        drawn = np.random.default_rng(seed).random((features, columns))
        return _as_in_the_paper(pairs, drawn, identity, uncertainty)

    return run


def identity() -> Method:
    """A feature for each column: all are equally far, and imputed with a multiple of the mean."""

    def run(fold: Fold, uncertainty: bool) -> ImputedResponses:
        pairs = fold.trained, fold.drug, fold.cell
        nothing = np.zeros((0, len(fold.trained) + len(fold.drug)))
        return _as_in_the_paper(pairs, nothing, 1.0, uncertainty)

    return run


def reference_cell(cell_weight: float = 1.25, identity: float = 1.5) -> Method:
    """The paper's prior for sparse cell lines (SI appendix D)."""

    return _from_reference(priors.reference_cell, cell_weight, identity)


def reference_cell_one_hot(cell_weight: float = 0.75, identity: float = 1.5) -> Method:
    """The same embedding of drugs, beside which cell line it is: of the authors' programs."""

    return _from_reference(priors.reference_cell_one_hot, cell_weight, identity)


def imputation(
    impute: Any,
    held_out: int = 0,
    residual: bool = False,
    cell_weight: float = 1.0,
    identity: float = 1.5,
) -> Method:
    """A baseline's imputation as prior: as in the paper, or with observed columns held out.

    With ``held_out`` parts, features are what the baseline makes of the column from others,
    beside the cell line; leave-one-out chooses the ridge, and with ``residual`` the network learns
    what is left of a fitted multiple of the imputation.
    """
    baseline = baseline_from(impute)
    if held_out == 1 or held_out < 0:
        raise ValueError(f"held_out was {held_out}; pass at least 2 parts, or 0")

    def run(fold: Fold, uncertainty: bool) -> ImputedResponses:
        made = functools.partial(fold.impute, baseline)
        if not held_out:
            pairs = fold.trained, fold.drug, fold.cell
            return _as_in_the_paper(pairs, _imputed(fold, made), identity, uncertainty)
        pairs = fold.observed, fold.drug, fold.cell
        features = priors.held_out_imputation(*pairs, made, held_out)
        even = priors.evened_columns(features, len(fold.observed), 0)
        centre = cell_means(*pairs)
        if residual:
            centre = fitted_centre(fold.observed, centre, features.T)
        features = priors.concatenated([even, priors.one_hot_cell(*pairs)], [1, cell_weight])
        return impute_responses(*pairs, features, centre=centre, uncertainty=uncertainty)

    return run


def mixed(
    impute: Any, threshold: int = DENSE, cell_weight: float = 1.25, identity: float = 1.5
) -> Method:
    """The paper's method: an imputation as prior in dense cell lines, the reference in sparse ones.

    Each cell line's columns are imputed with one of the two priors (SI appendix D).
    """
    baseline = baseline_from(impute)

    def run(fold: Fold, uncertainty: bool) -> ImputedResponses:
        dense = in_dense_cells(fold.trained, fold.cell, threshold)
        profiles = np.empty((len(dense), len(fold.trained.genes)))
        std = np.empty_like(profiles) if uncertainty else None
        for is_dense in np.unique(dense):
            chosen = dense == is_dense
            pairs = fold.trained, fold.drug[chosen], fold.cell[chosen]
            if is_dense:
                every = _imputed(fold, functools.partial(fold.impute, baseline))
                kept = np.concatenate([np.ones(len(fold.trained), bool), chosen])
                features = every[:, kept]
            else:
                features = priors.reference_cell(*pairs, fold.reference, cell_weight)
            part = _as_in_the_paper(pairs, features, identity, uncertainty)
            profiles[chosen] = part.profiles
            if std is not None:
                std[chosen] = part.std
        return ImputedResponses(profiles, std, 0.0, 0)

    return run


def drug_and_neighbours(
    impute: Any = "dnpp",
    cell_weights: Sequence[float] = (1.0, 1.5, 2.5),
    power: float = 0.5,
    folds: int = 10,
    depth: int = 1,
) -> Method:
    """What the drug does elsewhere and its neighbours do here; leave-one-out chooses the rest."""
    baseline = baseline_from(impute)

    def run(fold: Fold, uncertainty: bool) -> ImputedResponses:
        pairs = fold.observed, fold.drug, fold.cell
        made = functools.partial(fold.impute, baseline)
        features = [
            priors.drug_and_neighbours(*pairs, made, weight, power, folds)
            for weight in cell_weights
        ]
        return impute_responses(*pairs, features, depth=depth, uncertainty=uncertainty)

    return run


def _from_reference(embed, cell_weight, identity) -> Method:
    def run(fold: Fold, uncertainty: bool) -> ImputedResponses:
        pairs = fold.trained, fold.drug, fold.cell
        features = embed(*pairs, fold.reference, cell_weight)
        return _as_in_the_paper(pairs, features, identity, uncertainty)

    return run


def _as_in_the_paper(pairs, features, identity, uncertainty):
    observed, drug, cell = pairs
    features = priors.with_identity(features, identity)
    zero = np.zeros((features.shape[1], len(observed.genes)))
    return impute_responses(
        observed, drug, cell, features, ridge=0.0, centre=zero, uncertainty=uncertainty
    )


def _imputed(fold, made):
    """Trained columns as they are, the others as a baseline imputes them from all profiles."""
    return np.concatenate([fold.trained.profiles, made(fold.observed, fold.drug, fold.cell)]).T


PRIORS: dict[str, Callable[..., Method]] = {
    "one_hot": one_hot,
    "random": random,
    "identity": identity,
    "reference_cell": reference_cell,
    "reference_cell_one_hot": reference_cell_one_hot,
    "imputation": imputation,
    "mixed": mixed,
    "drug_and_neighbours": drug_and_neighbours,
}


METHODS = ("ntk", *BASELINES)


def method_from(spelling: Any) -> Method:
    """The method that is spelled: a baseline, or ``{"ntk": prior}``, the network with a prior."""
    name, _ = _spelling.split(spelling, "method")
    if name == "ntk":
        prior = spelling["ntk"] if isinstance(spelling, dict) else None
        return _spelling.make(prior, PRIORS, "method ntk")
    if name not in BASELINES:
        raise ValueError(f"method: unknown name {name!r}; {_spelling.nearest(name, METHODS)}")
    return _spelling.make(spelling, BASELINES, "method").run
