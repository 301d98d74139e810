"""Some of many rows."""

import numpy as np
from jaxtyping import Int


def evenly_spaced(positions: Int[np.ndarray, " m"], most: int) -> Int[np.ndarray, " n"]:
    """All of them, or so many, the first and the last among them."""
    count = min(most, len(positions))
    return positions[np.linspace(0, len(positions) - 1, count).round().astype(int)]
