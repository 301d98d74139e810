r"""A prior made of the image itself: complete, embed each pixel by what surrounds it, again.

Beside the network of positions, whose kernel :math:`K_0` says how alike two pixels are for where
they are, a network on features of patches (`PatchPrior`, `PatchKernel`) says how alike they are for
what surrounds them,

.. math:: K = K_0 / \overline{K_0} + w\, K_d / (d + 1),

with patches of the completion that there is so far. Each missing pixel is predicted from the
nearest observed pixels and from the most similar ones within a window (a nearest-neighbour Gaussian
process, Vecchia 1988, whose neighbours are those that the kernel is largest for).

w, the bandwidth, the width of patches, the depth, the scale of positions and the ridge are chosen
by observed pixels held out. They are missing in a rehearsal from the first completion on, so that
their values have had no part in the patches they are judged with.
"""

import dataclasses
import math

import numpy as np
from jaxtyping import Bool, Float, Int

from ntkmc.images import keep_observed
from ntkmc.inpainting.noise import Noise
from ntkmc.inpainting.positions import predict
from ntkmc.inpainting.scene import PatchSettings, Scene, unit_of
from ntkmc.kernels.operator import KernelOperator
from ntkmc.kernels.weighted import WeightedKernel
from ntkmc.solvers import Progress, Solver, SolveResult
from ntkmc.solvers.conditional import Conditional

ROUNDS = 4
SETTLED = 0.05  # of the first round's change: what further rounds do not repeat


@dataclasses.dataclass(frozen=True)
class ImagePrior:
    """How a prior made of the image was chosen and used.

    Attributes
    ----------
    settings : the choice.
    used : whether it took off a percent of the held-out pixels' squared error, and more than its
        standard error, or was asked for.
    deepest : distance from what is observed, in pixels, up to which it is used: all, or what holes
        held out said (`inpainting.holes`).
    rmse, rmse_without : of the held-out pixels with it and by the network of positions alone, in
        the image's units.
    trials : everything that was tried, best first, each with its error.
    held_out : how many pixels the errors are over.
    noise : what these errors are like, for intervals.
    changes : root mean square change of the missing pixels by each round, in the image's units.
    kernel : the sum, with the patches of the last round; None where it is not used.
    neighbours : (t, m) of each missing pixel up to `deepest`, indices of the observed pixels it was
        predicted from, in row-major order; their number for none.
    off : how far the last round was from the regression on all observed pixels, which then replaced
        it: norm of the difference, relative; None where that was not solved.
    """

    settings: PatchSettings
    used: bool
    rmse: float
    rmse_without: float
    trials: tuple[tuple[PatchSettings, float], ...]
    held_out: int
    noise: Noise
    changes: tuple[float, ...] = ()
    kernel: WeightedKernel | None = None
    neighbours: Int[np.ndarray, "t m"] | None = None
    deepest: float = math.inf
    off: float | None = None


def first_completion(
    positions: KernelOperator,
    image: Float[np.ndarray, "H W *C"],
    mask: Bool[np.ndarray, "H W"],
    ridge: float,
) -> Float[np.ndarray, "H W *C"]:
    """Complete by the network of positions alone, each pixel from its nearest.

    Parameters
    ----------
    positions, image, mask, ridge : as for `rehearse`.
    """
    unit = unit_of(image, mask)
    planes = (image / unit).reshape(*mask.shape, -1)
    return unit * Scene.of(positions, planes, mask).by_positions(ridge).reshape(image.shape)


def complete_again(
    positions: KernelOperator,
    image: Float[np.ndarray, "H W *C"],
    mask: Bool[np.ndarray, "H W"],
    chosen: ImagePrior,
    first: Float[np.ndarray, "H W *C"],
    wanted: Bool[np.ndarray, "H W"],
    *,
    rounds: int = ROUNDS,
    solver: Solver | None = None,
    progress: Progress | None = None,
) -> tuple[Float[np.ndarray, "H W *C"], Conditional, SolveResult | None, ImagePrior]:
    """Complete with patches of what is there, some rounds.

    Parameters
    ----------
    positions, image, mask : as for `rehearse`.
    chosen : what it chose.
    first : a completion to begin with.
    wanted : the missing pixels that are completed again; the others stay as they are there.
    rounds : how many.
    solver : with which the regression on all observed pixels is solved once more after the last
        round, with its kernel.
    progress : called with ("image-made prior", rounds done, rounds in all).

    Returns
    -------
    The completion, what the last round says of each wanted pixel, the solver's report, and
    `chosen` with the rest of its attributes.
    """
    unit, shape = unit_of(image, mask), image.shape
    planes = (image / unit).reshape(*mask.shape, -1)
    scene, targets = Scene.of(positions, planes, mask), np.argwhere(wanted)
    current, changes = keep_observed(planes, mask, first.reshape(planes.shape) / unit), []
    for number in range(rounds):
        if progress:
            progress("image-made prior", number, rounds)
        if number < 2:  # by then similar pixels are known; to look for them again changes nothing
            near = scene.neighbours(current, targets)
        kernel = scene.kernel(current, chosen.settings)
        found = scene.condition(kernel, targets, near, chosen.settings)
        changes.append(unit * float(np.sqrt(np.mean((found.mean - current[wanted]) ** 2))))
        current[wanted] = found.mean
        if changes[-1] <= SETTLED * changes[0]:
            break
    solve, off = None, None
    if solver is not None:
        solve = solver.prepare(kernel, scene.pixels, progress).solve(scene.values, progress)
        current[wanted] = predict(kernel, mask, solve.weights)[wanted]
        size = np.sqrt(np.mean(current[wanted] ** 2))
        off = float(np.sqrt(np.mean((found.mean - current[wanted]) ** 2)) / (size or 1.0))
        solve = dataclasses.replace(solve, weights=unit * solve.weights)
    if progress:
        progress("image-made prior", rounds, rounds)
    done = dataclasses.replace(
        chosen, changes=tuple(changes), kernel=kernel, neighbours=near, off=off
    )
    found = Conditional(unit * found.mean, found.variance, unit**2 * found.surprise)
    return keep_observed(image, mask, unit * current.reshape(shape)), found, solve, done
