"""A table of 200,000 rows and 30 columns, and how far its regression is from the exact one.

    uv run python benchmarks/large_table.py                # both parts
    uv run python benchmarks/large_table.py large          # under ten minutes on two cores

Columns are 12 hidden factors, mixed and passed through tanh, sines, absolute values and products,
and noise; 30 % of the entries are hidden. `large` completes 200,000 rows. `exact` completes 6,500
rows of the first 10 columns once as large tables are, by conjugate gradients, and once with three
kernels and factorisations of all rows. Writes results/large_table-<device>.json.
"""

import resource
import sys
import time

import numpy as np
import printing

from ntkmc import NTKImputer
from ntkmc.completion import chained, chained_fit

COLUMNS, FACTORS, SHARE, NOISE = 30, 12, 0.3, 0.4
LARGE = 200_000, COLUMNS
BOTH = 6_500, 10


def table_of(rows, seed=0):
    """Standardised, of ten kinds of columns three times."""
    rng = np.random.default_rng(seed)
    mixing = np.random.default_rng(1).standard_normal((FACTORS, COLUMNS)) / np.sqrt(FACTORS)
    factors = rng.standard_normal((rows, FACTORS))
    mixed = factors @ mixing
    kinds = [
        lambda k: mixed[:, k],
        lambda k: np.tanh(2 * mixed[:, k]),
        lambda k: np.sin(2 * mixed[:, k]),
        lambda k: np.abs(mixed[:, k]),
        lambda k: mixed[:, k] * mixed[:, k - 1],
        lambda k: np.exp(mixed[:, k] / 2),
        lambda k: (mixed[:, k] > 0) * 1.0,
        lambda k: factors[:, k % FACTORS],
        lambda k: np.maximum(mixed[:, k], mixed[:, k - 1]),
        lambda k: np.square(mixed[:, k]),
    ]
    table = np.stack([kinds[k % len(kinds)](k) for k in range(COLUMNS)], axis=1)
    table = table / table.std(axis=0) + NOISE * rng.standard_normal(table.shape)
    return table / table.std(axis=0), rng.random(table.shape) < SHARE


def complete(rows, columns):
    """Errors, relative to those of columns' means, and seconds."""
    table, hidden = (one[:, :columns] for one in table_of(rows))
    left = np.where(hidden, np.nan, table)
    shown = [0.0]

    def progress(stage, done, total):
        if time.perf_counter() - shown[0] > 10:
            shown[0] = time.perf_counter()
            print(f"  {stage} {done} of {total}", flush=True)

    started = time.perf_counter()
    imputer = NTKImputer(progress=progress).fit(left)
    fitted = time.perf_counter()
    filled, std = imputer.transform(left, return_std=True)
    error = np.sqrt(np.mean(np.square(filled - table)[hidden]))
    return {
        "rows": rows,
        "error": error / np.sqrt(np.mean(np.square(table[hidden]))),
        "within 90 % intervals": np.mean((abs(filled - table) < 1.645 * std)[hidden]),
        "seconds of fit": fitted - started,
        "seconds of transform": time.perf_counter() - fitted,
        "largest memory in GiB": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20,
    }


def large():
    return [{"way": "default", **complete(*LARGE)}]


def exact():
    rows = [{"way": "default", **complete(*BOTH)}]
    for module in (chained, chained_fit):
        module.EXACT_ROWS = 2 * BOTH[0]
    return [*rows, {"way": "exact", **complete(*BOTH)}]


if __name__ == "__main__":
    printing.run("large_table", {"large": large, "exact": exact}, sys.argv[1:])
