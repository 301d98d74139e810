"""The imputer: kernel regression of a table as a scikit-learn transformer."""

import dataclasses
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, OneToOneFeatureMixin, TransformerMixin
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from ntkmc.completion import chained_fit, draws, fitting, reading
from ntkmc.completion.encoding import Encoding
from ntkmc.completion.models import (
    AlongColumns,
    AlongRows,
    Model,
    fit_along_columns,
    fit_both,
    root_mean_square,
    with_rows,
)
from ntkmc.completion.priors import PARITIES, Gram, Network, check_prior, prior_matrix
from ntkmc.completion.settings import check_settings, require_int
from ntkmc.completion.table_prior import (
    GivenPrior,
    Prior,
    TablePrior,
    folds_of,
    row_order,
    without,
)
from ntkmc.progress import Progress

_DEPTHS = (1, 2, 3)
_IDENTITIES = (0.0, 0.1, 0.3, 1.0)
_FOLDS = 10
# With fewer rows there is little to learn from them; with more features, what the columns share
# is all there is, and a regression for each takes long.
_CHAINED_ROWS = 40
_ROWS_A_FEATURE = 4
_CHAINED_FEATURES = 100


@dataclasses.dataclass
class _Steps:
    """Says how far `fit` is."""

    progress: Progress | None
    total: int
    stage: str = "fit"
    done: int = 0

    def __call__(self) -> None:
        self.done = min(self.done + 1, self.total)
        if self.progress:
            self.progress(self.stage, self.done, self.total)


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
        least.
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
        "auto": where the priors are "table" and None and the table has 40 rows or more, four for
        each feature, and at most 100 features.
    prior_rows : how many rows, evenly spaced, the prior "table", the chained regressions and all
        choices are made from.
    categorical : the columns of categories (numbers or text, two or more of them), which are filled
        in with one of the values that they had in `fit`: a name or a position, several of them, a
        mask (n_features,), or None. "from_dtype": those of pandas' dtypes category, string and
        bool, and those of objects that hold text or truth values.
    progress : called with the stage, how many steps of it are done, and their number.

    Attributes
    ----------
    model_ : the fitted regression, with its kernel, ridge and leave-one-out predictions; None where
        no column varies.
    depth_, identity_weight_, parity_ : as they were chosen.
    left_out_error_ : root mean squared leave-one-out error, of standardised columns.
    active_ : (n_features,) of the encoding, the columns that have to do with one another.
    encoding_ : means and standard deviations of the columns, and their categories.
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
        chained: bool | str = False,
        prior_rows: int = 2000,
        categorical: Any = (),
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
        self.prior_rows = prior_rows
        self.categorical = categorical
        self.progress = progress

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
        table = self.encoding_.forward(numbers)[:, self.active_]
        self.model_, network = self._fit_model(table)
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
            DataFrame with the same labels where X is one.
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
        filled = np.where(missing, filled, numbers)
        result = reading.write(self, X, filled, missing)
        if not return_std:
            return result
        return result, reading.labelled(X, np.where(missing, spread, 0.0))

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
        table, missing = self.encoding_.forward(numbers), np.isnan(numbers)
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
            drawn.append(reading.write(self, X, np.where(missing, filled, numbers), missing))
        return drawn

    def _complete(self, model, table, row_features):
        """Means and standard deviations of standardised features."""
        completed, std = np.zeros(table.shape), np.ones(table.shape)
        if row_features is not None:
            features = self._row_features(row_features, len(table))
            model = None if model is None else with_rows(model, features)
        if model is not None:
            active = self.active_
            completed[:, active], std[:, active] = model.complete(table[:, active])
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

    @property
    def _counted(self):
        """Columns whose errors choose."""
        return self.encoding_.independent[self.active_]

    def _fit_model(self, table) -> tuple[Model | None, Network]:
        matrix = None
        if self.row_prior is not None:
            matrix = prior_matrix(self.row_prior, "row_prior", "rows", len(table))
        prior = None if self.column_prior is None else self._prior_of_columns()
        if not table.shape[1]:
            return None, self._networks("odd")[0]
        models: list[AlongRows | AlongColumns] = []
        if self.column_prior is not None:
            models.append(self._fit_along_rows(table, prior))
        if matrix is not None:
            models.append(self._fit_along_columns(matrix, table))
        network = models[0].network
        model: Model = models[0]
        for other in [*models[1:], *self._fit_chained(table)]:
            model = fit_both(model, other, table)
        return model, network

    def _fit_chained(self, table) -> list[Model]:
        """The chained regression, where there is one."""
        owner = self.encoding_.owner[self.active_]
        if not self._is_chained(len(table), owner):
            return []
        rows = self._spaced_rows(table)
        step = _Steps(self.progress, chained_fit.ROUNDS * len(owner), stage="chain")
        return [chained_fit.fit_chained(table[rows], owner, step).spread(rows, table.shape)]

    def _is_chained(self, rows, owner) -> bool:
        several = len(np.unique(owner)) > 1
        if self.chained != "auto":
            return bool(self.chained) and several
        table = isinstance(self.column_prior, str) and self.column_prior == "table"
        return (
            several
            and table
            and self.row_prior is None
            and rows >= max(_CHAINED_ROWS, _ROWS_A_FEATURE * len(owner))
            and len(owner) <= _CHAINED_FEATURES
        )

    def _spaced_rows(self, table):
        count = min(self.prior_rows, len(table))
        return row_order(table)[np.linspace(0, len(table) - 1, count).round().astype(int)]

    def _prior_of_columns(self) -> GivenPrior | None:
        """What was given; None for the prior "table"."""
        if isinstance(self.column_prior, str) and self.column_prior == "table":
            return None
        count = int(self.encoding_.owner[-1]) + 1
        prior = reading.aligned(self, self.column_prior)
        matrix = prior_matrix(prior, "column_prior", "columns", count)
        owner = self.encoding_.owner[self.active_]
        gram = isinstance(self.column_prior, Gram)
        return GivenPrior(matrix[np.ix_(owner, owner)] if gram else matrix[:, owner], gram)

    def _fit_along_rows(self, table, given: GivenPrior | None) -> AlongRows:
        rows = self._spaced_rows(table)
        networks = self._networks(self.parity if given is None else "odd")
        # Whoever's rows are left out, a given prior is the same.
        folds = folds_of(len(rows), _FOLDS if given is None else 1)
        step = _Steps(self.progress, len(folds) + 1 + fitting.steps(networks, self.ridge))

        def from_table(table):
            step()
            return TablePrior.of(table, self.activation, self.n_refinements)

        prior: Prior = given or from_table(table[rows])
        others = [given or from_table(without(table[rows], fold)) for fold in folds]
        model = fitting.fit(
            table[rows], self._counted, networks, self.ridge, prior, others, folds, step
        )
        return model.spread(rows, table.shape)

    def _fit_along_columns(self, matrix, table) -> AlongColumns:
        models = []
        for network in self._networks("odd"):
            gram = isinstance(self.row_prior, Gram)
            kernel = matrix if gram else network.kernel(matrix)
            embedding = None if gram or isinstance(self.row_prior, str) else matrix
            models.append(fit_along_columns(network, kernel, table, self.ridge, embedding))
        errors = [root_mean_square(table - one.left_out, self._counted) for one in models]
        return models[int(np.argmin(errors))]

    def _networks(self, parity) -> list[Network]:
        depths = _DEPTHS if self.depth == "loo" else (int(self.depth),)
        weights = _IDENTITIES if self.identity_weight == "loo" else (float(self.identity_weight),)
        return [
            Network(depth, self.activation, weight, one)
            for depth in depths
            for weight in weights
            for one in (PARITIES if parity == "loo" else (parity,))
        ]
