"""What must not matter to a completed table: units, signs, order, names, columns without news."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ntkmc import NTKImputer

EXAMPLES = settings(max_examples=3, deadline=None, derandomize=True)
ROWS, COLUMNS = 9, 4
seeds = st.integers(0, 999)
factors = st.lists(
    st.sampled_from([1e-6, -0.3, 1.0, -2.0, 1e6]), min_size=COLUMNS, max_size=COLUMNS
)


def holed(seed):
    """A table of two factors with relations of either sign, a quarter missing."""
    rng = np.random.default_rng(seed)
    table = rng.normal(size=(ROWS, 2)) @ rng.normal(size=(2, COLUMNS))
    missing = rng.random(table.shape) < 0.25
    missing[0] = False
    return np.where(missing, np.nan, table + 0.3 * rng.normal(size=table.shape))


def imputer():
    return NTKImputer(n_refinements=1)


def completed(table):
    return imputer().fit(table).transform(table, return_std=True)


def assert_same(found, expected, atol=1e-6):
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-6, atol=atol)


@EXAMPLES
@given(
    seeds,
    factors,
    st.floats(-100, 100),
    st.permutations(range(ROWS)),
    st.permutations(range(COLUMNS)),
)
def test_units_and_signs_of_columns_and_the_order_of_both(seed, factors, shift, rows, columns):
    table, factors, order = holed(seed), np.array(factors), np.ix_(rows, columns)
    shifts = shift * abs(factors)
    filled, std = completed((table * factors + shifts)[order])
    expected, its_std = completed(table)
    assert_same(
        (filled, std), ((expected * factors + shifts)[order], (its_std * abs(factors))[order])
    )
    back = (filled - shifts[columns]) / factors[columns]
    np.testing.assert_allclose(back, expected[order], rtol=1e-6, atol=1e-6)


@pytest.mark.slow
@EXAMPLES
@given(seeds, st.integers(0, COLUMNS), st.sampled_from([np.nan, 0.0, -7.5, 1e9]))
def test_a_column_that_says_nothing(seed, place, value):
    """Empty or constant, in `fit`; whatever it holds in `transform`."""
    table = holed(seed)
    wider = np.insert(table, place, value, axis=1)
    wider[3, place] = np.nan
    fitted = imputer().fit(wider)
    expected = completed(table)
    assert fitted.left_out_error_ == imputer().fit(table).left_out_error_
    for later in (wider, np.insert(table, place, np.arange(ROWS) * 1.0 * 1e5, axis=1)):
        found = fitted.transform(later, return_std=True)
        assert_same([np.delete(one, place, axis=1) for one in found], expected, 1e-12)
    filled, std = fitted.transform(wider, return_std=True)
    if np.isnan(value):  # as a typical column
        np.testing.assert_allclose(filled[:, place], np.nanmean(np.nanmean(table, axis=0)))
        np.testing.assert_allclose(std[:, place], np.median(np.nanstd(table, axis=0)))
    else:
        assert filled[3, place] == value
        assert std[3, place] == 0


@EXAMPLES
@given(seeds, st.lists(st.sampled_from(["a", "b", "", "NA"]), min_size=ROWS, max_size=ROWS))
def test_labels_of_rows_that_are_there_twice(seed, labels):
    frame = pd.DataFrame(holed(seed), index=labels)
    for found, expected in zip(completed(frame), completed(frame.to_numpy()), strict=True):
        assert list(found.index) == labels
        np.testing.assert_array_equal(found, expected)
