"""What a method of the drug-response experiment is given, and the methods that are no networks."""

import dataclasses
import functools
import inspect
from collections.abc import Callable
from typing import Any

import numpy as np
from jaxtyping import Float

from ntkmc import _spelling, baselines
from ntkmc.drug_response import ImputedResponses
from ntkmc.responses import Indices, Responses


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


def baseline_from(spelling: Any) -> Baseline:
    """The baseline that is spelled, such as ``{"dnpp": {"neighbours": 10}}``."""
    return _spelling.make(spelling, BASELINES, "impute")
