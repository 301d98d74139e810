"""Features of a table's columns for the kernels between its rows."""

import dataclasses

import numpy as np
from jaxtyping import Float

from ntkmc.completion.table_prior import Table


@dataclasses.dataclass(frozen=True)
class Warp:
    """Features of a column: the mean of its value and of its standardised rank.

    Heavy tails count for less, and thresholds are dense both where values are and where they could
    be. It is monotone, and linear between the values that were seen.

    Attributes
    ----------
    values, images : one pair of arrays for each column.
    """

    values: list[np.ndarray]
    images: list[np.ndarray]

    @classmethod
    def of(cls, table: Table) -> "Warp":
        """From the observed values of standardised columns."""
        pairs = [_warped(column[~np.isnan(column)]) for column in table.T]
        return cls(*(list(side) for side in zip(*pairs, strict=True)))

    def __call__(self, table: Float[np.ndarray, "... f"]) -> Float[np.ndarray, "... f"]:
        """Features of a completed table."""
        pairs = zip(self.values, self.images, strict=True)
        columns = [np.interp(table[..., k], *pair) for k, pair in enumerate(pairs)]
        return np.stack(columns, axis=-1)

    @property
    def span(self) -> Float[np.ndarray, " f"]:
        """(f,), the range of each feature."""
        return np.array([image[-1] - image[0] for image in self.images])


def _warped(column):
    values, count = np.unique(column, return_counts=True)
    rank = np.cumsum(count) - count / 2
    rank -= np.average(rank, weights=count)
    size = np.sqrt(np.average(np.square(rank), weights=count))
    # Of two values one is as far from the other as the other from the one, whatever their ranks.
    return values, values if len(values) <= 2 else (values + rank / size) / 2
