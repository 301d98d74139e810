"""Which variances a recursion can begin with."""

import numpy as np


def variances(dtype) -> tuple[float, float]:
    """From where gaps of the squared rounding error fit into a type, to where products do."""
    limits = np.finfo(dtype)
    return float(limits.tiny) / float(limits.eps) ** 2, float(limits.eps) / float(limits.tiny)


def require_prior(moment: float, dtype) -> None:
    """Refuse a prior by its second moment (the largest, if pixels differ), before it is used.

    Raises
    ------
    ValueError : a kernel of this type would lose digits without a word, or all of them.
    """
    low, high = variances(dtype)
    if not low <= moment <= high:
        raise ValueError(
            f"prior has the second moment {moment:.1e}, and a {np.dtype(dtype)} kernel takes "
            f"{low:.0e} to {high:.0e}; pass a prior that is multiplied to be about 1"
        )
