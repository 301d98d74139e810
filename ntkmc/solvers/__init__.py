"""Kernel regression solvers: settings, prepared systems, one result type."""

from ntkmc.solvers.cholesky import Cholesky
from ntkmc.solvers.conjugate_gradient import ConjugateGradient
from ntkmc.solvers.eigenpro import EigenPro
from ntkmc.solvers.result import (
    DivergenceError,
    Prepared,
    Progress,
    SingularKernelError,
    Solver,
    SolveResult,
)

__all__ = [
    "Cholesky",
    "ConjugateGradient",
    "DivergenceError",
    "EigenPro",
    "Prepared",
    "Progress",
    "SingularKernelError",
    "SolveResult",
    "Solver",
]
