r"""Draws of what is missing in a table, all entries of a row together.

A model says what each missing entry is, :math:`\mu_j`, and how far off that may be,
:math:`\sigma_j`. Under the kernel between columns the missing entries m of a row, given the
observed ones o, are Gaussian with covariance

.. math:: C = K_{mm} + \tau I - K_{mo} (K_{oo} + \tau I)^{-1} K_{om}, \qquad
          \tau = \lambda\, \overline{K_{jj}}

(Rasmussen & Williams 2006, Eq. 2.24). A draw has the correlations of C and the calibrated standard
deviations: :math:`\mu_j + \sigma_j z_j`, with z Gaussian, of variance one, correlated as C. Other
models have a part in means and standard deviations alone; where there is no kernel between columns,
entries of a row are independent.

What the table says of its columns is uncertain, too, and that all rows have in common. So each draw
is made by a model of its own: of as many of the table's rows, drawn with replacement (the
bootstrap; Little and Rubin, "Statistical Analysis with Missing Data", 2002, section 10.2.3). The
prior "table" is made anew of them, and so are the chained regressions of the last round; ridges,
networks, weights and calibrations stay. A prior that was given is known.

A category is drawn from its probabilities, the predicted indicators, none below zero, over their
sum (of two categories there is one indicator). The likeliest is drawn where, with z of its own
indicator, :math:`\Phi(z_j) > 1 - p_j`, so that it goes along with the other entries
of the row, and one of the others otherwise.
"""

import numpy as np
import scipy.linalg
import scipy.special
from jaxtyping import Bool, Float

from ntkmc.completion.encoding import Encoding
from ntkmc.completion.models import AlongRows, Both, Model
from ntkmc.completion.table_prior import Table


def correlated(
    model: Model | None,
    active: Bool[np.ndarray, " n"],
    table: Table,
    rng: np.random.Generator,
) -> Float[np.ndarray, "m n"]:
    """Standard Gaussian numbers, correlated within each row as its missing entries are.

    Parameters
    ----------
    model : fitted.
    active : (n,), the columns that it is for; numbers of the others are independent.
    table : (m, n), standardised, NaN where missing.
    rng : of the numbers.
    """
    normal = rng.standard_normal(table.shape)
    along = _along_rows(model)
    if along is None:
        return normal
    columns, its_table = np.flatnonzero(active), table[:, active]
    missing = np.isnan(its_table)
    for kernel, rows in along.kernels_of(its_table):
        patterns, of = np.unique(missing[rows], axis=0, return_inverse=True)
        for number, pattern in enumerate(patterns):
            if pattern.any():
                factor = _factor(kernel.kernel, along.ridge, pattern)
                which = np.ix_(rows[of.ravel() == number], columns[pattern])
                normal[which] = normal[which] @ factor.T
    return normal


def _along_rows(model) -> AlongRows | None:
    """The regression along rows that has a part in a model, if there is one."""
    if isinstance(model, Both):
        return _along_rows(model.first) or _along_rows(model.second)
    return model if isinstance(model, AlongRows) else None


def _factor(kernel, ridge, missing):
    """Lower triangular, of the correlations of the missing entries given the others."""
    observed = ~missing
    noise = ridge * np.diagonal(kernel).mean()
    covariance = kernel[np.ix_(missing, missing)] + noise * np.eye(missing.sum())
    if observed.any():
        system = kernel[np.ix_(observed, observed)] + noise * np.eye(observed.sum())
        half = scipy.linalg.solve_triangular(
            np.linalg.cholesky(system), kernel[np.ix_(observed, missing)], lower=True
        )
        covariance -= half.T @ half
    size = np.sqrt(np.diagonal(covariance))
    return np.linalg.cholesky(covariance / np.outer(size, size))


def features(
    encoding: Encoding,
    completed: Float[np.ndarray, "m f"],
    std: Float[np.ndarray, "m f"],
    normal: Float[np.ndarray, "m f"],
    rng: np.random.Generator,
) -> Float[np.ndarray, "m f"]:
    """One draw of the standardised features, from means, standard deviations and `correlated`."""
    drawn, shares = completed + std * normal, encoding.shares(completed)
    for column, known in encoding.categories.items():
        which = np.flatnonzero(encoding.owner == column)
        if len(known) == 1:
            continue
        if len(known) == 2:
            chosen = (scipy.special.ndtr(normal[:, which]) > shares[column][:, :1]).astype(float)
        else:
            code = _codes(shares[column], normal[:, which], rng)
            chosen = (code[:, None] == np.arange(len(known))).astype(float)
        drawn[:, which] = (chosen - encoding.mean[which]) / encoding.scale[which]
    return drawn


def _codes(shares, normal, rng):
    """Of each row, a category by shares (m, k), with numbers that speak for each of them."""
    rows, likeliest = np.arange(len(shares)), shares.argmax(axis=1)
    taken = scipy.special.ndtr(normal[rows, likeliest]) > 1 - shares[rows, likeliest]
    others = shares.copy()
    others[rows, likeliest] = 0
    steps = np.cumsum(others, axis=1)
    below = steps <= rng.random((len(shares), 1)) * steps[:, -1:]
    other = np.minimum(below.sum(axis=1), shares.shape[1] - 1)
    return np.where(taken, likeliest, other)
