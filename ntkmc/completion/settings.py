"""The settings of an imputer, checked before any work."""

from typing import Any

import numpy as np
import pandas as pd

from ntkmc.completion.priors import PARITIES, check_prior
from ntkmc.completion.support import check_support
from ntkmc.kernels.dense_ntk import homogeneous


def check_settings(imputer: Any) -> None:
    """Refuse the settings of an imputer that cannot be: a ValueError names the first."""
    if imputer.column_prior is None and imputer.row_prior is None:
        raise ValueError("column_prior and row_prior are both None; pass at least one")
    if imputer.column_prior is not None:
        check_prior(imputer.column_prior, "column_prior")
    if imputer.row_prior is not None:
        check_prior(imputer.row_prior, "row_prior", ("identity",))
    homogeneous(imputer.activation)
    if imputer.ridge != "loo":
        require_number("ridge", imputer.ridge)
    if imputer.identity_weight != "loo":
        require_number("identity_weight", imputer.identity_weight)
    if imputer.depth != "loo":
        require_int("depth", imputer.depth, 1)
    if imputer.parity not in ("loo", *PARITIES):
        raise ValueError(f"parity was {imputer.parity!r}; pass 'odd', 'oriented' or 'loo'")
    for name in ("chained", "alternating"):
        value = getattr(imputer, name)
        if value not in (True, False, "auto"):
            raise ValueError(f"{name} was {value!r}; pass True, False or 'auto'")
    check_support(imputer.support)
    marker = imputer.missing_values
    if not (marker is None or marker is pd.NA or np.isscalar(marker)):
        raise ValueError(f"missing_values was {marker!r}; pass a number, a text, or NaN")
    for name in ("add_indicator", "keep_empty_features"):
        value = getattr(imputer, name)
        if not isinstance(value, bool | np.bool_):
            raise ValueError(f"{name} was {value!r}; pass True or False")
    require_int("n_refinements", imputer.n_refinements, 0)
    require_int("prior_rows", imputer.prior_rows, 2)
    require_int("chained_rows", imputer.chained_rows, 2)


def require_int(name: str, value: Any, least: int) -> None:
    """Refuse what is no whole number, or less than that."""
    number = isinstance(value, int | np.integer) and not isinstance(value, bool)
    if not number or value < least:
        raise ValueError(f"{name} was {value!r}; pass a whole number that is at least {least}")


def require_number(name: str, value: Any) -> None:
    """Refuse what is no finite number from 0 on."""
    number = isinstance(value, int | float | np.number) and not isinstance(value, bool)
    if not number or not 0 <= value < np.inf:
        raise ValueError(f"{name} was {value!r}; pass a number >= 0, or 'loo'")
