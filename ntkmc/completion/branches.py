"""Which regressions of a fitted imputer fill in a column, and how far they are off."""

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np
from jaxtyping import Float

from ntkmc.completion import reading
from ntkmc.completion.alternating import Alternating
from ntkmc.completion.chained import Chained
from ntkmc.completion.imputer import NTKImputer
from ntkmc.completion.models import AlongColumns, Both, Model


@dataclasses.dataclass(frozen=True)
class Branches:
    """How a column is filled in.

    Attributes
    ----------
    weights : of each regression, as in `feature_weights`, in the mean over the column's features;
        empty where nothing is predicted, as in a constant column.
    error : of a column of numbers, the root mean squared leave-one-out error, in standard
        deviations of the column; else None.
    wrong : of a column of categories, the share that is predicted wrongly when it is left out; else
        None.
    """

    weights: Mapping[str, float]
    error: float | None
    wrong: float | None


def branches(imputer: NTKImputer, X: Any) -> list[Branches]:
    """How each column is filled in.

    Parameters
    ----------
    imputer : fitted to X.
    X : (m, n), an array or a DataFrame, NaN where missing.

    Returns
    -------
    n of them, in the order of the columns of X.
    """
    numbers, _ = reading.read(imputer, X, fit=False)
    encoding, active, model = imputer.encoding_, imputer.active_, imputer.model_
    left_out, weights = np.full((len(numbers), len(active)), np.nan), {}
    if model is not None:
        left_out[:, active] = model.left_out
        weights = feature_weights(model)
    owner = encoding.owner[active]
    errors = encoding.forward(numbers) - left_out
    guesses, _ = encoding.backward(left_out, np.zeros_like(left_out))
    found = []
    for column in range(numbers.shape[1]):
        which = np.flatnonzero(encoding.owner == column)
        known = ~np.isnan(errors[:, which[0]])
        error, wrong = None, None
        if known.any():
            if column in encoding.categories:
                wrong = float(np.mean(guesses[known, column] != numbers[known, column]))
            else:
                error = float(np.sqrt(np.mean(np.square(errors[known, which[0]]))))
        its = owner == column
        shares = {name: float(one[its].mean()) for name, one in weights.items() if its.any()}
        found.append(Branches(shares, error, wrong))
    return found


def feature_weights(model: Model) -> dict[str, Float[np.ndarray, " f"]]:
    """Of each regression in a model, its weight in the prediction of each of f features.

    They add up to one. The regressions are called by what their kernels are between: "columns"
    (`AlongRows`), "rows" (`Chained`: each column on all others), "in turn" (`Alternating`), and
    "given rows" (`AlongColumns`: those of a row prior).
    """
    if isinstance(model, Both):
        weights = {name: model.weight * its for name, its in feature_weights(model.first).items()}
        for name, its in feature_weights(model.second).items():
            weights[name] = weights.get(name, 0) + (1 - model.weight) * its
        return weights
    names = {Chained: "rows", Alternating: "in turn", AlongColumns: "given rows"}
    return {names.get(type(model), "columns"): np.ones(model.left_out.shape[1])}
