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

import numpy as np
from jaxtyping import Bool, Float, Int

from ntkmc.images import keep_observed
from ntkmc.inpainting.noise import Noise
from ntkmc.inpainting.scene import PatchSettings, Scene, unit_of
from ntkmc.kernels.operator import KernelOperator
from ntkmc.kernels.weighted import WeightedKernel
from ntkmc.solvers import Progress
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
    rmse, rmse_without : of the held-out pixels with it and by the network of positions alone, in
        the image's units.
    trials : everything that was tried, best first, each with its error.
    held_out : how many pixels the errors are over.
    noise : what these errors are like, for intervals.
    changes : root mean square change of the missing pixels by each round, in the image's units.
    kernel : the sum, with the patches of the last round; None where it is not used.
    neighbours : (t, m) of each missing pixel, indices of the observed pixels it was predicted from,
        in row-major order; their number for none.
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


def complete_again(
    positions: KernelOperator,
    image: Float[np.ndarray, "H W C"],
    mask: Bool[np.ndarray, "H W"],
    chosen: ImagePrior,
    ridge: float,
    rounds: int = ROUNDS,
    progress: Progress | None = None,
) -> tuple[Float[np.ndarray, "H W C"], Conditional, ImagePrior]:
    """Complete with patches of what is there, some rounds.

    Parameters
    ----------
    positions, image, mask, ridge : as for `rehearse`.
    chosen : what it chose.
    rounds : how many.
    progress : called with ("image-made prior", rounds done, rounds in all).

    Returns
    -------
    The completion, what the last round says of each missing pixel, and `chosen` with the rest of
    its attributes.
    """
    unit = unit_of(image, mask)
    scene = Scene.of(positions, image / unit, mask)
    missing = np.argwhere(~mask)
    current, changes = scene.by_positions(ridge), []
    for number in range(rounds):
        if progress:
            progress("image-made prior", number, rounds)
        if number < 2:  # by then similar pixels are known; to look for them again changes nothing
            near = scene.neighbours(current, missing)
        kernel = scene.kernel(current, chosen.settings)
        found = scene.condition(kernel, missing, near, chosen.settings)
        changes.append(unit * float(np.sqrt(np.mean((found.mean - current[~mask]) ** 2))))
        current[~mask] = found.mean
        if changes[-1] <= SETTLED * changes[0]:
            break
    if progress:
        progress("image-made prior", rounds, rounds)
    done = dataclasses.replace(chosen, changes=tuple(changes), kernel=kernel, neighbours=near)
    found = Conditional(unit * found.mean, found.variance, unit**2 * found.surprise)
    return keep_observed(image, mask, unit * current), found, done
