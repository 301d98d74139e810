"""Infinitely wide neural networks that complete images, tables and matrices."""

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ntkmc.architecture import ArchitectureError, Parallel, Sequential, autoencoder
    from ntkmc.completion import Gram, NTKImputer
    from ntkmc.inpainting import (
        InpaintResult,
        Noise,
        Selection,
        Uncertainty,
        choose_network,
        fit_noise,
        inpaint,
    )
    from ntkmc.kernels import GridKernel, PeriodicKernel
    from ntkmc.memory import NotEnoughMemoryError
    from ntkmc.priors import IIDNormal, IIDUniform
    from ntkmc.solvers import (
        Cholesky,
        ConjugateGradient,
        EigenPro,
        SingularKernelError,
        SolveResult,
    )

# Imported when first asked for: `ntkmc --help` need not wait for JAX.
_HOMES = {
    "ntkmc.architecture": ("ArchitectureError", "Parallel", "Sequential", "autoencoder"),
    "ntkmc.completion": ("Gram", "NTKImputer"),
    "ntkmc.inpainting": (
        "InpaintResult",
        "Noise",
        "Selection",
        "Uncertainty",
        "choose_network",
        "fit_noise",
        "inpaint",
    ),
    "ntkmc.kernels": ("GridKernel", "PeriodicKernel"),
    "ntkmc.memory": ("NotEnoughMemoryError",),
    "ntkmc.priors": ("IIDNormal", "IIDUniform"),
    "ntkmc.solvers": (
        "Cholesky",
        "ConjugateGradient",
        "EigenPro",
        "SingularKernelError",
        "SolveResult",
    ),
}
_HOME = {name: home for home, names in _HOMES.items() for name in names}

__all__ = [
    "ArchitectureError",
    "Cholesky",
    "ConjugateGradient",
    "EigenPro",
    "Gram",
    "GridKernel",
    "IIDNormal",
    "IIDUniform",
    "InpaintResult",
    "NTKImputer",
    "Noise",
    "NotEnoughMemoryError",
    "Parallel",
    "PeriodicKernel",
    "Selection",
    "Sequential",
    "SingularKernelError",
    "SolveResult",
    "Uncertainty",
    "autoencoder",
    "choose_network",
    "fit_noise",
    "inpaint",
]


def __getattr__(name: str):
    if name in _HOME:
        return getattr(importlib.import_module(_HOME[name]), name)
    raise AttributeError(f"module 'ntkmc' has no attribute {name!r}")


def __dir__():
    return __all__
