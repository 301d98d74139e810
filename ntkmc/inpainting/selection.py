"""A network chosen by the image: what predicts observed pixels best that were held out."""

import dataclasses
import math
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import platformdirs
from jaxtyping import Bool

from ntkmc import memory
from ntkmc.architecture import Network, Sequential, autoencoder, describe, weighted_branches
from ntkmc.images import keep_observed
from ntkmc.inpainting.held_out import hold_out
from ntkmc.inpainting.search import Search
from ntkmc.kernels import PeriodicKernel, _table, covers, padded_shape, predicted_bytes
from ntkmc.kernels.periodic import Kernels, checked_dtype
from ntkmc.priors import IIDPrior, IIDUniform
from ntkmc.solvers import Progress, SingularKernelError
from ntkmc.solvers.blas import one_thread
from ntkmc.solvers.result import check_ridge, larger_ridge

LARGEST = 2**28  # bytes, while the kernel of one of the candidates for a volume is built
RIDGES = (0.0, 1e-4, 5e-4)
# Of the kernel between near pixels, relative to its mean diagonal. Products in float32 err by about
# 1e-5 of that, and conjugate gradients were seen to break down from 2e-4 downwards.
SMALLEST_EIGENVALUE = {"float32": 3e-4, "float64": 1e-9}
FAR = 6.0  # pixels: where gaps are wider than this, six levels are tried, too


@dataclasses.dataclass(frozen=True)
class Trial:
    """A network and a ridge, and their errors on the pixels held out.

    Attributes
    ----------
    network, ridge : what was tried.
    rmse : root mean square error, in units of the image.
    relative_rmse : the same relative to the contrast around each pixel, see `HeldOut`.
    """

    network: Network
    ridge: float
    rmse: float
    relative_rmse: float


@dataclasses.dataclass(frozen=True)
class Selection:
    """The network that was chosen.

    Attributes
    ----------
    network, ridge : the choice; the ridge is relative, as everywhere.
    trials : everything that was tried, best first.
    held_out : how many pixels the errors are over.
    """

    network: Network
    ridge: float
    trials: tuple[Trial, ...]
    held_out: int


def standard_candidates(gap: float, axes: int = 2) -> tuple[Sequential, ...]:
    """Networks to choose from: shallow and deep, rough (nearest) and smooth (bilinear).

    Those with one convolution a level have no activation after the last upsampling. Alone their
    kernels are nearly singular; with a ridge, or beside another network, they need not be.

    Parameters
    ----------
    gap : float
        How far the missing pixels are from the observed ones, in pixels.
    axes : int
        Of the image. With three, kernels of many levels are left out for their size.
    """
    deepest = 6 if gap > FAR else 5
    rough = [autoencoder(n, 2, slope) for n in range(2, deepest + 1) for slope in (0.01, 0.5)]
    smooth = [autoencoder(n, c, upsampling="bilinear") for n in (2, 3, 4) for c in (1, 2)]
    every = (*rough, autoencoder(4, 1), *smooth, autoencoder(2, 1, 0.5, upsampling="bilinear"))
    if axes <= 2:
        return every
    return tuple(each for each in every if predicted_bytes(each, axes=axes) <= LARGEST)


def choose_network(
    image,
    mask: Bool[np.ndarray, "..."],
    *,
    candidates: Sequence[Sequential] | None = None,
    ridge: float | None = None,
    prior: IIDPrior = IIDUniform(0.0, 0.1),
    kind: str = "ntk",
    dtype="float32",
    held_out: int = 1500,
    neighbours: int = 32,
    seed: int = 0,
    cache: str | os.PathLike[str] | None = None,
    progress: Progress | None = None,
) -> Selection:
    r"""Choose a network, or a few side by side, and a ridge for one image.

    Some of the observed pixels are held out, one at a time and each in a hole as wide as those
    around the missing pixels (see `held_out.hold_out`), and predicted from the nearest pixels
    left,

    .. math:: \hat y(x) = k_x^T (K_{NN} + \lambda\, \overline{K_{xx}}\, I)^{-1} y_N,

    which is the exact solution but for the pixels farther away (local kriging), of values less the
    mean of those observed, as in `ntkmc.inpaint`, and of levels around it (see
    `held_out.HeldOut.errors`). What is minimised is the product of the squared error, which PSNR
    measures, and of the squared error relative to the contrast around each pixel, which SSIM does.
    First every candidate alone, with each ridge; then `Parallel` networks, grown branch by branch
    from the best of them as long as a branch takes off a further percent. What is too near to
    singular for its dtype is passed over.

    Parameters
    ----------
    image : (H, W) or (H, W, C), values where the mask is True; as for `ntkmc.inpaint`, a signal or
        a volume has other axes.
    mask : (H, W), True where observed.
    candidates : networks that `PeriodicKernel` covers; `standard_candidates` by default.
    ridge : the one to use; by default 0, 1e-4 and 5e-4 are tried.
    prior, kind, dtype : of the kernels, as for `ntkmc.inpaint`.
    held_out : how many pixels to hold out, each on its own.
    neighbours : how many pixels each is predicted from.
    seed : of the pixels held out.
    cache : folder for the candidates' tables, which serve every image; the user's cache by default.
    progress : called with ("choosing a network", tried, None).

    Raises
    ------
    ValueError : fewer than 128 observed pixels, no candidate, one that `PeriodicKernel` does not
        cover, a wrong kind or dtype, or a prior that is no `IIDPrior`.
    SingularKernelError : every candidate is too near to singular with the ridge that is given.
    NotEnoughMemoryError : for a candidate's table, before it is allocated.
    """
    if not isinstance(prior, IIDPrior):
        raise ValueError(
            "prior was features; a network is chosen for priors with independent entries only: "
            "pass network, or such a prior"
        )
    if kind not in Kernels._fields:
        raise ValueError(f"kind was {kind!r}; expected 'ntk' or 'nngp'")
    dtype = checked_dtype(dtype)
    if ridge is not None:
        check_ridge(ridge)
    image = np.asarray(image, np.float64)
    centred = keep_observed(image - image[mask].mean(axis=0), mask)
    samples = hold_out(centred, mask, held_out, neighbours, seed)
    if candidates is None:
        candidates = standard_candidates(samples.gap, mask.ndim)
    for candidate in candidates:
        if not covers(candidate, mask.ndim):
            raise ValueError(f"candidate {candidate!r} has no periodic kernel; leave it out")
    if not candidates:
        raise ValueError("candidates was empty; pass at least one network")
    folder = _folder(cache)
    search = Search(samples, SMALLEST_EIGENVALUE[str(dtype)], progress)
    for network in candidates:
        memory.require(
            predicted_bytes(network, dtype, mask.ndim),
            f"the kernel of {describe(network)}, one of the candidates",
            "pass candidates with fewer levels, or float32",
        )
        search.add(network, _table.stored(folder, network, prior, kind, dtype, mask.ndim))
    ridges = RIDGES if ridge is None else (ridge,)
    # The systems are small: threads would only wait for each other.
    with one_thread():
        branches, best_ridge = search.run(candidates, ridges)
    if math.isinf(search.error(branches, best_ridge)):
        raise SingularKernelError(
            f"all {len(search.errors)} networks tried are too near to singular for {dtype} with "
            f"ridge {best_ridge:g}: pass a larger ridge, such as {larger_ridge(best_ridge):g}"
        )
    trials = tuple(
        Trial(search.network(dict(branches)), each, *np.sqrt(errors).tolist())
        for (branches, each), errors in search.ranked()
    )
    return Selection(search.network(branches), best_ridge, trials, len(samples.truth))


def selected_kernel(
    selection: Selection,
    shape: tuple[int, ...],
    prior: IIDPrior,
    kind: str,
    dtype,
    cache: str | os.PathLike[str] | None = None,
) -> PeriodicKernel:
    """Kernel of the network that was chosen, from the tables that `choose_network` has stored.

    Parameters
    ----------
    selection : what was chosen.
    shape : sides of the image, with the margin.
    prior, kind, dtype, cache : as they were for `choose_network`.
    """
    weights, branches = zip(*weighted_branches(selection.network), strict=True)
    folder, axes = _folder(cache), len(shape)
    tables = [_table.stored(folder, branch, prior, kind, dtype, axes) for branch in branches]
    shape = padded_shape(selection.network, shape)
    return PeriodicKernel.of_table(_table.weighted_sum(tables, weights), shape)


def _folder(cache):
    return Path(cache or Path(platformdirs.user_cache_dir("ntkmc")) / "kernels")


def chosen(selection: Selection) -> str:
    """A sentence on how a network was chosen, for a report."""
    return (
        f"{describe(selection.network)}, ridge {selection.ridge:g}: chosen among "
        f"{len(selection.trials)} by {selection.held_out:,} observed pixels held out. The best:"
    )


def trials_table(
    selection: Selection, count: int = 8
) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """Columns and rows of the best of what was tried, for a report."""
    columns = ("network", "ridge", "RMSE", "relative to contrast")
    return columns, [
        (describe(t.network), f"{t.ridge:g}", f"{t.rmse:.4g}", f"{t.relative_rmse:.4f}")
        for t in selection.trials[:count]
    ]
