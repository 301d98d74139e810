"""The imputer: kernel regression of a table as a scikit-learn transformer."""

from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, OneToOneFeatureMixin, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from ntkmc.completion import reading
from ntkmc.completion.encoding import Encoding
from ntkmc.completion.models import (
    AlongRows,
    Model,
    error_of,
    fit_along_columns,
    fit_along_rows,
    fit_both,
)
from ntkmc.completion.priors import Gram, Network, check_prior, prior_matrix
from ntkmc.completion.table_prior import folds_of, table_prior
from ntkmc.kernels.dense_ntk import homogeneous

_DEPTHS = (1, 2, 3)
_IDENTITIES = (0.0, 0.1, 0.3, 1.0)
_REFINING_RIDGE = 0.03  # where leave-one-out has yet to choose one
_FOLDS = 10


class NTKImputer(OneToOneFeatureMixin, TransformerMixin, BaseEstimator):
    r"""Fill in missing values of a table with an infinitely wide network.

    Each row is predicted from its observed entries by kernel regression, with the tangent kernel
    between columns of a feature prior: the exact solution of an infinitely wide fully connected
    network that completes the table (SI appendix B of the matrix-completion paper). Columns are
    standardised before and put back after. There is no randomness.

    Parameters
    ----------
    column_prior : what is known of the columns.
        "table" (the default) embeds each column by its own values in the table, filled in with the
        method's own completions; "identity" knows nothing (rows are filled in with a multiple of
        their mean); an array (p, n_features) embeds each column by p features; a `Gram` is a kernel
        itself. A DataFrame is put into the order of the table's columns. None: columns are not
        related, `row_prior` is all there is.
    row_prior : the same for the rows of the table that the imputer is fitted to: an array
        (p, n_samples) or a `Gram`, "identity", or None (the default: rows are not related). With
        one, only tables with the same rows can be transformed. With both priors, predictions are
        weighted so that the leave-one-out error is least.
    depth : number of hidden layers, or "loo": 1 to 3, the best of them by leave-one-out.
    activation : "relu", {"leaky_relu": {"negative_slope": 0.1}}, "identity", or the layer itself.
    ridge : added to the kernel's diagonal, relative to its mean, or "loo": the one with the least
        leave-one-out error. Errors for all choices are of rows whose prior other rows made.
    identity_weight : c of the prior (Z, c I) with columns of Z of norm 1 in the mean (SI appendix
        D): how much of itself a column keeps. Or "loo": the best of 0, 0.1, 0.3 and 1. It says
        nothing where a prior is a `Gram`.
    n_refinements : how many times the prior "table" is completed anew.
    prior_rows : how many rows, evenly spaced, the prior "table" and all choices are made from.
    categorical : names or positions of columns of categories (numbers or text, two or more of
        them), which are filled in with one of the values that they had in `fit`.

    Attributes
    ----------
    model_ : the fitted regression, with its kernel, ridge and leave-one-out predictions.
    depth_, identity_weight_ : as they were chosen.
    left_out_error_ : root mean squared leave-one-out error, of standardised columns.
    encoding_ : means and standard deviations of the columns, and their categories.
    n_features_in_, feature_names_in_ : as everywhere in scikit-learn.

    Notes
    -----
    Constant columns are filled with their value. A column without any value has the mean and the
    standard deviation of a typical other column, and the prior "table" embeds it as the mean of
    the others. A row without any value is filled with the columns' means (with both priors or a row
    prior, with what similar rows have). Infinite values are refused. A table in which nothing is
    observed is refused by `fit`.

    Standard deviations are those of a Gaussian process with this kernel, scaled column by column so
    that they match the leave-one-out errors.

    Examples
    --------
    >>> import numpy as np
    >>> from ntkmc import NTKImputer
    >>> table = np.array([[1.0, 2.0], [2.0, 4.0], [3.0, np.nan], [4.0, 8.0]])
    >>> filled, std = NTKImputer().fit(table).transform(table, return_std=True)

    References
    ----------
    Radhakrishnan, Stefanakis, Belkin and Uhler, "Simple, fast, and flexible framework for matrix
    completion with infinite width neural networks", PNAS 2022, theorem 1 and SI appendices B and D.
    """

    def __init__(
        self,
        column_prior: Any = "table",
        row_prior: Any = None,
        *,
        depth: int | str = 1,
        activation: Any = "relu",
        ridge: float | str = "loo",
        identity_weight: float | str = 0.1,
        n_refinements: int = 3,
        prior_rows: int = 2000,
        categorical: Any = (),
    ):
        self.column_prior = column_prior
        self.row_prior = row_prior
        self.depth = depth
        self.activation = activation
        self.ridge = ridge
        self.identity_weight = identity_weight
        self.n_refinements = n_refinements
        self.prior_rows = prior_rows
        self.categorical = categorical

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        return tags

    def fit(self, X, y=None) -> "NTKImputer":
        """Learn the columns' scales, the kernel and the ridge from a table.

        Parameters
        ----------
        X : (n_samples, n_features), array or DataFrame, NaN where missing.
        y : ignored.

        Raises
        ------
        ValueError : a setting is wrong (it is named), a prior does not fit the table, X is empty,
            holds text in columns that are not declared categorical or infinite values, or nothing
            is observed.
        """
        self._check_settings()
        numbers, categories = reading.read(self, X, fit=True)
        if np.isnan(numbers).all():
            raise ValueError(
                "X has no observed value at all; pass a table in which at least one is not NaN"
            )
        self.encoding_ = Encoding.of(numbers, categories)
        table = self.encoding_.forward(numbers)
        models: list[Model] = []
        if self.column_prior is not None:
            models.append(self._fit_along_rows(table))
        if self.row_prior is not None:
            matrix = prior_matrix(self.row_prior, "row_prior", "rows", len(table))
            models.append(self._fit_along_columns(matrix, table))
        self.model_ = models[0] if len(models) == 1 else fit_both(models[0], models[1], table)
        self.left_out_error_ = error_of(self.model_, table, self.encoding_.independent)
        return self

    def transform(self, X, return_std: bool = False):
        """Fill in a table with the same columns; rows need not be those of `fit`.

        Parameters
        ----------
        X : (n_samples, n_features), array or DataFrame, NaN where missing.
        return_std : also return the standard deviation of every imputed entry.

        Returns
        -------
        filled : X, float64, with its missing entries filled in and the others as they were; a
            DataFrame with the same labels where X is one.
        std : of the same shape and kind, 0 where X was observed, if `return_std`. For a
            category it is that of the chosen category's indicator, between 0 and 1 or so.

        Raises
        ------
        ValueError : X lacks a column of the table in `fit` or has another, has infinite values or
            unknown categories, or other rows than a row prior is for.
        """
        check_is_fitted(self)
        numbers, _ = reading.read(self, X, fit=False)
        table = self.encoding_.forward(numbers)
        completed, std = self.model_.complete(table)
        missing = np.isnan(numbers)
        filled, spread = self.encoding_.backward(completed, std)
        filled = np.where(missing, filled, numbers)
        result = reading.write(self, X, filled, missing)
        if not return_std:
            return result
        assert spread is not None
        return result, reading.labelled(X, np.where(missing, spread, 0.0))

    def _fit_along_rows(self, table) -> AlongRows:
        from_table = isinstance(self.column_prior, str) and self.column_prior == "table"
        count = int(self.encoding_.owner[-1]) + 1
        prior = reading.aligned(self, self.column_prior)
        matrix = None if from_table else prior_matrix(prior, "column_prior", "columns", count)
        rows = np.unique(np.linspace(0, len(table) - 1, min(self.prior_rows, len(table))).round())
        rows = rows.astype(int)
        # A prior that is given is the same whoever's rows are left out.
        folds = folds_of(len(rows), _FOLDS if matrix is None else 1)
        counted = self.encoding_.independent
        best, best_error = None, np.inf
        for network in self._networks():
            if matrix is None:
                ridge = _REFINING_RIDGE if self.ridge == "loo" else float(self.ridge)
                made = table_prior(table[rows], folds, network, ridge, self.n_refinements)
                kernel, fold_kernels = made.kernel, made.fold_kernels
            else:
                kernel = _kernel(matrix[..., self.encoding_.owner], self.column_prior, network)
                if isinstance(self.column_prior, Gram):
                    kernel = kernel[self.encoding_.owner]
                fold_kernels = [kernel]
            model = fit_along_rows(kernel, fold_kernels, folds, table[rows], counted, self.ridge)
            error = error_of(model, table[rows], counted)
            if best is None or error < best_error:
                best, best_error, chosen = model, error, network
        assert best is not None
        self.depth_, self.identity_weight_ = chosen.depth, chosen.identity
        return best.spread(rows, table.shape)

    def _fit_along_columns(self, matrix, table) -> Model:
        models = []
        for network in self._networks():
            kernel = _kernel(matrix, self.row_prior, network)
            models.append((fit_along_columns(kernel, table, self.ridge), network))
        errors = [error_of(model, table, self.encoding_.independent) for model, _ in models]
        best, network = models[int(np.argmin(errors))]
        if self.column_prior is None:
            self.depth_, self.identity_weight_ = network.depth, network.identity
        return best

    def _networks(self) -> list[Network]:
        depths = _DEPTHS if self.depth == "loo" else (int(self.depth),)
        weights = _IDENTITIES if self.identity_weight == "loo" else (float(self.identity_weight),)
        return [Network(depth, self.activation, weight) for depth in depths for weight in weights]

    def _check_settings(self) -> None:
        if self.column_prior is None and self.row_prior is None:
            raise ValueError("column_prior and row_prior are both None; pass at least one")
        if self.column_prior is not None:
            check_prior(self.column_prior, "column_prior")
        if self.row_prior is not None:
            check_prior(self.row_prior, "row_prior", ("identity",))
        homogeneous(self.activation)
        if self.ridge != "loo":
            _require_number("ridge", self.ridge)
        if self.identity_weight != "loo":
            _require_number("identity_weight", self.identity_weight)
        if self.depth != "loo":
            _require_int("depth", self.depth, 1)
        _require_int("n_refinements", self.n_refinements, 0)
        _require_int("prior_rows", self.prior_rows, 2)


def _kernel(matrix, prior, network: Network):
    return matrix if isinstance(prior, Gram) else network.kernel(matrix)


def _require_int(name: str, value: Any, least: int) -> None:
    number = isinstance(value, int | np.integer) and not isinstance(value, bool)
    if not number or value < least:
        raise ValueError(f"{name} was {value!r}; pass a whole number that is at least {least}")


def _require_number(name: str, value: Any) -> None:
    number = isinstance(value, int | float | np.number) and not isinstance(value, bool)
    if not number or not 0 <= value < np.inf:
        raise ValueError(f"{name} was {value!r}; pass a number >= 0, or 'loo'")
