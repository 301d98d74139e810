r"""Whether one method is better than another over many tables.

Means are not tests: tables differ more than methods do. Two methods are compared by Wilcoxon's
signed-rank test over the tables, all of them by their mean ranks, which differ at the level of
5 % if they are farther apart than Nemenyi's critical difference,

.. math:: q_{0.05}(k) \sqrt{k (k + 1) / 6 N},

with k methods, N tables and q the studentised range at infinitely many degrees of freedom over
:math:`\sqrt 2` (Demšar, JMLR 2006, sections 3.1.3 and 3.2.2).
"""

import numpy as np
import pandas as pd
import scipy.stats


def by_table(results: pd.DataFrame, condition: str, metric: str = "nrmse") -> pd.DataFrame:
    """Means over seeds, a row for each table, a column for each method, in their order."""
    some = results[results["condition"] == condition]
    means = some.pivot_table(index="table", columns="method", values=metric, sort=False)
    return means.dropna()


def mean_ranks(errors: pd.DataFrame) -> pd.Series:
    """Of each method over the tables, 1 for the least error, equal ones share theirs."""
    return errors.rank(axis=1).mean()


def critical_difference(methods: int, tables: int) -> float:
    """What mean ranks of so many methods over so many tables differ by, at least, at 5 %.

    Raises
    ------
    ValueError : fewer than two methods, or no table.
    """
    if methods < 2 or tables < 1:
        raise ValueError(
            f"there are {methods} methods and {tables} tables; compare at least two on one"
        )
    q = scipy.stats.studentized_range.ppf(0.95, methods, np.inf) / np.sqrt(2)
    return float(q * np.sqrt(methods * (methods + 1) / (6 * tables)))


def wilcoxon(errors: pd.DataFrame, one: str, other: str) -> float:
    """Two-sided p that the errors of two methods are alike over the tables; 1 if all are equal."""
    apart = errors[one] - errors[other]
    return float(scipy.stats.wilcoxon(apart).pvalue) if apart.any() else 1.0
