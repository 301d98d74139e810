"""A network chosen by the image: what predicts observed pixels best that were held out."""

import dataclasses
import functools
import math
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import platformdirs
from jaxtyping import Bool, Float
from threadpoolctl import threadpool_limits

from ntkmc import memory
from ntkmc.architecture import Network, Parallel, Sequential, autoencoder, describe
from ntkmc.images import keep_observed
from ntkmc.inpainting.held_out import Neighbourhoods, hold_out
from ntkmc.kernels import _table, covers, predicted_bytes
from ntkmc.kernels.periodic import Kernels, checked_dtype
from ntkmc.priors import IIDPrior, IIDUniform
from ntkmc.solvers import Progress, SingularKernelError
from ntkmc.solvers.result import check_ridge, larger_ridge

RIDGES = (0.0, 1e-4, 5e-4)
WEIGHTS = (0.03, 0.3, 3.0, 30.0)  # of a branch's mean diagonal, relative to that of the others
GAIN = 0.01  # of the error: what a further branch has to take away
STARTS = 3  # networks that further branches are tried beside
MAX_BRANCHES = 3
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
    relative_rmse : the same relative to the contrast around each pixel, see `Neighbourhoods`.
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


def standard_candidates(gap: float) -> tuple[Sequential, ...]:
    """Networks to choose from: shallow and deep, rough (nearest) and smooth (bilinear).

    Those with one convolution a level have no activation after the last upsampling. Alone their
    kernels are nearly singular; with a ridge, or beside another network, they need not be.

    Parameters
    ----------
    gap : float
        How far the missing pixels are from the observed ones, in pixels.
    """
    deepest = 6 if gap > FAR else 5
    rough = [autoencoder(n, 2, slope) for n in range(2, deepest + 1) for slope in (0.01, 0.5)]
    smooth = [autoencoder(n, c, upsampling="bilinear") for n in (2, 3, 4) for c in (1, 2)]
    return (*rough, autoencoder(4, 1), *smooth, autoencoder(2, 1, 0.5, upsampling="bilinear"))


def choose_network(
    image,
    mask: Bool[np.ndarray, "H W"],
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
    `held_out.Neighbourhoods.errors`). What is minimised
    is the product of the squared error, which PSNR measures, and of the squared error relative to
    the contrast around each pixel, which SSIM does. First every candidate alone, with each ridge;
    then `Parallel` networks, grown branch by branch from the best of them as long as a branch takes
    off a further percent. What is too near to singular for its dtype is passed over.

    Parameters
    ----------
    image : (H, W) or (H, W, C), values where the mask is True.
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
        candidates = standard_candidates(samples.gap)
    for candidate in candidates:
        if not covers(candidate):
            raise ValueError(f"candidate {candidate!r} has no periodic kernel; leave it out")
    if not candidates:
        raise ValueError("candidates was empty; pass at least one network")
    folder = Path(cache or Path(platformdirs.user_cache_dir("ntkmc")) / "kernels")
    search = _Search(samples, SMALLEST_EIGENVALUE[str(dtype)], progress)
    for network in candidates:
        memory.require(
            predicted_bytes(network, dtype),
            f"the kernel of {describe(network)}, one of the candidates",
            "pass candidates with fewer levels, or float32",
        )
        search.add(network, _table.stored(folder, network, prior, kind, dtype))
    ridges = RIDGES if ridge is None else (ridge,)
    # The systems are small: threads would only wait for each other.
    with threadpool_limits(1, "blas"):
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
    return Selection(search.network(branches), best_ridge, trials, len(samples.targets))


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


class _Search:
    """Errors of weighted sums of networks; weights are of kernels scaled to a mean of one."""

    def __init__(self, samples: Neighbourhoods, smallest: float, progress: Progress | None):
        self.samples, self._smallest, self._progress = samples, smallest, progress
        self.errors: dict[tuple[frozenset, float], tuple[float, float]] = {}
        self._matrices: dict[Sequential, Float[np.ndarray, "n s s"]] = {}
        self._scales: dict[Sequential, float] = {}

    def add(self, network, table):
        matrices = np.asarray(table.entries(*self.samples.offsets()), np.float32)
        self._scales[network] = float(np.mean(matrices[:, -1, -1], dtype=np.float64))
        self._matrices[network] = matrices / np.float32(self._scales[network])

    def run(self, candidates, ridges):
        """Each candidate alone, then grown from the best; what is chosen gets every ridge."""
        for network in candidates:
            for ridge in ridges:
                self.error({network: 1.0}, ridge)
        grown = [(self.grow(branches, ridge), ridge) for branches, ridge in self.best(STARTS)]
        least = min(self.error(*pair) for pair in grown)
        # Of those within a percent of the best, one of the fewest branches.
        near = [pair for pair in grown if (1 - GAIN) * self.error(*pair) <= least]
        branches, _ = min(near, key=lambda pair: (len(pair[0]), self.error(*pair)))
        return branches, min(ridges, key=lambda ridge: self.error(branches, ridge))

    def error(self, branches, ridge):
        """Geometric mean of a sum's two errors, each of which is computed once."""
        key = (frozenset(branches.items()), ridge)
        if key not in self.errors:
            parts = [np.float32(w) * self._matrices[network] for network, w in branches.items()]
            total = functools.reduce(np.add, parts)
            scale = sum(branches.values())
            smallest = self.samples.smallest_eigenvalue(total) / scale + ridge
            self.errors[key] = (
                self.samples.errors(total, ridge * scale)
                if smallest >= self._smallest
                else (math.inf, math.inf)
            )
            if self._progress:
                self._progress("choosing a network", len(self.errors), None)
        return math.prod(self.errors[key]) ** 0.5

    def ranked(self):
        """All that was tried, best first."""
        return sorted(self.errors.items(), key=lambda item: math.prod(item[1]))

    def best(self, count):
        """The best so far: branches and ridge, each set of branches once."""
        found: dict[frozenset, float] = {}
        for (branches, ridge), _ in self.ranked():
            found.setdefault(branches, ridge)
        return [(dict(branches), ridge) for branches, ridge in list(found.items())[:count]]

    def grow(self, branches, ridge):
        """Add the branch that helps most, as long as one does."""
        while len(branches) < MAX_BRANCHES:
            total = sum(branches.values())
            larger = [
                {**branches, network: weight * total}
                for network in self._matrices
                if network not in branches
                for weight in WEIGHTS
            ]
            best = min(larger, key=lambda each: self.error(each, ridge), default=branches)
            if not self.error(best, ridge) < (1 - GAIN) * self.error(branches, ridge):
                break
            branches = best
        return branches

    def network(self, branches) -> Network:
        """The network whose kernel the sum is, up to a factor."""
        if len(branches) == 1:
            return next(iter(branches))
        weights = {network: w / self._scales[network] for network, w in branches.items()}
        largest = max(weights.values())
        ordered = sorted(weights, key=lambda network: -branches[network])
        return Parallel(ordered, [weights[network] / largest for network in ordered])
