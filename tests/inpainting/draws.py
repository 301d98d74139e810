"""Draws from the process that a kernel is the covariance of."""

import functools

import numpy as np
from solvers.problems import kernel

from ntkmc.datasets import random_mask
from ntkmc.solvers.result import shift_of

SIDE = 32
RIDGE = 0.02
SCALES = np.array([0.5, 0.5, 4.0, 4.0])  # of channels


@functools.cache
def drawn():
    """A mask, and an image of four channels drawn from the process and its noise."""
    mask = random_mask((SIDE, SIDE), 0.5)
    everywhere = tuple(side.ravel() for side in np.indices((SIDE, SIDE)))
    matrix = np.asarray(kernel(SIDE).dense(everywhere, everywhere), np.float64)
    matrix = (matrix + matrix.T) / 2
    matrix += shift_of(kernel(SIDE), everywhere, RIDGE) * np.eye(len(matrix))
    draws = np.random.default_rng(5).standard_normal((len(matrix), 4))
    return mask, (np.linalg.cholesky(matrix) @ draws * SCALES).reshape(SIDE, SIDE, 4)
