"""Standard deviations from leave-one-out errors."""

import dataclasses

import numpy as np
from jaxtyping import Float

Errors = Float[np.ndarray, "m n"]
Shares = Float[np.ndarray, "m n"]

_POWERS = np.linspace(0, 4, 17)
# A column's variance is that of its own errors and of so many more of the median column's.
_SHARED_ERRORS = 5.0


@dataclasses.dataclass(frozen=True)
class Calibration:
    r"""How far predictions are off, from how much of the prior's variance is left to them.

    .. math:: \sigma_{ij}^2 = s_j\, u_{ij}^{p_j}, \qquad
              u_{ij} = v_{ij} / v^{\mathrm{prior}}_{ij} \in (0, 1]

    with v the posterior variances of the Gaussian process. Where nothing is known of an entry
    (u = 1) its variance is :math:`s_j`, that of the errors of the column's mean; and the power is
    such that squared leave-one-out errors are as large as their variances, on average over the
    column. A factor alone, which is what is usually fitted, says of an entry that no observation
    has to do with that it is known as well as the others.

    Attributes
    ----------
    size : (n,), s.
    power : (n,), p, between 0 and 4. Where it would be outside, s is changed instead.
    """

    size: Float[np.ndarray, " n"]
    power: Float[np.ndarray, " n"]

    @classmethod
    def of(cls, table: Float[np.ndarray, "m n"], left_out: Errors, shares: Shares) -> "Calibration":
        """From a table, its leave-one-out predictions, NaN where there are none, and shares u."""
        errors = np.square(table - left_out)
        known = ~np.isnan(errors)
        count = known.sum(axis=0)
        size = _error_of_mean(np.where(known, table, np.nan))
        errors = np.where(known, errors / size, 0)
        logs = np.log(np.where(known, shares, 1))
        ratios = np.empty((len(_POWERS), table.shape[1]))
        for number, power in enumerate(_POWERS):
            sums = (errors * np.exp(-power * logs)).sum(axis=0)
            some = count > 0
            shared = np.median(sums[some] / count[some]) if some.any() else 1.0
            ratios[number] = (sums + _SHARED_ERRORS * shared) / (count + _SHARED_ERRORS)
        # Where they cross one; they grow with the power, nearly as exponentials.
        ratios = np.log(np.maximum(ratios, np.finfo(float).tiny))
        power = np.array([np.interp(0, column, _POWERS) for column in ratios.T])
        outside = np.clip(0, ratios[0], ratios[-1])
        return cls(size * np.exp(outside), power)

    def std(self, shares: Shares) -> Float[np.ndarray, "m n"]:
        """Standard deviations of entries of which such shares of the variance are left."""
        return np.sqrt(self.size * shares**self.power)


def _error_of_mean(table):
    """Mean square of values less the mean of the others; a typical one where there are none."""
    known = ~np.isnan(table)
    count = known.sum(axis=0)
    mean = np.where(known, table, 0).sum(axis=0) / np.maximum(count, 1)
    variance = np.where(known, np.square(table - mean), 0).sum(axis=0) / np.maximum(count, 1)
    square = variance * np.square(count / np.maximum(count - 1, 1))
    some = square > 0
    typical = np.median(square[some]) if some.any() else 1.0
    return np.where(some, square, typical)
