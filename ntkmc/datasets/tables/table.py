"""What all tables have in common, whatever file they are from."""

import abc
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from ntkmc.datasets.tables.column import Column


@dataclass(frozen=True)
class Table(abc.ABC):
    """The cells of a file, as they were, and how its columns are read.

    Attributes
    ----------
    columns : each column of data by its name, without those that label the rows.
    labels : (m,), what the rows are called; 0 to m - 1 where they are not.
    """

    columns: Mapping[str, Column]
    labels: pd.Index

    @property
    @abc.abstractmethod
    def frame(self) -> pd.DataFrame:
        """The columns of data with their types; its index are the labels."""

    @abc.abstractmethod
    def filled(self, values: Mapping[str, np.ndarray]) -> "Table":
        """The table with its missing cells filled in, and all other cells as they were.

        Parameters
        ----------
        values : for each column that is to be filled, by its name, (m,) numbers or, in a column
            that is filled as one of categories, values that it has; those of observed cells are
            not looked at. Numbers are rounded where the column's are whole.
        """

    @abc.abstractmethod
    def cells(self, name: str) -> Sequence:
        """(m,), a column as it stands in the file."""

    @property
    def text(self) -> tuple[str, ...]:
        """Names of the columns that hold neither numbers nor truth values."""
        return tuple(name for name, column in self.columns.items() if column.is_text)

    @property
    def numbers(self) -> pd.DataFrame:
        """The other columns, as float64, NaN where missing."""
        numbers = {n: column.numbers for n, column in self.columns.items() if not column.is_text}
        return pd.DataFrame(numbers, index=self.labels)

    @property
    def index(self) -> str | None:
        """How the labels are called, empty where they have no name; None without labels."""
        if is_numbered(self.labels):
            return None
        return ", ".join(str(name) for name in self.labels.names if name is not None)


def is_numbered(labels: pd.Index) -> bool:
    """Whether rows are numbered from 0, and so have no labels."""
    return (
        isinstance(labels, pd.RangeIndex)
        and (labels.start, labels.step) == (0, 1)
        and labels.name is None
    )
