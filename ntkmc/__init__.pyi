from .architecture import (
    ArchitectureError as ArchitectureError,
    Parallel as Parallel,
    Sequential as Sequential,
    autoencoder as autoencoder,
)
from .completion import (
    Gram as Gram,
    NTKImputer as NTKImputer,
    Pooled as Pooled,
    pool as pool,
)
from .inpainting import (
    InpaintResult as InpaintResult,
    Noise as Noise,
    Selection as Selection,
    Uncertainty as Uncertainty,
    choose_network as choose_network,
    fit_noise as fit_noise,
    inpaint as inpaint,
)
from .kernels import GridKernel as GridKernel, PeriodicKernel as PeriodicKernel
from .memory import NotEnoughMemoryError as NotEnoughMemoryError
from .priors import IIDNormal as IIDNormal, IIDUniform as IIDUniform
from .solvers import (
    Cholesky as Cholesky,
    ConjugateGradient as ConjugateGradient,
    EigenPro as EigenPro,
    SingularKernelError as SingularKernelError,
    SolveResult as SolveResult,
)
from .volumes import (
    Volume as Volume,
    read_volume as read_volume,
    write_volume as write_volume,
)
