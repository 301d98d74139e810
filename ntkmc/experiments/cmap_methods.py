"""The methods that the drug-response experiment compares, by name."""

import dataclasses
import functools
import inspect
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float

from ntkmc import _spelling, baselines, priors
from ntkmc.drug_response import (
    ImputedResponses,
    cell_means,
    fitted_centre,
    impute_responses,
    in_dense_cells,
)
from ntkmc.responses import Indices, Responses

DENSE = 150
"""Observed profiles from which on the paper calls a cell line dense."""


@dataclasses.dataclass
class Fold:
    """What a method is given: the profiles of a training set and the pairs to impute.

    Attributes
    ----------
    trained : of the cell lines that are imputed.
    reference : all of the reference cell line, which is never imputed.
    drug, cell : (q,)
    """

    trained: Responses
    reference: Responses
    drug: Indices
    cell: Indices
    _imputed: dict[int, np.ndarray] = dataclasses.field(default_factory=dict)

    @functools.cached_property
    def observed(self) -> Responses:
        """Both kinds of profiles: all methods but the paper's prior are trained on them."""
        return self.trained.joined(self.reference)

    def impute(self, baseline: "Baseline", observed: Responses, drug: Indices, cell: Indices):
        """A baseline's imputation; made once, for however many methods it is a prior of."""
        key = hash((baseline, observed.profiles.tobytes(), drug.tobytes(), cell.tobytes()))
        if key not in self._imputed:
            self._imputed[key] = baseline(observed, drug, cell)
        return self._imputed[key]


@dataclasses.dataclass(frozen=True)
class Baseline:
    """A function of ``ntkmc.baselines`` with its settings."""

    function: Callable[..., np.ndarray]
    settings: tuple[tuple[str, Any], ...]

    def __call__(self, observed: Responses, drug: Indices, cell: Indices) -> np.ndarray:
        """Impute."""
        return self.function(observed, drug, cell, **dict(self.settings))

    def run(self, fold: Fold, uncertainty: bool) -> ImputedResponses:
        """Impute a fold."""
        profiles = fold.impute(self, fold.observed, fold.drug, fold.cell)
        return ImputedResponses(profiles, None, 0.0, 0)


Method = Callable[[Fold, bool], ImputedResponses]
"""Of a fold and of whether standard deviations are wanted."""


def one_hot(cell_weight: float = 1.0, drug_weight: float = 0.75) -> Method:
    """Which drug and which cell line it is, and nothing else."""

    def run(fold: Fold, uncertainty: bool) -> ImputedResponses:
        pairs = fold.observed, fold.drug, fold.cell
        features = priors.concatenated(
            [priors.one_hot_cell(*pairs), priors.one_hot_drug(*pairs)], [cell_weight, drug_weight]
        )
        return impute_responses(*pairs, features, uncertainty=uncertainty)

    return run


def reference_cell(cell_weight: float = 1.25, identity: float = 1.5) -> Method:
    """The paper's prior for sparse cell lines (SI appendix D)."""

    def run(fold: Fold, uncertainty: bool) -> ImputedResponses:
        pairs = fold.trained, fold.drug, fold.cell
        features = priors.reference_cell(*pairs, fold.reference, cell_weight)
        return _as_in_the_paper(pairs, features, identity, uncertainty)

    return run


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


def synthetic_control(
    observed: Responses, drug: Indices, cell: Indices, minimum: int = 3
) -> Float[np.ndarray, "n genes"]:
    """The profiles of `ntkmc.baselines.synthetic_control`, without its condition."""
    return baselines.synthetic_control(observed, drug, cell, minimum).profiles


def synthetic_interventions(
    observed: Responses,
    drug: Indices,
    cell: Indices,
    over: str = "cells",
    energy: float = 0.95,
    minimum: int = 3,
) -> Float[np.ndarray, "n genes"]:
    """The profiles of `ntkmc.baselines.synthetic_interventions`, without its conditions."""
    return baselines.synthetic_interventions(observed, drug, cell, over, energy, minimum).profiles


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


def _baseline_maker(function: Callable[..., np.ndarray]) -> Callable[..., Baseline]:
    """A function of settings alone, as a configuration spells them."""

    def make(**settings: Any) -> Baseline:
        frozen = {k: tuple(v) if isinstance(v, list) else v for k, v in settings.items()}
        return Baseline(function, tuple(sorted(frozen.items())))

    signature = inspect.signature(function)
    settings = list(signature.parameters.values())[3:]  # without observed, drug, cell
    make.__signature__ = signature.replace(parameters=settings)  # type: ignore[attr-defined]
    return make


BASELINES = {
    name: _baseline_maker(function)
    for name, function in {
        "mean_over_cell": baselines.mean_over_cell,
        "mean_over_drug": baselines.mean_over_drug,
        "two_way_mean": baselines.two_way_mean,
        "dnpp": baselines.dnpp,
        "falrtc": baselines.falrtc,
        "soft_impute": baselines.soft_impute_responses,
        "style_transfer": baselines.style_transfer,
        "autoencoder": baselines.autoencoder_style_transfer,
        "synthetic_control": synthetic_control,
        "synthetic_interventions": synthetic_interventions,
    }.items()
}
PRIORS: dict[str, Callable[..., Method]] = {
    "one_hot": one_hot,
    "reference_cell": reference_cell,
    "imputation": imputation,
    "mixed": mixed,
    "drug_and_neighbours": drug_and_neighbours,
}


METHODS = ("ntk", *BASELINES)


def baseline_from(spelling: Any) -> Baseline:
    """The baseline that is spelled, such as ``{"dnpp": {"neighbours": 10}}``."""
    return _spelling.make(spelling, BASELINES, "impute")


def method_from(spelling: Any) -> Method:
    """The method that is spelled: a baseline, or ``{"ntk": prior}``, the network with a prior."""
    name, _ = _spelling.split(spelling, "method")
    if name == "ntk":
        prior = spelling["ntk"] if isinstance(spelling, dict) else None
        return _spelling.make(prior, PRIORS, "method ntk")
    if name not in BASELINES:
        raise ValueError(f"method: unknown name {name!r}; {_spelling.nearest(name, METHODS)}")
    return _spelling.make(spelling, BASELINES, "method").run
