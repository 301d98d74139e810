"""Responses of cells to drugs: one profile over genes for each observed pair of drug and cell line.

The tensor (drug, gene, cell line) that the papers speak of is observed in whole profiles, most of
which are missing: here it is the list of those that are not. "Drug" is any perturbation, a compound
at a dose and a time or a gene that is knocked down; "cell" is a cell line.
"""

import collections
import dataclasses
from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Float, Integer

from ntkmc import memory

Indices = Integer[np.ndarray, " pairs"]


@dataclasses.dataclass(frozen=True)
class Responses:
    """Observed profiles, and whose they are.

    Attributes
    ----------
    profiles : (n, genes), float64, finite.
    drug, cell : (n,), places in ``drugs`` and ``cells``; no pair of them occurs twice.
    drugs, genes, cells : names. They may name drugs and cells of which nothing is observed.

    Raises
    ------
    ValueError
        If shapes do not fit, a place or a name is wrong, a value is not finite or a pair is there
        twice.
    """

    profiles: Float[np.ndarray, "n genes"]
    drug: Indices
    cell: Indices
    drugs: tuple[str, ...]
    genes: tuple[str, ...]
    cells: tuple[str, ...]

    def __post_init__(self):
        _check(self)

    def __len__(self) -> int:
        """Number of profiles."""
        return len(self.drug)

    @property
    def number_of_drugs(self) -> int:
        """Named drugs, observed or not."""
        return len(self.drugs)

    @property
    def number_of_cells(self) -> int:
        """Named cell lines, observed or not."""
        return len(self.cells)

    def take(self, chosen: Integer[np.ndarray, " m"] | Bool[np.ndarray, " n"]) -> "Responses":
        """Some of the profiles, by place or by mask; the names stay what they were."""
        return dataclasses.replace(
            self, profiles=self.profiles[chosen], drug=self.drug[chosen], cell=self.cell[chosen]
        )

    def joined(self, other: "Responses") -> "Responses":
        """These profiles, then those of another part of the same tensor."""
        for name in ("drugs", "genes", "cells"):
            if getattr(self, name) != getattr(other, name):
                raise ValueError(f"the {name} of the two differ; join parts of one tensor")
        return dataclasses.replace(
            self,
            profiles=np.concatenate([self.profiles, other.profiles]),
            drug=np.concatenate([self.drug, other.drug]),
            cell=np.concatenate([self.cell, other.cell]),
        )

    def of_cells(self, names: tuple[str, ...]) -> Bool[np.ndarray, " n"]:
        """Mask of the profiles of these cell lines."""
        return np.isin(self.cell, [self.cell_place(name) for name in names])

    def cell_place(self, name: str) -> int:
        """Where a cell line is in ``cells``.

        Raises
        ------
        ValueError
        """
        if name not in self.cells:
            raise ValueError(f"cell line {name!r} is not among {', '.join(self.cells)}")
        return self.cells.index(name)

    def availability(self) -> Bool[np.ndarray, "drugs cells"]:
        """Which pairs are observed."""
        available = np.zeros((len(self.drugs), len(self.cells)), bool)
        available[self.drug, self.cell] = True
        return available

    def places(self) -> Integer[np.ndarray, "drugs cells"]:
        """Where the profile of each pair is in ``profiles``; -1 where it is not observed."""
        places = np.full((len(self.drugs), len(self.cells)), -1)
        places[self.drug, self.cell] = np.arange(len(self))
        return places

    def tensor(self) -> Float[np.ndarray, "drugs genes cells"]:
        """The whole tensor, NaN where it is missing."""
        shape = (len(self.drugs), len(self.genes), len(self.cells))
        memory.require(
            8 * int(np.prod(shape)),
            f"the tensor {' x '.join(map(str, shape))}",
            "take fewer genes, or drop drugs and cell lines without profiles (compact)",
        )
        tensor = np.full(shape, np.nan)
        tensor[self.drug, :, self.cell] = self.profiles
        return tensor

    def compact(self) -> "Responses":
        """The same profiles, without the names of drugs and cell lines that have none."""
        drugs, drug = np.unique(self.drug, return_inverse=True)
        cells, cell = np.unique(self.cell, return_inverse=True)
        return dataclasses.replace(
            self,
            drug=drug,
            cell=cell,
            drugs=tuple(self.drugs[place] for place in drugs),
            cells=tuple(self.cells[place] for place in cells),
        )


def from_tensor(
    tensor: Float[np.ndarray, "drugs genes cells"],
    drugs: tuple[str, ...],
    genes: tuple[str, ...],
    cells: tuple[str, ...],
) -> Responses:
    """The observed profiles of a tensor that is NaN where they are missing.

    Raises
    ------
    ValueError
        If a profile is observed in part: which of its genes are missing is not noise to be filled
        in, but a sign that the axes are in another order.
    """
    shape = (len(drugs), len(genes), len(cells))
    if tensor.shape != shape:
        raise ValueError(
            f"the tensor is {tensor.shape} and there are {shape[0]} drugs, {shape[1]} genes and "
            f"{shape[2]} cell lines; pass it as drugs x genes x cell lines"
        )
    missing = np.isnan(tensor)
    observed = ~missing.all(axis=1)
    partly = observed & missing.any(axis=1)
    if partly.any():
        drug, cell = np.argwhere(partly)[0]
        raise ValueError(
            f"the profile of {drugs[drug]!r} in {cells[cell]!r} lacks "
            f"{int(missing[drug, :, cell].sum())} of {len(genes)} genes ({int(partly.sum())} "
            "profiles are so); pass a tensor drugs x genes x cell lines with whole profiles"
        )
    drug, cell = np.nonzero(observed)
    profiles = np.asarray(tensor[drug, :, cell], np.float64)
    return Responses(profiles, drug, cell, tuple(drugs), tuple(genes), tuple(cells))


def compact_places(
    observed: Responses, drug: Indices, cell: Indices
) -> tuple[
    Integer[np.ndarray, " known"], Integer[np.ndarray, " known"], Bool[np.ndarray, " pairs"]
]:
    """Where pairs are in ``observed.compact()``, of those it knows; and which it knows.

    Parameters
    ----------
    observed : Responses
    drug, cell : (q,), places in ``observed.drugs`` and ``observed.cells``.

    Returns
    -------
    drug, cell : (k,), of the pairs whose drug and cell line have profiles.
    known : (q,), True for these pairs.
    """
    drugs, cells = np.unique(observed.drug), np.unique(observed.cell)
    known = np.isin(drug, drugs) & np.isin(cell, cells)
    return np.searchsorted(drugs, drug[known]), np.searchsorted(cells, cell[known]), known


def group_means(
    values: Float[np.ndarray, "n p"], groups: Indices, number: int, default: Float[np.ndarray, " p"]
) -> Float[np.ndarray, "number p"]:
    """Mean of the rows of each group; ``default`` for a group without any."""
    sums, counts = group_sums(values, groups, number)
    return np.where(counts[:, None] > 0, sums / np.maximum(counts, 1)[:, None], default)


def group_sums(
    values: Float[np.ndarray, "n p"], groups: Indices, number: int
) -> tuple[Float[np.ndarray, "number p"], Integer[np.ndarray, " number"]]:
    """Sum of the rows of each group, and how many there are."""
    sums = np.zeros((number, values.shape[1]))
    np.add.at(sums, groups, values)
    return sums, np.bincount(groups, minlength=number)


def check_places(responses: Responses, drug: Indices, cell: Indices, pairs: int) -> None:
    """Refuse what are not places of so many pairs in ``drugs`` and ``cells``."""
    for axis, places, names in (("drug", drug, responses.drugs), ("cell", cell, responses.cells)):
        if places.shape != (pairs,):
            raise ValueError(f"{axis} is {places.shape} for {pairs} profiles; pass one for each")
        if places.dtype.kind not in "iu":
            raise ValueError(f"{axis} is {places.dtype}; pass whole numbers, places in {axis}s")
        if pairs and not 0 <= places.min() <= places.max() < len(names):
            raise ValueError(
                f"{axis} goes from {places.min()} to {places.max()}; there are {len(names)} names"
            )


def check_names(axis: str, names: Sequence[str]) -> None:
    """Refuse names that tell no two things apart: the same one twice, or none."""
    counts = collections.Counter(names)
    if "" in counts:
        raise ValueError(f"{axis}[{list(names).index('')}] has no name; name each")
    if len(counts) < len(names):
        twice = counts.most_common(1)[0][0]
        raise ValueError(f"{axis} holds {twice!r} twice; pass different names")


def _check(responses: Responses) -> None:
    n, genes = responses.profiles.shape
    check_places(responses, responses.drug, responses.cell, n)
    for axis in ("drugs", "genes", "cells"):
        check_names(axis, getattr(responses, axis))
    if genes != len(responses.genes):
        raise ValueError(f"profiles have {genes} values for {len(responses.genes)} genes")
    if not np.isfinite(responses.profiles).all():
        row, gene = np.argwhere(~np.isfinite(responses.profiles))[0]
        raise ValueError(
            f"the profile of {responses.drugs[responses.drug[row]]!r} in "
            f"{responses.cells[responses.cell[row]]!r} is {responses.profiles[row, gene]} at gene "
            f"{responses.genes[gene]!r}; leave out profiles that are not finite"
        )
    pairs = responses.drug * np.int64(len(responses.cells)) + responses.cell
    values, counts = np.unique(pairs, return_counts=True)
    if (counts > 1).any():
        drug, cell = divmod(int(values[counts > 1][0]), len(responses.cells))
        raise ValueError(
            f"the pair of {responses.drugs[drug]!r} and {responses.cells[cell]!r} occurs twice; "
            "average replicates first"
        )
