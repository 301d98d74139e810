"""Kernel regression solvers: settings, prepared systems, one result type."""

from ntkmc.solvers.cholesky import Cholesky
from ntkmc.solvers.conjugate_gradient import ConjugateGradient
from ntkmc.solvers.pattern_factor import KernelFactor
from ntkmc.solvers.pattern_groups import Pattern, group_rows
from ntkmc.solvers.pattern_solve import (
    RowCompletion,
    best_ridge,
    complete_rows,
    leave_one_out,
    leave_one_out_error,
    minimise_over_ridges,
    row_scales,
)
from ntkmc.solvers.result import (
    Prepared,
    Progress,
    SingularKernelError,
    Solver,
    SolveResult,
)

__all__ = [
    "Cholesky",
    "ConjugateGradient",
    "KernelFactor",
    "Pattern",
    "Prepared",
    "Progress",
    "RowCompletion",
    "SingularKernelError",
    "SolveResult",
    "Solver",
    "best_ridge",
    "complete_rows",
    "group_rows",
    "leave_one_out",
    "leave_one_out_error",
    "minimise_over_ridges",
    "row_scales",
]
