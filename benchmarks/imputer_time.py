"""Seconds of NTKImputer and of MissForest's recipe, by turns, on tables of up to 2,000 rows.

    NTKMC_DATA=<folder with tables/*.csv> uv run python benchmarks/imputer_time.py           # all
    NTKMC_DATA=<folder with tables/*.csv> uv run python benchmarks/imputer_time.py lung yeast

30 % of the entries are hidden at random. Both have default settings and all cores; forests are 100
trees in six rounds. NTKImputer says how far off each entry may be, too. It has run once before, so
that its programs are compiled: how long that took is `first`. Medians of three.
Writes results/imputer_time-<device>.json.
"""

import functools
import statistics
import sys
import time

import numpy as np
import printing

from ntkmc.experiments.imputers.config import TableConfig
from ntkmc.experiments.imputers.hiding import hide
from ntkmc.experiments.imputers.methods import METHODS, ntk
from ntkmc.experiments.imputers.running import load

TABLES = (
    "airfoil blood concrete credit gbsg2 health ionosphere letter lung obesity parkinsons raisin "
    "slump wine_red yacht yeast"
)
REPEATS = 3


def seconds(method, data, table):
    started = time.perf_counter()
    method(table, data.categorical)(table)
    return time.perf_counter() - started


def compare(name):
    data = load(name, TableConfig(), None)
    table = np.where(hide(data.values, "mcar", 0.3, 0), np.nan, data.values)
    methods = {"NTKImputer": ntk({}), "forests": METHODS["forests"]}
    first = seconds(methods["NTKImputer"], data, table)
    taken = {one: [] for one in methods}
    for _ in range(REPEATS):
        for one, method in methods.items():
            taken[one].append(seconds(method, data, table))
    medians = {one: statistics.median(its) for one, its in taken.items()}
    ratio = medians["NTKImputer"] / medians["forests"]
    rows, columns = table.shape
    sizes = {"table": name, "rows": rows, "columns": columns}
    return [{**sizes, "first": first, **medians, "ratio": ratio}]


if __name__ == "__main__":
    parts = {name: functools.partial(compare, name) for name in TABLES.split()}
    printing.run("imputer_time", parts, sys.argv[1:])
