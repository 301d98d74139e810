"""Synthetic interventions: principal component regression on other cell lines, or other drugs."""

import dataclasses
from collections.abc import Iterator

import numpy as np
from jaxtyping import Bool, Float, Int

from ntkmc.baselines._donors import Block, largest_block
from ntkmc.baselines.means import mean_over_cell
from ntkmc.responses import Indices, Responses


@dataclasses.dataclass(frozen=True)
class SyntheticInterventions:
    r"""Imputed profiles, and for each whether the data speak for what they rest on.

    That the target is a linear combination of the donors, the same for every treatment, has two
    consequences that can be tested.

    Attributes
    ----------
    profiles : (n, genes); the mean over the cell line where there are no donors.
    donors, shared : (n,), how many donors there were, and treatments the weights were fitted to.
    rank : (n,), singular values that were kept.
    unexplained : (n,), of the target's sum of squares where the weights were fitted, the share that
        they leave: *linear span*, which holds where it is small.
    outside : (n,), of the donors' sum of squares under the wanted treatment, the share outside of
        the row space in which the weights were fitted: *subspace inclusion*, which holds where it
        is small. Weights say nothing about what lies outside.

    All but ``profiles`` are zero or NaN where there were no donors.
    """

    profiles: Float[np.ndarray, "n genes"]
    donors: Int[np.ndarray, " n"]
    shared: Int[np.ndarray, " n"]
    rank: Int[np.ndarray, " n"]
    unexplained: Float[np.ndarray, " n"]
    outside: Float[np.ndarray, " n"]

    def holds(self, unexplained: float = 0.5, outside: float = 0.1) -> Bool[np.ndarray, " n"]:
        """Where both conditions hold to these shares."""
        return (self.unexplained <= unexplained) & (self.outside <= outside)


def synthetic_interventions(
    observed: Responses,
    drug: Indices,
    cell: Indices,
    over: str = "cells",
    energy: float = 0.95,
    minimum: int = 3,
) -> SyntheticInterventions:
    r"""The target's profile from those of donors, by weights learned where both are observed.

    Over cells, the target is a cell line and donors are others in which the drug is observed; over
    actions, the target is the drug and donors are others observed in the cell line. Of the donors'
    profiles under the shared treatments, :math:`A \approx U_k \Sigma_k V_k^T` (rows: treatment and
    gene, columns: donors), and the target's t, the weights are :math:`w = V_k \Sigma_k^{-1} U_k^T
    t`, and the profile :math:`B w` with B (genes x donors) the donors' under the wanted treatment.

    Parameters
    ----------
    observed : Responses
    drug, cell : (n,)
        The pairs to impute. What is observed of them is not used.
    over : "cells", or "actions" for drugs.
    energy : of the sum of squares of A that k singular values have to hold.
    minimum : cell lines of the drug are taken, those that share the most drugs with the target's
        first, while at least so many drugs are observed in all of them.

    References
    ----------
    Agarwal, Shah and Shen, "Synthetic interventions", 2020 (arXiv 2006.07691). Squires, Shen,
    Agarwal, Shah and Uhler, "Causal imputation via synthetic interventions", CLeaR 2022.
    """
    if over not in ("cells", "actions"):
        raise ValueError(f"over was {over!r}; pass 'cells' or 'actions'")
    if not 0 < energy <= 1:
        raise ValueError(f"energy was {energy}; pass a share of the sum of squares, up to 1")
    if minimum < 1:
        raise ValueError(f"minimum was {minimum}; pass at least 1")
    n = len(drug)
    profiles = mean_over_cell(observed, drug, cell)
    counts = np.zeros((3, n), int)
    shares = np.full((2, n), np.nan)
    fitted = _over_cells if over == "cells" else _over_actions
    for asked, block, matrix, targets, wanted in fitted(observed, drug, cell, minimum):
        fit = _Fit.of(matrix, energy)
        weights = fit.weights(targets)
        profiles[asked] = weights @ wanted
        counts[:, asked] = np.array([[len(block.donors)], [len(block.shared)], [fit.rank]])
        shares[0, asked] = fit.unexplained(targets)
        shares[1, asked] = fit.outside(wanted)
    return SyntheticInterventions(profiles, *counts, *shares)


@dataclasses.dataclass(frozen=True)
class _Fit:
    """The leading singular vectors of donors (k, m), one row a donor."""

    matrix: np.ndarray
    vectors: np.ndarray
    singular: np.ndarray

    @classmethod
    def of(cls, matrix, energy):
        # Fewer donors than measurements: their Gram matrix has the singular values' squares.
        squares, vectors = np.linalg.eigh(matrix @ matrix.T)
        squares = np.maximum(squares[::-1], 0)
        held = np.cumsum(squares) / max(squares.sum(), np.finfo(float).tiny)
        positive = int((squares > 1e-14 * squares[0]).sum())
        rank = max(1, min(int(np.searchsorted(held, energy - 1e-12)) + 1, positive))
        return cls(matrix, vectors[:, ::-1][:, :rank], np.sqrt(squares[:rank]))

    @property
    def rank(self):
        return len(self.singular)

    def _coefficients(self, targets):
        """U_k^T t of each target, one row a target."""
        return targets @ (self.matrix.T @ self.vectors) / np.where(self.singular, self.singular, 1)

    def weights(self, targets):
        scaled = self._coefficients(targets) / np.where(self.singular, self.singular, 1)
        return scaled @ self.vectors.T

    def unexplained(self, targets):
        size = np.sum(targets**2, axis=1)
        kept = np.sum(self._coefficients(targets) ** 2, axis=1)
        return np.clip(1 - kept / np.where(size > 0, size, 1), 0, 1)

    def outside(self, wanted):
        size = np.sum(wanted**2)
        return float(np.clip(1 - np.sum((self.vectors.T @ wanted) ** 2) / (size or 1.0), 0, 1))


_Problem = tuple[np.ndarray, Block, np.ndarray, np.ndarray, np.ndarray]


def _over_cells(observed, drug, cell, minimum) -> Iterator[_Problem]:
    places, available = observed.places(), observed.availability()
    for row, (one, line) in enumerate(zip(drug.tolist(), cell.tolist(), strict=True)):
        block = largest_block(available, line, one, minimum)
        if block is not None:
            matrix = observed.profiles[places[np.ix_(block.shared, block.donors)].T]
            targets = observed.profiles[places[block.shared, line]].reshape(1, -1)
            wanted = observed.profiles[places[one, block.donors]]
            yield np.array([row]), block, matrix.reshape(len(block.donors), -1), targets, wanted


def _over_actions(observed, drug, cell, minimum) -> Iterator[_Problem]:
    """Drugs that are observed in the same cell lines share their donors and one factorisation."""
    places, available = observed.places(), observed.availability()
    alike: dict[tuple[int, int | None, bytes], list[int]] = {}
    for row, (one, line) in enumerate(zip(drug.tolist(), cell.tolist(), strict=True)):
        seen = available[one].copy()
        seen[line] = False
        # Where the pair itself is observed, it may not be a donor: a problem of its own.
        own = one if available[one, line] else None
        alike.setdefault((line, own, seen.tobytes()), []).append(row)
    for (line, _, _), rows in alike.items():
        asked = np.array(rows)
        cells = largest_block(available, line, int(drug[rows[0]]), minimum)
        if cells is not None:
            block = Block(donors=cells.shared, shared=cells.donors)  # the other way round
            matrix = observed.profiles[places[np.ix_(block.donors, block.shared)]]
            targets = observed.profiles[places[np.ix_(drug[asked], block.shared)]]
            wanted = observed.profiles[places[block.donors, line]]
            donors = len(block.donors)
            yield asked, block, matrix.reshape(donors, -1), targets.reshape(len(asked), -1), wanted
