"""Kernels of infinitely wide networks."""

from ntkmc.kernels.dense_ntk import dense_ntk
from ntkmc.kernels.duals import apply_dual, dual_variance, kappa_0, kappa_1
from ntkmc.kernels.function import FunctionKernel
from ntkmc.kernels.gram import Grams, gram
from ntkmc.kernels.grid import GridKernel
from ntkmc.kernels.periodic import Kernels, PeriodicKernel, covers, padded_shape, predicted_bytes

__all__ = [
    "FunctionKernel",
    "Grams",
    "GridKernel",
    "Kernels",
    "PeriodicKernel",
    "apply_dual",
    "covers",
    "dense_ntk",
    "dual_variance",
    "gram",
    "kappa_0",
    "kappa_1",
    "padded_shape",
    "predicted_bytes",
]
