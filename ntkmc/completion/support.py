"""Values that imputed entries may have, where users need valid ones."""

import dataclasses
from collections.abc import Callable, Collection, Mapping
from typing import Any

import numpy as np
from jaxtyping import Float

KINDS = ("range", "observed")


def check_support(support: Any) -> None:
    """Refuse what is no kind, nor kinds by column."""
    kinds = list(support.values()) if isinstance(support, Mapping) else [support]
    for kind in kinds:
        if kind is not None and kind not in KINDS:
            raise ValueError(
                f"support has {kind!r}; pass None, 'range' or 'observed', or a dict with one of "
                "them for each column"
            )


@dataclasses.dataclass(frozen=True)
class Support:
    """What columns may hold.

    Attributes
    ----------
    kinds : "range" or "observed", by position.
    values : sorted and distinct, those that were observed, or the two ends, by position.
    """

    kinds: Mapping[int, str]
    values: Mapping[int, Float[np.ndarray, " v"]]

    @classmethod
    def of(
        cls,
        support: Any,
        table: Float[np.ndarray, "m n"],
        categories: Collection[int],
        position_of: Callable[[Any], int],
    ) -> "Support":
        """Of a table, NaN where missing; columns of categories and empty ones are left out."""
        if isinstance(support, Mapping):
            kinds = {position_of(column): kind for column, kind in support.items()}
        else:
            kinds = dict.fromkeys(range(table.shape[1]), support)
        kept, values = {}, {}
        for position, kind in kinds.items():
            its = np.unique(table[~np.isnan(table[:, position]), position])
            if kind is not None and position not in categories and len(its):
                kept[position] = kind
                values[position] = its if kind == "observed" else its[[0, -1]]
        return cls(kept, values)

    def __call__(self, table: Float[np.ndarray, "m n"]) -> Float[np.ndarray, "m n"]:
        """The nearest of what is allowed."""
        table = table.copy()
        for position, kind in self.kinds.items():
            column, values = table[:, position], self.values[position]
            if kind == "range":
                table[:, position] = np.clip(column, *values)
                continue
            after = np.minimum(np.searchsorted(values, column), len(values) - 1)
            before = np.maximum(after - 1, 0)
            low = column - values[before] <= values[after] - column
            table[:, position] = np.where(low, values[before], values[after])
        return table
