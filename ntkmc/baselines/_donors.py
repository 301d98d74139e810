"""Which observed profiles can stand for a missing one: donors, and where they are compared."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Int


class Block(NamedTuple):
    """A full block of observed pairs: rows of things to compare, columns of donors.

    Attributes
    ----------
    donors : units that are observed with the wanted treatment.
    shared : treatments with which the target and all donors are observed.
    """

    donors: Int[np.ndarray, " donors"]
    shared: Int[np.ndarray, " shared"]


def largest_block(
    available: Bool[np.ndarray, "treatments units"], target: int, wanted: int, minimum: int
) -> Block | None:
    """Donors for a target unit under a treatment, taken in turn while enough treatments are shared.

    Those that share the most with the target (and the donors before them) come first, and one
    after which fewer than ``minimum`` treatments would be shared is not taken. None where there is
    none.

    Parameters
    ----------
    available : which pairs are observed.
    target, wanted : the pair to impute, which counts as not observed.
    minimum : of shared treatments.
    """
    shared = available[:, target].copy()
    shared[wanted] = False
    candidates = np.flatnonzero(available[wanted])
    candidates = candidates[candidates != target]
    donors: list[int] = []
    while len(candidates):
        counts = (available[:, candidates] & shared[:, None]).sum(axis=0)
        best = int(np.argmax(counts))
        if counts[best] < minimum:
            break
        donors.append(int(candidates[best]))
        shared &= available[:, donors[-1]]
        candidates = np.delete(candidates, best)
    return Block(np.array(donors), np.flatnonzero(shared)) if donors else None
