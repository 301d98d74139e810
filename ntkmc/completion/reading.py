"""Tables as users have them, arrays or DataFrames, read as numbers and written back."""

import datetime
from typing import Any

import numpy as np
import pandas as pd
import scipy.sparse
from jaxtyping import Bool, Float
from sklearn.utils.validation import check_array, validate_data

Numbers = Float[np.ndarray, "m n"]

_EPOCH = pd.Timestamp(0)
_SECOND = pd.Timedelta(seconds=1)


def read(estimator: Any, X: Any, *, fit: bool) -> tuple[Numbers, dict[int, list]]:
    """The table as numbers, NaN where missing, with a code for each category, and the categories.

    Sets and checks what scikit-learn keeps of the columns. Categories are learned where `fit`.
    """
    known = {} if fit else estimator.encoding_.categories
    if isinstance(X, pd.DataFrame):
        frame = X
    elif known or _declared(estimator.categorical) or _has_objects(X):
        frame = pd.DataFrame(np.asarray(X, dtype=object))
    else:
        return _numbers(estimator, X, fit), {}
    validate_data(estimator, X, reset=fit, skip_check_array=True)
    columns = _positions(estimator.categorical, frame) if fit else set(known)
    numbers = np.empty(frame.shape)
    categories: dict[int, list] = {}
    for position, name in enumerate(frame.columns):
        column = frame.iloc[:, position]
        if position in columns:
            categories[position] = _categories(column, name) if fit else known[position]
            numbers[:, position] = _codes(column, categories[position], name)
        else:
            numbers[:, position] = _column(column, name)
    check_array(numbers, ensure_all_finite="allow-nan", estimator=estimator)
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
    return validate_data(estimator, X, reset=fit, dtype=np.float64, ensure_all_finite="allow-nan")


def _has_objects(X) -> bool:
    """Whether X is a matrix of what NumPy does not compute with: pandas' missing, dates, text."""
    if scipy.sparse.issparse(X):
        return False
    values = np.asarray(X)
    return values.ndim == 2 and values.dtype.kind in "OUSmM"


def _column(column, name) -> Float[np.ndarray, " m"]:
    """Numbers; of dates seconds since 1970, of times seconds."""
    present = column.notna().to_numpy()
    values = np.full(len(column), np.nan)
    try:
        values[present] = _as_numbers(column[present]).to_numpy(dtype=np.float64)
        if np.isnan(values[present]).any():  # of some objects pandas makes NaN
            raise TypeError(f"row {np.argmax(present & np.isnan(values))} is no number")
    except ValueError:
        raise ValueError(
            f"column {name!r} holds text; declare it with categorical=[{name!r}], or leave it out"
        ) from None
    except TypeError as error:
        raise TypeError(
            f"column {name!r} cannot be read ({error}); every argument must be a number, or a "
            "string that spells a real number"
        ) from None
    if np.isinf(values).any():
        raise ValueError(f"column {name!r} contains infinity; mark what is missing as NaN")
    return values


def _as_numbers(column: pd.Series) -> pd.Series:
    if column.dtype == object:
        column = column.infer_objects()
        if column.dtype == object and isinstance(next(iter(column), None), datetime.date):
            column = pd.to_datetime(column)
    if isinstance(column.dtype, pd.PeriodDtype):
        column = column.dt.start_time
    if column.dtype.kind == "M":
        if column.dt.tz is not None:
            column = column.dt.tz_convert("UTC").dt.tz_localize(None)
        return (column - _EPOCH) / _SECOND
    if column.dtype.kind == "m":
        return column / _SECOND
    return pd.to_numeric(column)


def _declared(categorical) -> list:
    """What is declared to be a column of categories, one by one."""
    if categorical is None or _by_dtype(categorical):
        return []
    if isinstance(categorical, str) or np.ndim(categorical) == 0:
        return [categorical]
    return list(categorical)


def _by_dtype(categorical) -> bool:
    return isinstance(categorical, str) and categorical == "from_dtype"


def _is_category(column: pd.Series) -> bool:
    """Whether a column's type says so; objects are what they hold."""
    if isinstance(column.dtype, pd.CategoricalDtype):
        return True
    return pd.api.types.infer_dtype(column, skipna=True) in ("string", "boolean")


def _positions(categorical, frame) -> set[int]:
    if _by_dtype(categorical):
        return {k for k in range(frame.shape[1]) if _is_category(frame.iloc[:, k])}
    names, declared = list(frame.columns), _declared(categorical)
    if declared and all(isinstance(entry, bool | np.bool_) for entry in declared):
        if len(declared) != len(names):
            raise ValueError(
                f"categorical is a mask of {len(declared)} columns and the table has {len(names)}; "
                "pass one truth value a column, or names or positions"
            )
        return set(np.flatnonzero(declared).tolist())
    positions = set()
    for entry in declared:
        position = isinstance(entry, int | np.integer) and not isinstance(entry, bool)
        if entry in names:
            positions.add(names.index(entry))
        elif position and 0 <= entry < len(names):
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
