"""How long completing tables takes, against the factorisation alone and scikit-learn's imputers.

    uv run python benchmarks/tables.py fold --columns 14336 --threads 1     # 5 GiB, ten minutes
    uv run python benchmarks/tables.py gdsc --threads 1                     # needs $NTKMC_DATA

`fold` is one fold of ten of a synthetic table of the size of the paper's: 978 rows, 14,336 columns,
a prior of 978 features. Kernel and solve, until the missing tenth is filled in, take turns with
`scipy.linalg.cho_factor` of the same kernel matrix in float64. A fold takes `operations` times as
many multiplications as its factorisation, 1.78 at this size, or 1.06 where the factorisation and
the triangular solves are in float32 and count half. Both are timed, and how far apart they are
is said in relation to the predictions. `gdsc` completes the drug responses with a tenth of them
missing, with default settings, by turns. Other work on a machine slows down the wall clock; the
system's share of the processor's time is for fresh memory, of which a virtual machine may have none
at hand. Writes results/tables-<part>-cpu.json.
"""

import argparse
import json
import os
import statistics
import time
import warnings
from pathlib import Path

import numpy as np
import scipy.linalg
from sklearn.exceptions import ConvergenceWarning
from sklearn.experimental import enable_iterative_imputer  # noqa: F401
from sklearn.impute import IterativeImputer, KNNImputer
from threadpoolctl import threadpool_limits

from ntkmc import NTKImputer
from ntkmc.datasets import load_table
from ntkmc.kernels import dense_ntk
from ntkmc.memory import peak_bytes
from ntkmc.results import environment
from ntkmc.solvers import complete_rows

CLOCKS = {
    "wall, s": time.perf_counter,
    "processor, s": time.process_time,
    "processor without the system, s": lambda: os.times().user,
}


def by_turns(runs, repeats):
    """Median seconds of each, by several clocks."""
    times = {name: {clock: [] for clock in CLOCKS} for name in runs}
    for _ in range(repeats):
        for name, run in runs.items():
            started = {clock: read() for clock, read in CLOCKS.items()}
            run()
            for clock, read in CLOCKS.items():
                times[name][clock].append(read() - started[clock])
            print(name, {clock: round(taken[-1], 2) for clock, taken in times[name].items()})
    return {
        name: {clock: statistics.median(taken) for clock, taken in clocks.items()}
        | {"runs": repeats}
        for name, clocks in times.items()
    }


def ratio(times, one, other):
    return {clock: times[one][clock] / times[other][clock] for clock in CLOCKS}


def operations(observed, missing, rows, features):
    """Multiplications and additions of a fold's parts, over those of the factorisation.

    In float64; "all, single" counts the first and third half, as they are in float32.
    """
    counts = {
        "factorisation": observed**3 / 3,
        "product of the prior's columns": features * observed * (observed + 2 * missing),
        "two triangular solves": 2 * rows * observed**2,
        "prediction": 2 * rows * observed * missing,
    }
    shares = {part: count / counts["factorisation"] for part, count in counts.items()}
    single = (shares["factorisation"] + shares["two triangular solves"]) / 2
    return shares | {
        "all": sum(shares.values()),
        "all, single": sum(shares.values()) - single,
    }


def fold(columns, rows, repeats):
    rng = np.random.default_rng(0)
    prior = rng.standard_normal((rows, columns))
    table = rng.standard_normal((rows, columns))
    table[:, ::10] = np.nan
    observed = np.flatnonzero(~np.isnan(table[0]))
    dense_ntk(prior[:, :2000])  # compiles

    parts, solved = [], {}

    def complete(**settings):
        started = time.perf_counter()
        kernel = dense_ntk(prior)
        built = time.perf_counter()
        result = complete_rows(kernel, table, ridge=1e-2, **settings)
        parts.append((built - started, time.perf_counter() - built))
        solved[tuple(settings)] = result

    matrix = dense_ntk(prior[:, observed])
    np.einsum("ii->i", matrix)[:] += 1e-2 * 2 * rows
    runs = {
        "kernel and solve": complete,
        "kernel and solve, float64": lambda: complete(rtol=0),
        "cho_factor": lambda: scipy.linalg.cho_factor(matrix, check_finite=False),
    }
    times = by_turns(runs, repeats)
    one, other = (result.completed for result in solved.values())
    hidden = np.isnan(table)
    return {
        "columns": columns,
        "observed": len(observed),
        "rows": rows,
        "features": rows,
        "kernel, wall s": statistics.median(part[0] for part in parts),
        "solve, wall s": statistics.median(part[1] for part in parts[::2]),
        "times": times,
        "ratio": ratio(times, "kernel and solve", "cho_factor"),
        "ratio, float64": ratio(times, "kernel and solve, float64", "cho_factor"),
        "quality": [
            {
                "relative residual": result.relative_residual,
                "refinements": result.refinements,
                "condition": result.condition,
            }
            for result in solved.values()
        ],
        "relative difference of predictions": float(
            np.linalg.norm((one - other)[hidden]) / np.linalg.norm(other[hidden])
        ),
        "operations": operations(len(observed), columns - len(observed), rows, rows),
        "peak, MiB": peak_bytes() / 2**20,
    }


def gdsc(repeats):
    table = load_table("gdsc_ic50").numbers.to_numpy(np.float64, copy=True)
    known = np.argwhere(~np.isnan(table))
    hidden = np.random.default_rng(0).permutation(known)[: len(known) // 10]
    truth = table[tuple(hidden.T)]
    table[tuple(hidden.T)] = np.nan
    NTKImputer().fit(table[:40])  # compiles
    errors = {}

    def run(name, imputer):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            filled = imputer.fit_transform(table)
        errors[name] = float(np.sqrt(np.mean((filled[tuple(hidden.T)] - truth) ** 2)))

    imputers = {
        "NTKImputer": NTKImputer,
        "IterativeImputer": IterativeImputer,
        "KNNImputer": KNNImputer,
    }
    runs = {name: lambda n=name, make=make: run(n, make()) for name, make in imputers.items()}
    times = by_turns(runs, repeats)
    return {
        "times": times,
        "ratio": ratio(times, "NTKImputer", "IterativeImputer"),
        "root mean squared error": errors,
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("part", choices=["fold", "gdsc"])
    parser.add_argument("--columns", type=int, default=14_336)
    parser.add_argument("--rows", type=int, default=978)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--threads", type=int)
    options = parser.parse_args()
    with threadpool_limits(options.threads):
        if options.part == "fold":
            result = fold(options.columns, options.rows, options.repeats)
        else:
            result = gdsc(options.repeats)
    result |= {"threads": options.threads, "environment": environment()}
    print(json.dumps(result, indent=1))
    if options.part == "gdsc" or options.columns == 14_336:
        folder = Path(__file__).parent / "results"
        (folder / f"tables-{options.part}-cpu.json").write_text(json.dumps(result, indent=1))
