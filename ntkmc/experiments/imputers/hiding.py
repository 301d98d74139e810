r"""Entries of a table that are hidden: at random, for what else is known, or for what they are.

Rubin's three mechanisms, with the logistic models of Muzellec, Josse, Boyer and Cuturi (ICML 2020,
section 5): with z the standardised columns and :math:`\sigma` the logistic function, an entry
(i, j) is hidden

- "mcar": with one probability, whatever the table;
- "mar": with probability :math:`\sigma(b_j + w_j^T z_{i,O})`, where O are three tenths of the
  columns, which stay as they are, and w_j is drawn so that its term has variance one;
- "mnar": with probability :math:`\sigma(b_j \pm z_{ij})`, its own value, the sign drawn for each
  column.

b_j is such that the expected share of the entries that may be hidden is the one asked for.
"""

from typing import Literal

import numpy as np
import scipy.optimize
import scipy.special
from jaxtyping import Bool, Float

Mechanism = Literal["mcar", "mar", "mnar"]
Matrix = Float[np.ndarray, "m n"]

OBSERVED_SHARE = 0.3  # of the columns, under "mar"


def hide(table: Matrix, mechanism: Mechanism, share: float, seed: int) -> Bool[np.ndarray, "m n"]:
    """Which observed entries to hide, True where hidden.

    In each row and in each column one observed entry stays; what is missing already counts as
    average and is not hidden.

    Parameters
    ----------
    table : (m, n), NaN where missing.
    mechanism : as above.
    share : expected, of the entries that may be hidden (under "mar", of the other seven tenths of
        the columns).
    seed : of everything that is drawn.

    Raises
    ------
    ValueError : an unknown mechanism; "mar" with a single column.
    """
    rng = np.random.default_rng(seed)
    observed = ~np.isnan(table)
    if mechanism not in ("mcar", "mar", "mnar"):
        raise ValueError(f"mechanism was {mechanism!r}; pass 'mcar', 'mar' or 'mnar'")
    standard = np.where(observed, _standardised(table), 0)
    count = table.shape[1]
    may = np.ones(count, bool)
    if mechanism == "mcar":
        drives = np.zeros(table.shape)
    elif mechanism == "mnar":
        drives = standard * rng.choice([-1.0, 1.0], count)
    else:
        if count < 2:
            raise ValueError("mechanism was 'mar' and the table has one column; pass two or more")
        by = rng.choice(count, max(1, round(OBSERVED_SHARE * count)), replace=False)
        may[by] = False
        drives = standard[:, by] @ rng.standard_normal((len(by), count))
        spread = drives.std(axis=0)
        drives /= np.where(spread > 0, spread, 1)
    probability = np.stack([_probabilities(drive, share) for drive in drives.T], axis=1)
    hidden = observed & may & (rng.random(table.shape) < probability)
    for lines, seen in ((hidden, observed), (hidden.T, observed.T)):
        _keep_one(lines, seen, rng)
    return hidden


def _standardised(table):
    some = (~np.isnan(table)).any(axis=0)
    mean = np.nanmean(np.where(some, table, 0), axis=0)
    spread = np.nanstd(np.where(some, table, 0), axis=0)
    return (table - mean) / np.where(spread > 0, spread, 1)


def _probabilities(drive, share):
    """Of the logistic model whose mean over the rows is the share."""

    def excess(offset):
        return scipy.special.expit(drive + offset).mean() - share

    far = abs(drive).max() + abs(scipy.special.logit(share)) + 1
    return scipy.special.expit(drive + scipy.optimize.brentq(excess, -far, far))


def _keep_one(hidden, observed, rng):
    """Of each row in which all that was observed is hidden, show one entry again."""
    for row in np.flatnonzero((hidden == observed).all(axis=1) & observed.any(axis=1)):
        hidden[row, rng.choice(np.flatnonzero(observed[row]))] = False
