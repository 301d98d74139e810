"""Tables as users have them, arrays or DataFrames, read as numbers and written back."""

import datetime
from typing import Any

import numpy as np
import pandas as pd
import scipy.sparse
from jaxtyping import Bool, Float
from sklearn.utils.validation import check_array, validate_data

Numbers = Float[np.ndarray, "m n"]

# More than these, and a different one in most rows, are no categories.
_FEW_CATEGORIES = 20

_EPOCH = pd.Timestamp(0)
_SECOND = pd.Timedelta(seconds=1)


def read(estimator: Any, X: Any, *, fit: bool) -> tuple[Numbers, dict[int, list]]:
    """The table as numbers, NaN where missing, with a code for each category, and the categories.

    Sets and checks what scikit-learn keeps of the columns. Categories are learned where `fit`.
    """
    known = {} if fit else estimator.encoding_.categories
    marker = estimator.missing_values
    if isinstance(X, pd.DataFrame) or is_polars(X):
        frame = to_pandas(X)
    elif known or _declared(estimator.categorical) or _has_objects(X):
        frame = pd.DataFrame(np.asarray(X, dtype=object))
    else:
        numbers = _numbers(estimator, X, fit)
        return (numbers if _is_null(marker) else np.where(numbers == marker, np.nan, numbers)), {}
    if not _is_null(marker):
        frame = frame.mask((frame == marker).fillna(False).astype(bool))
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
    named = isinstance(X, pd.DataFrame) or is_polars(X)
    frame = to_pandas(X) if named else pd.DataFrame(np.asarray(X, dtype=object))
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
    return _as(X, completed, categories) if named else completed.to_numpy(dtype=object)


def labelled(X: Any, values: Numbers) -> Any:
    """`values` with the labels of X where that is a DataFrame, of pandas or polars."""
    if isinstance(X, pd.DataFrame):
        return pd.DataFrame(values, index=X.index, columns=X.columns)
    return _as(X, pd.DataFrame(values, columns=X.columns)) if is_polars(X) else values


def beside(X: Any, table: Any, more: Bool[np.ndarray, "m k"], names: Any) -> Any:
    """A table, of the kind of X, with more columns of zeros and ones."""
    if isinstance(X, pd.DataFrame):
        return pd.concat([table, pd.DataFrame(more.astype(float), X.index, names)], axis=1)
    if is_polars(X):
        return table.with_columns(**dict(zip(names, more.T.astype(float), strict=True)))
    return np.concatenate([table, more.astype(float).astype(table.dtype)], axis=1)


def are_names(kinds: int, rows: int) -> bool:
    """Whether so many different texts in so many rows are names rather than categories."""
    return kinds > max(_FEW_CATEGORIES, rows / 2)


def is_polars(X: Any) -> bool:
    """Whether X is a DataFrame of polars, which need not be installed."""
    return type(X).__module__.partition(".")[0] == "polars" and hasattr(X, "to_dict")


def to_pandas(X: Any) -> pd.DataFrame:
    """A DataFrame of polars as one of pandas; one of pandas as it is."""
    if isinstance(X, pd.DataFrame):
        return X
    columns = {}
    for name, values in X.to_dict(as_series=False).items():
        kind = str(X[name].dtype)
        dtype = "category" if kind.startswith(("Categorical", "Enum")) else None
        columns[name] = pd.Series(values, dtype=dtype)
    return pd.DataFrame(columns)


def _as(X, frame, categories=()):
    """The kind of DataFrame that X is; of categories, with the types that they had."""
    if not is_polars(X):
        return frame
    made = type(X)({name: frame[name].to_list() for name in frame.columns})
    names = [X.columns[position] for position in categories]
    return made.with_columns([made[name].cast(X[name].dtype) for name in names])


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


def _is_null(marker) -> bool:
    """Whether it is one of the values that are missing anyway."""
    return marker is None or marker is pd.NA or marker != marker


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
    present = column.dropna()
    if isinstance(column.dtype, pd.CategoricalDtype):
        return len(present) > 0
    kind = pd.api.types.infer_dtype(present)
    if kind != "string":
        return kind == "boolean"
    try:
        pd.to_numeric(present)
    except ValueError:
        return True
    return False


def _positions(categorical, frame) -> set[int]:
    if _by_dtype(categorical):
        found = {k for k in range(frame.shape[1]) if _is_category(frame.iloc[:, k])}
        for k in found:
            _refuse_names(frame.iloc[:, k])
        return found
    names, declared = list(frame.columns), _declared(categorical)
    if declared and all(isinstance(entry, bool | np.bool_) for entry in declared):
        if len(declared) != len(names):
            raise ValueError(
                f"categorical is a mask of {len(declared)} columns and the table has {len(names)}; "
                "pass one truth value a column, or names or positions"
            )
        return set(np.flatnonzero(declared).tolist())
    return {position(entry, names, "categorical") for entry in declared}


def position(entry: Any, names: list, setting: str) -> int:
    """Of a column, by its name or its position."""
    if entry in names:
        return names.index(entry)
    number = isinstance(entry, int | np.integer) and not isinstance(entry, bool)
    if number and 0 <= entry < len(names):
        return int(entry)
    raise ValueError(
        f"{setting} names {entry!r}, which is neither a column of the table nor a "
        f"position among its {len(names)} columns"
    )


def _refuse_names(column: pd.Series) -> None:
    """Refuse categories that are a different one in most rows."""
    kinds, rows = column.nunique(), int(column.notna().sum())
    if are_names(kinds, rows):
        raise ValueError(
            f"column {column.name!r} holds {kinds} different values in {rows} rows, as names do; "
            f"leave it out, or declare it with categorical=[{column.name!r}]"
        )


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
