"""Putting feature priors of a table's columns together."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from ntkmc import memory

Columns = Float[np.ndarray, "p columns"]


def unit_columns(features: Columns) -> Columns:
    """Columns of norm 1; zero columns stay zero."""
    norms = np.linalg.norm(features, axis=0)
    return features / np.where(norms > 0, norms, 1)


def evened_columns(features: Columns, observed: int, power: float = 0.5) -> Columns:
    """Columns whose norms differ less: |z| becomes |z|^(1 - power), and 1 in the mean square.

    Parameters
    ----------
    features : (p, n)
    observed : how many columns, from the first on, the mean square is taken over.
    power : 0 leaves the ratios of norms as they are, 1 gives all the same (zero stays zero).
    """
    if not 0 <= power <= 1:
        raise ValueError(f"power was {power}; pass a number between 0 and 1")
    norms = np.linalg.norm(features, axis=0)
    evened = features / np.where(norms > 0, norms, 1) ** power
    size = np.sqrt(np.mean(np.sum(evened[:, :observed] ** 2, axis=0)))
    return evened / (size or 1.0)


def concatenated(
    blocks: Sequence[Float[np.ndarray, "_ columns"]], weights: Sequence[float] | None = None
) -> Float[np.ndarray, "stacked columns"]:
    """Features one below the other, each block times its weight: inner products add up."""
    weights = [1.0] * len(blocks) if weights is None else weights
    return np.concatenate([w * block for w, block in zip(weights, blocks, strict=True)])


def with_identity(features: Columns, constant: float = 1.5) -> Float[np.ndarray, "stacked columns"]:
    r"""Features with ``constant`` times the identity below them, as unit columns.

    .. math:: \frac{1}{\sqrt{|z_j|^2 + c^2}} \begin{pmatrix} z_j \\ c\, e_j \end{pmatrix}

    SI appendix D: what makes the kernel of every prior of the paper's drug-response experiments
    positive definite, with c = 1.5 chosen for its data's scale. It weighs more for columns of small
    norm, which distinguishes it from a ridge.
    """
    if not constant > 0:
        raise ValueError(f"constant was {constant}; pass a positive number")
    height, columns = features.shape
    memory.require(
        2 * 8 * (height + columns) * columns,
        f"a prior of {height} + {columns} features for {columns} columns",
        "impute fewer columns at once, or use a ridge in place of the identity",
    )
    stacked = np.zeros((height + columns, columns))
    stacked[:height] = features
    np.fill_diagonal(stacked[height:], constant)
    return unit_columns(stacked)
