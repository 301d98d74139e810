"""Imputation of tables by other people's methods, with their own default settings."""

import warnings
from collections.abc import Callable

import numpy as np
from jaxtyping import Float
from sklearn.exceptions import ConvergenceWarning
from sklearn.experimental import enable_iterative_imputer  # noqa: F401
from sklearn.impute import IterativeImputer, KNNImputer, SimpleImputer

Matrix = Float[np.ndarray, "m n"]


def column_means(table: Matrix) -> Matrix:
    """Fill each column with its mean (scikit-learn's ``SimpleImputer``)."""
    return SimpleImputer(keep_empty_features=True).fit_transform(table)


def k_nearest(table: Matrix) -> Matrix:
    """The mean of the five nearest rows that have a value (``KNNImputer``; Troyanskaya 2001)."""
    return KNNImputer(keep_empty_features=True).fit_transform(table)


def iterative(table: Matrix) -> Matrix:
    """Each column by Bayesian ridge regression on the others, in turn (``IterativeImputer``).

    Buuren and Groothuis-Oudshoorn, "mice", 2011. Ten rounds, converged or not, as is its default.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return IterativeImputer(keep_empty_features=True).fit_transform(table)


TABLE_BASELINES: dict[str, Callable[[Matrix], Matrix]] = {
    "mean": column_means,
    "kNN": k_nearest,
    "iterative": iterative,
}
