from .cholesky import Cholesky as Cholesky
from .conjugate_gradient import ConjugateGradient as ConjugateGradient
from .eigenpro import EigenPro as EigenPro
from .pattern_factor import KernelFactor as KernelFactor
from .pattern_groups import Pattern as Pattern, group_rows as group_rows
from .pattern_solve import (
    RowCompletion as RowCompletion,
    best_ridge as best_ridge,
    complete_rows as complete_rows,
    leave_one_out as leave_one_out,
    leave_one_out_error as leave_one_out_error,
    minimise_over_ridges as minimise_over_ridges,
    row_scales as row_scales,
)
from .result import (
    DivergenceError as DivergenceError,
    Prepared as Prepared,
    Progress as Progress,
    SingularKernelError as SingularKernelError,
    Solver as Solver,
    SolveResult as SolveResult,
)
