"""What a method made of hidden entries, and what a model makes of the completed rows."""

import dataclasses
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import scipy.stats
from jaxtyping import Bool, Float

LEVEL = 0.9  # of intervals
CLASSES = 10  # a target with at most so many values is classified

Matrix = Float[np.ndarray, "m n"]


class Columns(NamedTuple):
    """What is known of the columns of a table.

    Attributes
    ----------
    scale : (n,), standard deviations of all that was observed before anything was hidden; 1 where
        that is 0.
    categorical : (n,), True for columns of codes of categories.
    """

    scale: Float[np.ndarray, " n"]
    categorical: Bool[np.ndarray, " n"]

    @classmethod
    def of(cls, table: Matrix, categorical: list[int]) -> "Columns":
        """Measure a table, NaN where missing."""
        scale = np.nanstd(table, axis=0)
        which = np.isin(np.arange(table.shape[1]), categorical)
        return cls(np.where(scale > 0, scale, 1), which)


@dataclasses.dataclass(frozen=True)
class Score:
    """Means over the columns in which anything was hidden.

    Attributes
    ----------
    nrmse, nmae : root mean square and mean absolute error, by the column's standard deviation;
        columns of numbers alone.
    wrong : share of the hidden categories that are not the right one; NaN without categories.
    coverage : share of the hidden numbers within 90 % intervals; NaN without standard deviations.
    downstream : what a model that is fitted to completed rows explains of others: R^2, or the share
        of right classes; NaN where rows are those of the fit.
    seconds : of fitting and completing.
    """

    nrmse: float
    nmae: float
    wrong: float
    coverage: float
    downstream: float
    seconds: float


def score(
    truth: Matrix,
    hidden: Bool[np.ndarray, "m n"],
    filled: Matrix,
    std: Matrix | None,
    columns: Columns,
    downstream: float,
    seconds: float,
) -> Score:
    """Compare a completed table with what was hidden.

    Raises
    ------
    ValueError : a hidden entry was not filled in.
    """
    if np.isnan(filled[hidden]).any():
        raise ValueError(f"{np.isnan(filled[hidden]).sum()} of the hidden entries were not filled")
    errors = np.where(hidden, (filled - truth) / columns.scale, np.nan)
    some = hidden.any(axis=0)
    numbers, categories = some & ~columns.categorical, some & columns.categorical
    inside = np.nan
    if std is not None and numbers.any():
        wide = scipy.stats.norm.ppf((1 + LEVEL) / 2)
        within = abs(filled - truth) <= wide * std
        inside = within[:, numbers][hidden[:, numbers]].mean()
    wrong = np.where(hidden, np.rint(filled) != truth, np.nan)[:, categories]
    return Score(
        _mean(np.sqrt(np.nanmean(np.square(errors[:, numbers]), axis=0))),
        _mean(np.nanmean(abs(errors[:, numbers]), axis=0)),
        _mean(np.nanmean(wrong, axis=0)),
        float(inside),
        downstream,
        seconds,
    )


def _mean(values):
    return float(np.mean(values)) if len(values) else float("nan")


def downstream(
    train: Matrix, test: Float[np.ndarray, "k n"], target: int, truth: Sequence[np.ndarray]
) -> float:
    """Fit a linear model of one column to completed rows, and judge it by other completed rows.

    Parameters
    ----------
    train, test : completed rows; the target's column is not looked at.
    target : position of the column that is predicted.
    truth : (m,) and (k,), that column before anything was hidden; rows without a value are left
        out.

    Returns
    -------
    R^2 of ridge regression, or, of a target with at most ten values, the accuracy of logistic
    regression; NaN where the target is constant.
    """
    from sklearn.linear_model import LogisticRegression, RidgeCV
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    (X, y), (new, wanted) = (
        (np.delete(rows, target, axis=1)[~np.isnan(values)], values[~np.isnan(values)])
        for rows, values in zip((train, test), truth, strict=True)
    )
    distinct = len(np.unique(y))
    if distinct < 2 or not len(wanted):
        return float("nan")
    if distinct <= CLASSES:
        y, wanted = y.astype(str), wanted.astype(str)
        model = LogisticRegression(max_iter=1000)
    else:
        model = RidgeCV(np.logspace(-3, 3, 7))
    return float(make_pipeline(StandardScaler(), model).fit(X, y).score(new, wanted))
