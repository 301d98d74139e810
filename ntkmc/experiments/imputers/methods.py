"""Other people's imputers as functions, with the settings that they recommend.

Those of scikit-learn are there anyway. The others are imported when they are used; a missing one
is named with what installs it.
"""

import importlib
import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Float

from ntkmc.baselines.tables import (
    TABLE_BASELINES,
    iterative_imputer,
    knn_imputer,
    mean_imputer,
)

Matrix = Float[np.ndarray, "m n"]
Filled = tuple[Matrix, Matrix | None]
"""A completed table, and the standard deviation of each entry where a method has any."""
Fitted = Callable[[Matrix], Filled]

TREES = 100
SEED = 0


Method = Callable[[Matrix, Sequence[int]], Fitted]
"""Is fitted to a table, NaN where missing, and then completes others with the same columns.

It is told the positions of columns of categories, which are coded.
"""


def ntk(settings: dict[str, Any]) -> Method:
    """`NTKImputer` with these settings."""

    def fit(table: Matrix, categorical: Sequence[int]) -> Fitted:
        from ntkmc.completion import NTKImputer

        imputer = NTKImputer(categorical=list(categorical)).set_params(**settings)
        imputer.fit(table)

        def complete(table: Matrix) -> Filled:
            filled, std = imputer.transform(table, return_std=True)
            return np.asarray(filled, np.float64), np.asarray(std, np.float64)

        return complete

    return fit


def _sklearn(make: Callable[[], Any]) -> Method:
    def fit(table: Matrix, categorical: Sequence[int]) -> Fitted:
        from sklearn.exceptions import ConvergenceWarning

        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            imputer = make().fit(table)
        return lambda table: (imputer.transform(table), None)

    return fit


def _forests():
    """MissForest's recipe (Stekhoven and Bühlmann 2012): fewest gaps first, six rounds."""
    from sklearn.ensemble import RandomForestRegressor

    forest = RandomForestRegressor(TREES, max_features="sqrt", n_jobs=-1, random_state=SEED)
    return iterative_imputer(
        random_state=SEED, estimator=forest, max_iter=6, tol=0, initial_strategy="mean"
    )


def _extra_trees():
    """As the forests; with all columns at each split they are slower, and worse on 15 of 17."""
    from sklearn.ensemble import ExtraTreesRegressor

    trees = ExtraTreesRegressor(TREES, max_features="sqrt", n_jobs=-1, random_state=SEED)
    return iterative_imputer(random_state=SEED, estimator=trees, max_iter=6, tol=0)


def _soft_impute(table: Matrix, categorical: Sequence[int]) -> Fitted:
    """Of all rows together, those that are new as well."""
    fill = TABLE_BASELINES["soft-impute"]

    def complete(other: Matrix) -> Filled:
        if other is table:
            return fill(table), None
        return fill(np.concatenate([table, other]))[len(table) :], None

    return complete


def _frame(table: Matrix, categorical: Sequence[int]) -> pd.DataFrame:
    frame = pd.DataFrame(table, columns=[f"c{number}" for number in range(table.shape[1])])
    for number in categorical:
        codes = frame.iloc[:, number].astype("Int64").astype("category")
        frame[f"c{number}"] = codes
    return frame


def _miceforest(table: Matrix, categorical: Sequence[int]) -> Fitted:
    """What its trees predict, not a draw of a donor's value, which is worse as one guess.

    New rows are completed together with those it was fitted to: `impute_new_data` of miceforest
    6.0.5 leaves in them the draws that it begins with.
    """
    package = _import("miceforest")

    def complete(other: Matrix) -> Filled:
        rows = table if other is table else np.concatenate([table, other])
        kernel = package.ImputationKernel(
            _frame(rows, categorical), mean_match_candidates=0, random_state=SEED
        )
        kernel.mice(6)
        return kernel.complete_data(0).astype(np.float64).to_numpy()[-len(other) :], None

    return complete


def _missforest(table: Matrix, categorical: Sequence[int]) -> Fitted:
    package = _import("missforest")
    names = [f"c{number}" for number in categorical] or None
    imputer = package.MissForest(categorical=names, verbose=0)
    known = _frame(table, ())
    imputer.fit(known)

    def complete(other: Matrix) -> Filled:
        # It refuses columns without a value, and orders columns by their gaps.
        rows = pd.concat([known, _frame(other, ())], ignore_index=True)
        done = imputer.transform(rows)[known.columns]
        return done.to_numpy(np.float64)[len(known) :], None

    return complete


def _hyperimpute(table: Matrix, categorical: Sequence[int]) -> Fitted:
    plugins = _import("hyperimpute.plugins.imputers").Imputers()
    imputer = plugins.get("hyperimpute", random_state=SEED)
    imputer.fit(_frame(table, categorical).astype(np.float64))

    def complete(other: Matrix) -> Filled:
        return imputer.transform(_frame(other, categorical).astype(np.float64)).to_numpy(), None

    return complete


def _import(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError as error:
        package = name.partition(".")[0]
        raise ImportError(f"{package} is not installed: pip install {package} ({error})") from None


METHODS: dict[str, Method] = {
    "mean": _sklearn(mean_imputer),
    "kNN": _sklearn(knn_imputer),
    "ridge": _sklearn(iterative_imputer),
    "extra trees": _sklearn(_extra_trees),
    "forests": _sklearn(_forests),
    "soft-impute": _soft_impute,
    "miceforest": _miceforest,
    "missforest": _missforest,
    "hyperimpute": _hyperimpute,
}
