"""The kernel and the solver of an inpainting, as they are named or as the image needs them."""

import numpy as np

from ntkmc.architecture import check
from ntkmc.kernels import GridKernel, PeriodicKernel, padded_shape
from ntkmc.priors import IIDPrior
from ntkmc.solvers import Cholesky, ConjugateGradient, EigenPro, Solver

MARGIN = 32  # pixels: measured over the eleven images of SI Fig. 10
VOLUME_MARGIN = 8  # of a brain with voxels missing, 40 wide; without 0.55 dB less, 16 is no better
CHOLESKY_PIXELS = 4096  # below, factorising takes less time than compiling conjugate gradients
# Pixels of an image up to which the last round with a prior made of it solves for all together.
# Each product with that kernel takes their number squared, however few are observed: at 128 x 128
# that is 20 seconds in all, at 256 x 256 many minutes. On five images of 128 x 128, half missing,
# it is 0.27 dB better to 0.19 dB worse than from 64 near and similar pixels each, 0.02 dB in the
# mean.
TOGETHER = 128**2
SOLVERS = {
    "cholesky": Cholesky,
    "conjugate_gradient": ConjugateGradient,
    "eigenpro": EigenPro,
}


def with_margin(shape, margin, periodic, kernel, prior) -> tuple[int, ...]:
    """Sides of the grid: those of the image and the margin behind it along each axis."""
    if margin is None:
        margin = (MARGIN if len(shape) <= 2 else VOLUME_MARGIN) if periodic else 0
    if margin and (kernel is not None or not isinstance(prior, IIDPrior)):
        raise ValueError(
            f"margin was {margin}, and the kernel or the features say how large the grid is: "
            "leave margin out, and pass larger ones"
        )
    return tuple(side + margin for side in shape)


def periodic_kernel(network, shape, prior, kind, dtype, progress) -> PeriodicKernel:
    """The kernel on the smallest torus that the network and an image of this shape fit on."""
    kernel = PeriodicKernel.build(network, padded_shape(network, shape), prior, kind, dtype)
    kernel.table.block_until_ready()
    return kernel


def grid_kernel(network, shape, prior, kind, dtype, progress) -> GridKernel:
    """The kernel between all pixels, of features as they are or of a prior on enough of them."""
    size = None
    if isinstance(prior, IIDPrior):
        multiple = network.side_multiple
        size = tuple(-(-side // multiple) * multiple for side in shape)
    check(network, size or np.shape(prior)[-2:], image_to_image=True)
    return GridKernel.build(network, prior, kind, dtype, shape=size, progress=progress)


def choose_solver(solver, periodic, observed, ridge, rtol) -> Solver:
    """The solver that was passed or named; "auto" is Cholesky up to CHOLESKY_PIXELS observed."""
    if isinstance(solver, Solver):
        return solver
    if solver == "auto":
        direct = not periodic or observed <= CHOLESKY_PIXELS
        solver = "cholesky" if direct else "conjugate_gradient"
    if not isinstance(solver, str) or solver not in SOLVERS:
        raise ValueError(
            f"solver was {solver!r}; pass 'auto', one of {sorted(SOLVERS)}, or a solver object"
        )
    return SOLVERS[solver](ridge=ridge, rtol=rtol)
