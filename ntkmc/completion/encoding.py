"""Columns of a table as numbers of one scale, and back again as values that are valid."""

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Bool, Float


@dataclasses.dataclass(frozen=True)
class Encoding:
    """How a table's columns become standardised features.

    A numeric column is one feature, centred and divided by its standard deviation; a column of k
    categories is an indicator for each of them, or a single one for two. A constant column is
    divided by one. A column without values has the mean and the standard deviation of a typical
    other one.

    Attributes
    ----------
    categories : the categories of each categorical column, by its position.
    owner : (f,), the column that each feature belongs to.
    mean, scale : (f,), of the features.
    known : (f,), False where there were no values.
    varies : (f,), False where all values were the same, which is then the only one there is.
    low, high : (f,), between which standardised features are kept: the range of the values, and as
        much again on either side. What is farther out than that says no more than the bound.
    """

    categories: Mapping[int, Sequence]
    owner: np.ndarray
    mean: Float[np.ndarray, " f"]
    scale: Float[np.ndarray, " f"]
    known: Bool[np.ndarray, " f"]
    varies: Bool[np.ndarray, " f"]
    low: Float[np.ndarray, " f"]
    high: Float[np.ndarray, " f"]

    @classmethod
    def of(
        cls, numbers: Float[np.ndarray, "m n"], categories: Mapping[int, Sequence]
    ) -> "Encoding":
        """Measure a table, NaN where missing, of numbers and of `codes`."""
        widths = np.ones(numbers.shape[1], int)
        for column, known in categories.items():
            widths[column] = len(known) if len(known) > 2 else 1
        owner = np.repeat(np.arange(numbers.shape[1]), widths)
        features = _expand(numbers, owner, categories)
        mean, scale, known, varies = _moments(features)
        standard = np.where(np.isnan(features), 0, (features - mean) / scale)
        low, high = standard.min(axis=0), standard.max(axis=0)
        room = high - low
        return cls(categories, owner, mean, scale, known, varies, low - room, high + room)

    @property
    def independent(self) -> Bool[np.ndarray, " f"]:
        """(f,), False for features that others of the same column tell all about."""
        return np.bincount(self.owner)[self.owner] == 1

    def forward(self, numbers: Float[np.ndarray, "m n"]) -> Float[np.ndarray, "m f"]:
        """Standardised features within their bounds, NaN where missing or never seen before."""
        standard = (_expand(numbers, self.owner, self.categories) - self.mean) / self.scale
        return np.where(self.known, np.clip(standard, self.low, self.high), np.nan)

    def shares(self, features: Float[np.ndarray, "m f"]) -> dict[int, Float[np.ndarray, "m k"]]:
        """Of each categorical column, the probabilities of its k categories.

        They are the indicators, none below zero, over their sum; alike where all are below.
        """
        shares = {}
        for column, known in self.categories.items():
            which = np.flatnonzero(self.owner == column)
            its = np.where(self.varies[which], features[:, which] * self.scale[which], 0)
            its = np.maximum(its + self.mean[which], 0)
            if len(known) <= 2:
                second = np.minimum(its[:, 0], 1)
                shares[column] = np.stack([1 - second, second], axis=1)[:, : len(known)]
                continue
            total = its.sum(axis=1, keepdims=True)
            shares[column] = np.where(
                total > 0, its / np.where(total > 0, total, 1), 1 / len(known)
            )
        return shares

    def backward(
        self,
        features: Float[np.ndarray, "m f"],
        std: Float[np.ndarray, "m f"],
    ) -> tuple[Float[np.ndarray, "m n"], Float[np.ndarray, "m n"]]:
        """The table, with the most likely code of each category, and its standard deviation.

        Of a categorical column, the standard deviation is that of the chosen category's indicator.
        """
        features = np.where(self.varies, features * self.scale, 0) + self.mean
        std = np.where(self.varies, std * self.scale, 0)
        first = np.searchsorted(self.owner, np.arange(self.owner[-1] + 1))
        table, spread = features[:, first], std[:, first]
        for column, known in self.categories.items():
            start = first[column]
            if len(known) <= 2:
                # One category: its code is the mean, which is 0.
                table[:, column] = features[:, start] > 0.5
                continue
            choice = features[:, start : start + len(known)].argmax(axis=1)
            table[:, column] = choice
            spread[:, column] = std[np.arange(len(table)), start + choice]
        return table, spread


def _expand(numbers, owner, categories):
    features = numbers[:, owner]
    for column, known in categories.items():
        if len(known) > 2:
            where = np.flatnonzero(owner == column)
            codes = numbers[:, column, None]
            indicators = (codes == np.arange(len(known))).astype(float)
            features[:, where] = np.where(np.isnan(codes), np.nan, indicators)
    return features


def _moments(features):
    """Mean and standard deviation of each feature; whether there are values, and they differ."""
    known = ~np.isnan(features)
    count = known.sum(axis=0)
    some = count > 0
    counted = np.maximum(count, 1)
    # The largest entry first, so that squares of large numbers do not overflow.
    largest = np.where(known, abs(features), 0).max(axis=0)
    largest = np.where(largest > 0, largest, 1)
    scaled = np.where(known, features / largest, 0)
    mean = scaled.sum(axis=0) / counted
    deviation = np.sqrt(np.where(known, np.square(scaled - mean), 0).sum(axis=0) / counted)
    # Below that, a column is constant: what differs is rounding.
    varies = deviation > 4 * np.finfo(float).eps
    mean, deviation = mean * largest, np.where(varies, deviation * largest, 1.0)
    if some.any() and not some.all():
        mean = np.where(some, mean, mean[some].mean())
        deviation = np.where(some, deviation, np.median(deviation[some]))
    return mean, deviation, some, varies | ~some
