"""Style transfer by vector arithmetic: a drug's profile moved from one cell line to another."""

from collections.abc import Callable

import numpy as np
from jaxtyping import Float

from ntkmc.baselines.means import mean_over_cell
from ntkmc.responses import Indices, Responses


def style_transfer(
    observed: Responses, drug: Indices, cell: Indices
) -> Float[np.ndarray, "n genes"]:
    r"""The drug's profiles in other cell lines, each plus the difference of the two cell lines.

    .. math:: \hat y_{dc} = \frac{1}{|C|} \sum_{c' \in C} \Big( y_{dc'}
              + \frac{1}{|D_{cc'}|} \sum_{d' \in D_{cc'}} (y_{d'c} - y_{d'c'}) \Big),

    "drug in c' - c' + c" in the words of the analogy it is named for: C are the other cell lines in
    which d is observed and which share a drug with c, :math:`D_{cc'}` the drugs observed in both.
    Where C is empty, the mean over the cell line.

    Parameters
    ----------
    observed : Responses
        Of profiles, or of any embedding of them (`in_latent_space`).
    drug, cell : (n,)
        The pairs to impute. What is observed of them is not used.

    References
    ----------
    Belyaeva et al., "Causal network models of SARS-CoV-2 expression and aging to identify
    candidates for drug repurposing", Nature Communications 2021.
    """
    places = observed.places()
    shift = _differences(observed, places)
    imputed = mean_over_cell(observed, drug, cell)
    for row, (one, line) in enumerate(zip(drug, cell, strict=True)):
        sources = [
            other
            for other in np.flatnonzero(places[one] >= 0)
            if other != line and (line, other) in shift
        ]
        if sources:
            moved = [observed.profiles[places[one, s]] + shift[line, s] for s in sources]
            imputed[row] = np.mean(moved, axis=0)
    return imputed


def in_latent_space(
    observed: Responses,
    drug: Indices,
    cell: Indices,
    encode: Callable[[np.ndarray], np.ndarray],
    decode: Callable[[np.ndarray], np.ndarray],
) -> Float[np.ndarray, "n genes"]:
    """`style_transfer` of latent vectors, decoded.

    Parameters
    ----------
    observed, drug, cell : as in `style_transfer`.
    encode : (n, genes) to (n, latent).
    decode : (n, latent) to (n, genes).
    """
    latent = np.asarray(encode(observed.profiles), np.float64)
    embedded = Responses(
        latent,
        observed.drug,
        observed.cell,
        observed.drugs,
        tuple(f"latent {number}" for number in range(latent.shape[1])),
        observed.cells,
    )
    return np.asarray(decode(style_transfer(embedded, drug, cell)), np.float64)


def _differences(observed, places):
    """Mean difference over shared drugs, for each ordered pair of cell lines that share one."""
    shift = {}
    for first in range(observed.number_of_cells):
        for second in range(first):
            shared = np.flatnonzero((places[:, first] >= 0) & (places[:, second] >= 0))
            if len(shared):
                difference = (
                    observed.profiles[places[shared, first]]
                    - observed.profiles[places[shared, second]]
                ).mean(axis=0)
                shift[first, second], shift[second, first] = difference, -difference
    return shift
