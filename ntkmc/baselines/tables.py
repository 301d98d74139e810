"""Imputation of tables by other people's methods, with their own default settings.

scikit-learn is imported when one is used: it takes a second, and baselines for images do without.
"""

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
from jaxtyping import Float

from ntkmc.baselines.soft_impute import soft_impute

Matrix = Float[np.ndarray, "m n"]


def mean_imputer() -> Any:
    """Fills each column with its mean (scikit-learn's ``SimpleImputer``)."""
    from sklearn.impute import SimpleImputer

    return SimpleImputer(keep_empty_features=True)


def knn_imputer() -> Any:
    """The mean of the five nearest rows that have a value (``KNNImputer``; Troyanskaya 2001)."""
    from sklearn.impute import KNNImputer

    return KNNImputer(keep_empty_features=True)


def iterative_imputer(**settings: Any) -> Any:
    """Each column by regression on the others, in turn (``IterativeImputer``).

    Buuren and Groothuis-Oudshoorn, "mice", 2011. As it comes, by Bayesian ridge regression.
    """
    from sklearn.experimental import enable_iterative_imputer  # noqa: F401
    from sklearn.impute import IterativeImputer

    return IterativeImputer(keep_empty_features=True, **settings)


def column_means(table: Matrix) -> Matrix:
    """Fill in with `mean_imputer`."""
    return mean_imputer().fit_transform(table)


def k_nearest(table: Matrix) -> Matrix:
    """Fill in with `knn_imputer`."""
    return knn_imputer().fit_transform(table)


def iterative(table: Matrix) -> Matrix:
    """Fill in with `iterative_imputer`: ten rounds, converged or not, as is its default."""
    from sklearn.exceptions import ConvergenceWarning

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return iterative_imputer().fit_transform(table)


def soft_imputed(table: Matrix) -> Matrix:
    """`soft_impute` of the standardised columns; a column without values is zero."""
    known = ~np.isnan(table)
    empty = ~known.any(axis=0)
    mean = np.nanmean(np.where(empty, 0, table), axis=0)
    spread = np.nanstd(np.where(empty, 0, table), axis=0)
    spread = np.where(spread > 0, spread, 1)
    return np.where(known, table, mean + spread * soft_impute((table - mean) / spread))


TABLE_BASELINES: dict[str, Callable[[Matrix], Matrix]] = {
    "mean": column_means,
    "kNN": k_nearest,
    "soft-impute": soft_imputed,
    "iterative": iterative,
}
