"""Tables as users have them, arrays or DataFrames, read as numbers and written back."""

from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float
from sklearn.utils.validation import validate_data

Numbers = Float[np.ndarray, "m n"]


def read(estimator: Any, X: Any, *, fit: bool) -> tuple[Numbers, dict[int, list]]:
    """The table as numbers, NaN where missing, with a code for each category, and the categories.

    Sets and checks what scikit-learn keeps of the columns. Categories are learned where `fit`.
    """
    if not np.size(estimator.categorical):
        return _numbers(estimator, X, fit), {}
    validate_data(estimator, X, reset=fit, skip_check_array=True)
    frame = X if isinstance(X, pd.DataFrame) else pd.DataFrame(np.asarray(X, dtype=object))
    columns = _positions(estimator.categorical, frame)
    known = {} if fit else estimator.encoding_.categories
    numbers = np.empty(frame.shape)
    categories: dict[int, list] = {}
    for position, name in enumerate(frame.columns):
        column = frame.iloc[:, position]
        if position in columns:
            categories[position] = _categories(column, name) if fit else known[position]
            numbers[:, position] = _codes(column, categories[position], name)
        else:
            numbers[:, position] = _column(column, name)
    return numbers, categories


def write(estimator: Any, X: Any, filled: Numbers, missing: Bool[np.ndarray, "m n"]) -> Any:
    """`filled` as X was: a DataFrame with its labels or an array, categories instead of codes."""
    categories = estimator.encoding_.categories
    if not categories:
        return labelled(X, filled)
    frame = X if isinstance(X, pd.DataFrame) else pd.DataFrame(np.asarray(X, dtype=object))
    columns = {}
    for position in range(frame.shape[1]):
        if position not in categories:
            columns[position] = filled[:, position]
            continue
        column = frame.iloc[:, position].copy()
        values = pd.Series(categories[position]).take(filled[:, position].astype(int))
        values.index = column.index
        if isinstance(column.dtype, pd.CategoricalDtype):
            values = values.astype(column.dtype)
        columns[position] = column.where(~missing[:, position], values)
    completed = pd.DataFrame(columns, index=frame.index)
    completed.columns = frame.columns
    return completed if isinstance(X, pd.DataFrame) else completed.to_numpy(dtype=object)


def labelled(X: Any, values: Numbers) -> Any:
    """`values` with the labels of X where that is a DataFrame."""
    if isinstance(X, pd.DataFrame):
        return pd.DataFrame(values, index=X.index, columns=X.columns)
    return values


def aligned(estimator: Any, prior: Any) -> Any:
    """A column prior; the columns of a DataFrame are put into the order of the table's."""
    names = getattr(estimator, "feature_names_in_", None)
    if names is None or not isinstance(prior, pd.DataFrame):
        return prior
    lacking = [name for name in names if name not in prior.columns]
    if lacking:
        raise ValueError(
            f"column_prior has no column {lacking[0]!r}; pass one for each column of the table"
        )
    return prior[list(names)].to_numpy()


def _numbers(estimator, X, fit) -> Numbers:
    try:
        return validate_data(
            estimator, X, reset=fit, dtype=np.float64, ensure_all_finite="allow-nan"
        )
    except ValueError as error:
        if "could not convert string" not in str(error):
            raise
        place = _text_column(X)
        raise ValueError(
            f"column {place!r} holds text; declare it with categorical=[{place!r}], or leave it out"
        ) from None


def _text_column(X) -> Any:
    frame = X if isinstance(X, pd.DataFrame) else pd.DataFrame(np.asarray(X, dtype=object))
    for position, name in enumerate(frame.columns):
        if pd.to_numeric(frame.iloc[:, position], errors="coerce").isna().sum() > (
            frame.iloc[:, position].isna().sum()
        ):
            return name
    return frame.columns[0]


def _column(column, name) -> Float[np.ndarray, " m"]:
    try:
        values = pd.to_numeric(column).to_numpy(dtype=np.float64, na_value=np.nan)
    except (ValueError, TypeError):
        raise ValueError(
            f"column {name!r} holds text; declare it in categorical, or leave it out"
        ) from None
    if np.isinf(values).any():
        raise ValueError(f"column {name!r} contains infinity; mark what is missing as NaN")
    return values


def _positions(categorical, frame) -> set[int]:
    names = list(frame.columns)
    positions = set()
    for entry in [categorical] if isinstance(categorical, str) else categorical:
        if entry in names:
            positions.add(names.index(entry))
        elif isinstance(entry, int | np.integer) and 0 <= entry < len(names):
            positions.add(int(entry))
        else:
            raise ValueError(
                f"categorical names {entry!r}, which is neither a column of the table nor a "
                f"position among its {len(names)} columns"
            )
    return positions


def _categories(column, name) -> list:
    values = column.dropna().unique().tolist()
    if not values:
        raise ValueError(f"categorical column {name!r} has no value at all; leave it out")
    return sorted(values, key=lambda value: (str(type(value)), value))


def _codes(column, known, name) -> Float[np.ndarray, " m"]:
    code = {value: float(number) for number, value in enumerate(known)}
    present = column.notna().to_numpy()
    codes = np.full(len(column), np.nan)
    for row in np.flatnonzero(present):
        value = column.iloc[row]
        if value not in code:
            raise ValueError(
                f"column {name!r} holds {value!r}, which it did not when the imputer was fitted "
                f"(known: {', '.join(map(str, known))})"
            )
        codes[row] = code[value]
    return codes
