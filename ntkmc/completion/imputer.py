"""The imputer: kernel regression of a table as a scikit-learn transformer."""

import os
from typing import Any

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, OneToOneFeatureMixin, TransformerMixin
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from ntkmc.completion import draws, reading, saving
from ntkmc.completion.encoding import Encoding
from ntkmc.completion.learning import Learner
from ntkmc.completion.models import Model, root_mean_square, with_rows
from ntkmc.completion.priors import Gram, check_prior, prior_matrix
from ntkmc.completion.settings import check_settings, require_int
from ntkmc.completion.support import Support
from ntkmc.completion.table_prior import GivenPrior
from ntkmc.progress import Progress

_ROWS_AT_ONCE = 2**15  # completed; each time kernels are factorised anew


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
        one, only tables with the same rows can be transformed, or others with `row_features` of
        their own. With both priors, predictions are weighted so that the leave-one-out error is
        least; rows without any value are predicted by what is known of them alone.
    depth : number of hidden layers, or "loo": 1 to 3, the best of them by leave-one-out.
    activation : "relu", {"leaky_relu": {"negative_slope": 0.1}}, "identity", or the layer itself.
    ridge : added to the kernel's diagonal, relative to its mean, or "loo": the one with the least
        leave-one-out error. Errors for all choices are of rows whose prior other rows made.
    identity_weight : c of the prior (Z, c I) with columns of Z of norm 1 in the mean (SI appendix
        D): how much of itself a column keeps. Or "loo": the best of 0, 0.1, 0.3 and 1. It says
        nothing where a prior is a `Gram`.
    parity : of the network with the prior "table" (`Network.signed_kernel` has the formulas). "odd"
        is its odd part, in which a relation and its opposite cost the same and columns without a
        relation have none. "oriented" has the even part, too, between columns that share a
        factor. "loo" (the default): the better one.
    n_refinements : how many times the prior "table" is completed anew.
    chained : whether each column is also regressed on all others, by kernels between rows, in
        rounds (chained equations; `ntkmc.completion.chained_fit` has the method): slower, and much
        better on narrow tables, in which columns are no linear functions of one another. Both
        predictions are weighted, column by column, so that the leave-one-out error is least.
        "auto" (the default): where the priors are "table" and None and the table has 40 rows or
        more, four for each feature, and at most 100 features.
    alternating : whether rows and columns are completed in turn, with linear kernels and a falling
        ridge (`ntkmc.completion.alternating`): much better where little is observed of a table of
        few factors, as of ratings. It is weighted as `chained` is. "auto" (the default): where the
        priors are "table" and None, a quarter or less is observed, and there are 50 rows or more
        and 50 to 2,000 features.
    prior_rows : how many rows, evenly spaced, the prior "table", the regression that is
        `alternating` and all choices are made from.
    chained_rows : how many rows, evenly spaced, the regressions that are `chained` are made from.
        Columns with up to 4,096 values in them are regressed on all, exactly; those with more by
        conjugate gradients, to the third digit, with the best of the kernels instead of three, and
        judged by 512 values that are held out.
    categorical : the columns of categories (numbers or text, two or more of them), which are filled
        in with one of the values that they had in `fit`: a name or a position, several of them, a
        mask (n_features,), or None. "from_dtype" (the default): those of the dtypes category and
        bool, and those of strings and objects that hold truth values or text, unless all of it
        spells numbers.
    missing_values : what marks a missing entry beside NaN, None, NaT and ``pandas.NA``: a number or
        a text.
    support : None (the default): numbers are what is predicted. "range": within the range of the
        column in `fit`. "observed": the nearest of its values, for whole numbers, grades and
        doses. A dict has one of them for each column that is named in it.
    add_indicator : whether `transform` also returns, after the table's columns, for each of those
        with gaps in `fit` whether an entry was missing.
    keep_empty_features : whether columns without any value in `fit` stay, filled in with what a
        typical column has in the mean. Otherwise `transform` drops them, as
        ``sklearn.impute.SimpleImputer`` does.
    progress : called with the stage, how many steps of it are done, and their number.

    Attributes
    ----------
    model_ : the fitted regression, with its kernel, ridge and leave-one-out predictions; None where
        no column varies.
    depth_, identity_weight_, parity_ : as they were chosen.
    left_out_error_ : root mean squared leave-one-out error, of standardised columns.
    active_ : (n_features,) of the encoding, the columns that have to do with one another.
    encoding_ : means and standard deviations of the columns, and their categories.
    support_ : what columns may hold.
    indicator_features_ : positions of the columns that had gaps.
    kept_ : (n_features,), False for columns that `transform` drops.
    n_features_in_, feature_names_in_ : as everywhere in scikit-learn.

    Notes
    -----
    A column that was constant in `fit` is filled with its value and has no part in anything else,
    also where it has other values at `transform`. So has a column without any value, unless it has
    a prior that was given; it gets the mean and the standard deviation of a typical other column.
    Values that are farther outside the range of their column in `fit` than that is wide count as
    if they were that far. A row without any value is filled with the columns' means (with both
    priors or a row prior, with what similar rows have). Infinite values are refused. A table in
    which nothing is observed is refused by `fit`.

    Dates are read as seconds since 1970 and times as seconds, which is what they are filled in with
    (``pandas.to_datetime(column, unit="s")`` makes dates of them again); NaT is missing.

    Columns a x + b in place of x, of any sign, are filled with a times the prediction, plus b; the
    order of rows and columns does not matter.

    The prior "table" that predicts a row of the fitted table is made without that row where there
    are at most 200 rows: they would know themselves too well. `transform` finds them by their
    values.

    Standard deviations are those of a Gaussian process with this kernel, calibrated column by
    column: squared leave-one-out errors are as large as their variances, and where nothing is
    known of an entry it has its column's variance (`Calibration`).

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
        parity: str = "loo",
        n_refinements: int = 3,
        chained: bool | str = "auto",
        alternating: bool | str = "auto",
        prior_rows: int = 2000,
        chained_rows: int = 10_000,
        categorical: Any = "from_dtype",
        missing_values: Any = np.nan,
        support: Any = None,
        add_indicator: bool = False,
        keep_empty_features: bool = True,
        progress: Progress | None = None,
    ):
        self.column_prior = column_prior
        self.row_prior = row_prior
        self.depth = depth
        self.activation = activation
        self.ridge = ridge
        self.identity_weight = identity_weight
        self.parity = parity
        self.n_refinements = n_refinements
        self.chained = chained
        self.alternating = alternating
        self.prior_rows = prior_rows
        self.chained_rows = chained_rows
        self.categorical = categorical
        self.missing_values = missing_values
        self.support = support
        self.add_indicator = add_indicator
        self.keep_empty_features = keep_empty_features
        self.progress = progress

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        return tags

    def get_feature_names_out(self, input_features=None) -> np.ndarray:
        """Names of the columns that `transform` returns."""
        names = super().get_feature_names_out(input_features)
        indicators = [f"missingindicator_{names[k]}" for k in self._indicated()]
        return np.concatenate([names[self.kept_], np.array(indicators, dtype=object)])

    def fit(self, X, y=None) -> "NTKImputer":
        """Learn the columns' scales, the kernel and the ridge from a table.

        Parameters
        ----------
        X : (n_samples, n_features), array or DataFrame (of pandas or polars), NaN where missing.
        y : ignored.

        Raises
        ------
        ValueError : a setting is wrong (it is named), a prior does not fit the table, X is empty,
            holds text in columns that are not categorical or infinite values, a column of text
            is one of names rather than categories, or nothing is observed.
        """
        check_settings(self)
        numbers, categories = reading.read(self, X, fit=True)
        if np.isnan(numbers).all():
            raise ValueError(
                "X has no observed value at all; pass a table in which at least one is not NaN"
            )
        self.encoding_ = Encoding.of(numbers, categories)
        given = self.column_prior is not None and not isinstance(self.column_prior, str)
        known = self.encoding_.known | given
        # Constant columns have nothing to say, and nothing is to be said of them.
        self.active_ = self.encoding_.varies & known
        missing = np.isnan(numbers)
        self.kept_ = np.full(numbers.shape[1], self.keep_empty_features) | ~missing.all(axis=0)
        self.indicator_features_ = np.flatnonzero(missing.any(axis=0))
        names = list(getattr(self, "feature_names_in_", range(numbers.shape[1])))
        self.support_ = Support.of(
            self.support,
            numbers,
            categories,
            lambda column: reading.position(column, names, "support"),
        )
        table = self.encoding_.forward(numbers)[:, self.active_]
        learner = Learner(self, table, self.encoding_.owner[self.active_], self._counted)
        self.model_, network = learner.fit(
            self._prior_of_columns(), self._prior_of_rows(len(numbers))
        )
        self.depth_, self.identity_weight_ = network.depth, network.identity
        self.parity_ = network.parity
        left_out = table if self.model_ is None else self.model_.left_out
        self.left_out_error_ = root_mean_square(table - left_out, self._counted)
        return self

    def transform(self, X, return_std: bool = False, *, row_features: Any = None):
        """Fill in a table with the same columns; rows need not be those of `fit`.

        Parameters
        ----------
        X : (n_samples, n_features), array or DataFrame, NaN where missing.
        return_std : also return the standard deviation of every imputed entry.
        row_features : (p, n_samples), where `row_prior` is an array (p, rows of `fit`): features of
            the rows of X, which then need not be those of `fit`. They are completed with the help
            of these, by the features alone where nothing of a row is observed.

        Returns
        -------
        filled : X, float64, with its missing entries filled in and the others as they were; a
            DataFrame with the same labels where X is one. Columns of categories have their values,
            and an array that has any is one of objects.
        std : of the same shape and kind, 0 where X was observed, if `return_std`. For a
            category it is that of the chosen category's indicator, between 0 and 1 or so.

        Raises
        ------
        ValueError : X lacks a column of the table in `fit` or has another, has infinite values or
            unknown categories, or other rows than a row prior is for; row_features have another
            shape, or there is no `row_prior` of features.
        """
        check_is_fitted(self)
        numbers, _ = reading.read(self, X, fit=False)
        table = self.encoding_.forward(numbers)
        completed, std = self._complete(self.model_, table, row_features)
        missing = np.isnan(numbers)
        filled, spread = self.encoding_.backward(completed, std)
        result = self._written(X, numbers, filled)
        if self.add_indicator:
            result = self._indicators(X, result, missing[:, self._indicated()])
        if not return_std:
            return result
        return result, self._kept_of(reading.labelled(X, np.where(missing, spread, 0.0)))

    def sample(
        self, X, n_draws: int = 1, random_state: Any = None, *, row_features: Any = None
    ) -> list:
        """Draw what is missing, all entries of a row together, for multiple imputation.

        See `ntkmc.completion.draws` for the distribution, and `ntkmc.pool` for what estimates from
        the draws say together.

        Each draw is made by a model of rows drawn with replacement, so that draws differ by as
        much as the table leaves open. It takes about as long as making the prior, and of `chained`
        as a third of `fit`.

        Parameters
        ----------
        X : (n_samples, n_features), as for `transform`.
        n_draws : how many completed tables.
        random_state : None, a whole number, or a ``numpy.random.RandomState``.
        row_features : as for `transform`.

        Returns
        -------
        A list of n_draws tables, each as `transform` would return it, with draws in place of the
        most likely values.

        Raises
        ------
        ValueError : as `transform`; n_draws is no whole number above 0.
        """
        check_is_fitted(self)
        require_int("n_draws", n_draws, 1)
        rng = np.random.default_rng(check_random_state(random_state).randint(2**31))
        numbers, _ = reading.read(self, X, fit=False)
        table = self.encoding_.forward(numbers)
        last: Model | None = None
        drawn: list = []
        for _ in range(n_draws):
            model = self.model_ and self.model_.resampled(rng)
            if model is not last or not drawn:
                completed, std = self._complete(model, table, row_features)
                last = model
            normal = draws.correlated(model, self.active_, table, rng)
            features = draws.features(self.encoding_, completed, std, normal, rng)
            filled, _ = self.encoding_.backward(features, std)
            drawn.append(self._written(X, numbers, filled))
        return drawn

    def category_probabilities(self, X, *, row_features: Any = None) -> dict:
        """How likely each category is in each row.

        Parameters
        ----------
        X : (n_samples, n_features), as for `transform`.
        row_features : as for `transform`.

        Returns
        -------
        For each column of categories, by its name or position, a DataFrame (n_samples, k) with a
        column for each of its k categories: the predicted indicators, none below zero, over their
        sum; 1 for what was observed.

        Raises
        ------
        ValueError : as `transform`.
        """
        check_is_fitted(self)
        numbers, _ = reading.read(self, X, fit=False)
        table = self.encoding_.forward(numbers)
        completed, _ = self._complete(self.model_, table, row_features)
        names = getattr(self, "feature_names_in_", range(numbers.shape[1]))
        index = X.index if isinstance(X, pd.DataFrame) else None
        shares = self.encoding_.shares(np.where(np.isnan(table), completed, table))
        return {
            names[column]: pd.DataFrame(its, index, self.encoding_.categories[column])
            for column, its in shares.items()
        }

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the fitted imputer to a file without pickle; all but `progress`.

        Raises
        ------
        TypeError : it has categories or labels other than text, numbers and truth values.
        """
        check_is_fitted(self)
        state = {name: value for name, value in vars(self).items() if name != "progress"}
        saving.save(path, state)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> "NTKImputer":
        """Read what `save` wrote.

        Raises
        ------
        ValueError : it is no such file, or of another format.
        """
        imputer = cls()
        for name, value in saving.load(path).items():
            setattr(imputer, name, value)
        return imputer

    def _written(self, X, numbers, filled):
        """X with what it lacks filled in, without the columns that are dropped."""
        missing = np.isnan(numbers)
        filled = np.where(missing, self.support_(filled), numbers)
        return self._kept_of(reading.write(self, X, filled, missing))

    def _kept_of(self, result):
        if self.kept_.all():
            return result
        if hasattr(result, "columns"):
            return result[list(np.array(result.columns, dtype=object)[self.kept_])]
        return result[:, self.kept_]

    def _indicated(self):
        """Positions of the columns that have an indicator, if any have."""
        return self.indicator_features_ if self.add_indicator else np.empty(0, int)

    def _indicators(self, X, result, missing):
        names = self.get_feature_names_out()[self.kept_.sum() :]
        return reading.beside(X, result, missing, names)

    def _complete(self, model, table, row_features):
        """Means and standard deviations of standardised features."""
        completed, std = np.zeros(table.shape), np.ones(table.shape)
        if row_features is not None:
            features = self._row_features(row_features, len(table))
            model = None if model is None else with_rows(model, features)
        if model is None:
            return completed, std
        # With a prior of rows they belong together.
        at_once = len(table) if self.row_prior is not None else _ROWS_AT_ONCE
        for start in range(0, len(table), at_once):
            end = min(start + at_once, len(table))
            some = np.ix_(np.arange(start, end), self.active_)
            completed[some], std[some] = model.complete(table[some])
            if self.progress:
                self.progress("transform", end, len(table))
        return completed, std

    def _row_features(self, row_features, rows):
        if self.row_prior is None or isinstance(self.row_prior, str | Gram):
            raise ValueError(
                "row_features was passed and row_prior is no array of features: fit with one of "
                "shape (p, rows), or leave row_features out"
            )
        check_prior(row_features, "row_features", ())
        features, count = np.asarray(row_features, np.float64), len(self.row_prior)
        if features.shape != (count, rows):
            raise ValueError(
                f"row_features has shape {features.shape}; pass ({count}, {rows}), the features of "
                "row_prior for each row of X"
            )
        return features

    def _prior_of_columns(self) -> GivenPrior | None:
        """What was given; None for the prior "table"."""
        known = self.column_prior
        if known is None or (isinstance(known, str) and known == "table"):
            return None
        count = int(self.encoding_.owner[-1]) + 1
        matrix = prior_matrix(reading.aligned(self, known), "column_prior", "columns", count)
        owner = self.encoding_.owner[self.active_]
        gram = isinstance(known, Gram)
        return GivenPrior(matrix[np.ix_(owner, owner)] if gram else matrix[:, owner], gram)

    def _prior_of_rows(self, rows):
        if self.row_prior is None:
            return None
        return prior_matrix(self.row_prior, "row_prior", "rows", rows)

    @property
    def _counted(self):
        """Columns whose errors choose."""
        return self.encoding_.independent[self.active_]
