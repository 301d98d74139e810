r"""What several completions of one table say together: Rubin's rules.

Of M completed tables, estimates :math:`Q_i` with variances :math:`U_i`, as if nothing had been
missing, make

.. math:: \bar Q = \tfrac1M \sum Q_i, \qquad
          T = \bar U + (1 + \tfrac1M) B, \qquad
          B = \tfrac{1}{M - 1} \sum (Q_i - \bar Q)^2,

and :math:`(Q - \bar Q) / \sqrt T` has a t distribution with degrees of freedom

.. math:: \nu = \Big(\frac{\gamma^2}{M - 1} + \frac{1}{\nu_{obs}}\Big)^{-1}, \qquad
          \gamma = (1 + \tfrac1M) B / T, \qquad
          \nu_{obs} = \frac{\nu_c + 1}{\nu_c + 3}\, \nu_c\, (1 - \gamma),

where :math:`\nu_c` are those that the estimate would have without gaps (Rubin, "Multiple Imputation
for Nonresponse in Surveys", 1987, chapter 3; Barnard & Rubin, Biometrika 1999).
"""

import dataclasses
from typing import Any

import numpy as np
import scipy.stats
from jaxtyping import Float


@dataclasses.dataclass(frozen=True)
class Pooled:
    """Pooled estimates, each of the shape (...) of the single ones.

    Attributes
    ----------
    estimate : the mean.
    variance : T, of `estimate`; its root is the standard error.
    dof : degrees of freedom of the t distribution.
    missing_information : the fraction of it that is missing, (r + 2 / (dof + 3)) / (r + 1) with
        r = (1 + 1/M) B over the mean variance.
    low, high : ends of the confidence interval.
    """

    estimate: Float[np.ndarray, "..."]
    variance: Float[np.ndarray, "..."]
    dof: Float[np.ndarray, "..."]
    missing_information: Float[np.ndarray, "..."]
    low: Float[np.ndarray, "..."]
    high: Float[np.ndarray, "..."]


def pool(estimates: Any, variances: Any, *, dof: float = np.inf, level: float = 0.95) -> Pooled:
    """Pool estimates over completions, such as those of `NTKImputer.sample`.

    Parameters
    ----------
    estimates : (M, ...), what each of M completed tables says, at least two.
    variances : (M, ...), squared standard errors, each as if its table had had no gaps.
    dof : degrees of freedom of the estimate in a table without gaps (of a regression, rows less
        coefficients); infinitely many for large tables.
    level : of the confidence interval.

    Raises
    ------
    ValueError : fewer than two tables, shapes differ, a value is not finite, a variance is not
        positive, dof is not positive, or level is not between 0 and 1.
    """
    Q, U = np.asarray(estimates, np.float64), np.asarray(variances, np.float64)
    if Q.shape != U.shape or not Q.ndim or len(Q) < 2:
        raise ValueError(
            f"estimates have shape {Q.shape} and variances {U.shape}; pass those of two completed "
            "tables or more, one after another along the first axis"
        )
    if not (np.isfinite(Q).all() and np.isfinite(U).all() and (U > 0).all()):
        raise ValueError("estimates and variances must be finite, and variances above 0")
    if not dof > 0:
        raise ValueError(f"dof was {dof}; pass a number above 0")
    if not 0 < level < 1:
        raise ValueError(f"level was {level}; pass a number between 0 and 1")
    count = len(Q)
    within, between = U.mean(axis=0), (1 + 1 / count) * Q.var(axis=0, ddof=1)
    total = within + between
    gamma, ratio = between / total, between / within
    left = 1 / dof if np.isinf(dof) else (dof + 3) / ((dof + 1) * dof * (1 - gamma))
    inverse = gamma**2 / (count - 1) + left
    freedom = np.divide(1, inverse, out=np.full_like(inverse, np.inf), where=inverse > 0)
    lost = (ratio + 2 / (freedom + 3)) / (ratio + 1)
    half = scipy.stats.t.ppf((1 + level) / 2, freedom) * np.sqrt(total)
    mean = Q.mean(axis=0)
    parts = mean, total, freedom, lost, mean - half, mean + half
    return Pooled(*map(np.asarray, parts))
