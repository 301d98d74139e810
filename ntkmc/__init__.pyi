from .architecture import (
    ArchitectureError as ArchitectureError,
    Parallel as Parallel,
    Sequential as Sequential,
    autoencoder as autoencoder,
)
from .completion import Gram as Gram, NTKImputer as NTKImputer
from .inpainting import InpaintResult as InpaintResult, inpaint as inpaint
from .kernels import GridKernel as GridKernel, PeriodicKernel as PeriodicKernel
from .memory import NotEnoughMemoryError as NotEnoughMemoryError
from .priors import IIDNormal as IIDNormal, IIDUniform as IIDUniform
from .selection import Selection as Selection, choose_network as choose_network
from .solvers import (
    Cholesky as Cholesky,
    ConjugateGradient as ConjugateGradient,
    EigenPro as EigenPro,
    SingularKernelError as SingularKernelError,
    SolveResult as SolveResult,
)
from .uncertainty import Noise as Noise, Uncertainty as Uncertainty, fit_noise as fit_noise
