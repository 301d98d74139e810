"""Whether intervals pooled over draws hold what they should, as often as they should.

    uv run python benchmarks/draws.py                  # both, some forty minutes each
    uv run python benchmarks/draws.py mcar

A regression of y = x1 + x2 / 2 - x3 / 2 + noise of variance one on three correlated Gaussian
columns, 200 rows: 500 times, 30 % are hidden, 20 draws completed, and the 95 % interval of the
coefficient of x1, which is 1, is pooled by Rubin's rules. `mcar` hides entries of all four columns
at random, `mar` those of the x where y is large. Writes results/draws-<device>.json.
"""

import sys

import numpy as np
import printing

from ntkmc import NTKImputer, pool

SIMULATIONS, ROWS, DRAWS, SHARE = 500, 200, 20, 0.3
CORRELATION = np.array([[1, 0.5, 0.3], [0.5, 1, 0.4], [0.3, 0.4, 1]])
COEFFICIENTS = np.array([1, 0.5, -0.5])


def simulate(hide, seed):
    """Whether the interval holds the coefficient, its middle and its standard error."""
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((ROWS, 3)) @ np.linalg.cholesky(CORRELATION).T
    y = x @ COEFFICIENTS + rng.standard_normal(ROWS)
    table = np.column_stack([x, y])
    table[hide(table, rng)] = np.nan
    estimates, variances = [], []
    for drawn in NTKImputer().fit(table).sample(table, DRAWS, random_state=seed):
        design = np.column_stack([np.ones(ROWS), drawn[:, :3]])
        inverse = np.linalg.inv(design.T @ design)
        found = inverse @ design.T @ drawn[:, 3]
        noise = np.sum(np.square(drawn[:, 3] - design @ found)) / (ROWS - 4)
        estimates.append(found[1])
        variances.append(noise * inverse[1, 1])
    pooled = pool(estimates, variances, dof=ROWS - 4)
    truth = COEFFICIENTS[0]
    return pooled.low <= truth <= pooled.high, pooled.estimate, np.sqrt(pooled.variance)


def at_random(table, rng):
    hidden = rng.random(table.shape) < SHARE
    return hidden & ~hidden.all(axis=1, keepdims=True)


def by_y(table, rng):
    standard = (table[:, 3] - table[:, 3].mean()) / table[:, 3].std()
    probability = 1 / (1 + np.exp(1 - standard))  # 0.3 in the mean
    hidden = np.zeros(table.shape, bool)
    hidden[:, :3] = rng.random((ROWS, 3)) < probability[:, None]
    return hidden


def coverage(hide):
    held, middle, error = np.array([simulate(hide, seed) for seed in range(SIMULATIONS)], float).T
    return [
        {
            "intervals that hold it": held.mean(),
            "mean": middle.mean(),
            "standard deviation": middle.std(),
            "mean standard error": error.mean(),
            "simulations": SIMULATIONS,
        }
    ]


if __name__ == "__main__":
    parts = {"mcar": lambda: coverage(at_random), "mar": lambda: coverage(by_y)}
    printing.run("draws", parts, sys.argv[1:])
