"""Entries of a table that are hidden, and what is then said about them."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import scipy.stats
from jaxtyping import Bool, Float

from ntkmc.solvers import Progress

Matrix = Float[np.ndarray, "m n"]
Hidden = Bool[np.ndarray, "m n"]
Method = Callable[[Matrix], tuple[Matrix, Matrix | None]]
"""Fills in a table, NaN where missing; the second value is the standard deviation, or None."""


LEVELS = np.array([0.1, 0.3, 0.5, 0.7, 0.8, 0.9, 0.95])


def without_std(fill: Callable[[Matrix], Matrix]) -> Method:
    """A method that says nothing of its errors."""
    return lambda table: (fill(table), None)


@dataclass(frozen=True)
class Score:
    """How a method did on hidden entries.

    Attributes
    ----------
    rmse : root mean squared error, in the table's units.
    standardised : the same with each column divided by the standard deviation of what was left.
    coverage : (levels,), the share of hidden entries within intervals of the nominal `LEVELS`
        around the predictions, or None where a method has none.
    seconds : wall-clock time.
    """

    rmse: float
    standardised: float
    coverage: Float[np.ndarray, " levels"] | None
    seconds: float


def hide_entries(table: Matrix, share: float, seed: int) -> Hidden:
    """A share of the observed entries, at random, True where hidden.

    The first entry of a row or a column in the random order is kept, so that none is emptied.
    """
    rng = np.random.default_rng(seed)
    entries = rng.permutation(np.argwhere(~np.isnan(table)))
    kept = np.zeros(len(entries), bool)
    for axis in (0, 1):
        kept[np.unique(entries[:, axis], return_index=True)[1]] = True
    hidden = np.zeros(table.shape, bool)
    hidden[tuple(entries[~kept][: round(share * len(entries))].T)] = True
    return hidden


def hide_lines(table: Matrix, share: float, keep: int, axis: int, seed: int) -> Hidden:
    """All but `keep` observed entries of a share of the rows (axis 0) or of the columns (axis 1).

    Lines with no more entries than `keep` are not among them.
    """
    rng = np.random.default_rng(seed)
    observed = ~np.isnan(table if axis == 0 else table.T)
    candidates = np.flatnonzero(observed.sum(axis=1) > keep)
    count = max(1, round(share * len(observed)))
    if count > len(candidates):
        raise ValueError(
            f"only {len(candidates)} lines have more than keep = {keep} entries; "
            f"hide fewer than {count}, or keep fewer"
        )
    hidden = np.zeros(observed.shape, bool)
    for line in rng.choice(candidates, count, replace=False):
        hidden[line, rng.permutation(np.flatnonzero(observed[line]))[keep:]] = True
    return hidden if axis == 0 else hidden.T


def score(
    table: Matrix,
    hidden: Hidden,
    methods: Mapping[str, Method],
    progress: Progress | None = None,
) -> dict[str, Score]:
    """Hide entries of a table, let each method fill them in, and compare."""
    left = np.where(hidden, np.nan, table)
    spread = np.nanstd(np.where(np.isnan(left).all(axis=0), 0, left), axis=0)
    spread = np.where(spread > 0, spread, 1)
    scores = {}
    for number, (name, method) in enumerate(methods.items()):
        if progress:
            progress(name, number, len(methods))
        started = time.perf_counter()
        filled, std = method(left.copy())
        seconds = time.perf_counter() - started
        errors = (filled - table)[hidden]
        scaled = ((filled - table) / spread)[hidden]
        coverage = None if std is None else _coverage(errors, std[hidden])
        scores[name] = Score(
            _root_mean_square(errors), _root_mean_square(scaled), coverage, seconds
        )
    return scores


def _coverage(errors, std) -> Float[np.ndarray, " levels"]:
    wide = scipy.stats.norm.ppf((1 + LEVELS) / 2)
    return (abs(errors) <= wide[:, None] * std).mean(axis=1)


def _root_mean_square(errors) -> float:
    return float(np.sqrt(np.mean(np.square(errors))))
