"""How far from the truth a prediction is: standard deviations and intervals that fit the data.

Measured on the paper's eleven greys with half of the pixels missing: 50.8 and 90.6 percent within
50 and 90% intervals, 76.9 and 94.3 with the textbook's scale (configs/calibration). That takes for
granted that pixels are missing at random. Deep in a hole there is no observed pixel to learn from
how errors grow with the distance: in those of the paper's vase, 42 and 81 percent. So there holes
held out widen intervals by depth (`inpainting.holes`).
"""

import dataclasses

import numpy as np
from jaxtyping import Bool, Float

from ntkmc.inpainting.holes import Widths
from ntkmc.inpainting.noise import TINIEST, Noise, fit_noise
from ntkmc.kernels.operator import KernelOperator
from ntkmc.solvers import ConjugateGradient, Prepared, Progress, SolveResult, posterior
from ntkmc.solvers.cholesky import Factorised
from ntkmc.solvers.conjugate_gradient import Preconditioned
from ntkmc.solvers.result import shift_of

CHECKED = 8  # pixels whose variance is computed a second time
# The error of a variance is quadratic in the solution's: this one leaves 1e-3 of the deviation.
CHECK_RTOL = 1e-3


@dataclasses.dataclass(frozen=True)
class Uncertainty:
    """What is known about the error of each pixel of a completed image.

    Attributes
    ----------
    std : float64, shape and units of the image: standard deviation of the difference between
        prediction and pixel, the noise of the pixel included; 0 where it was observed.
    variance : of the mask's shape, v(x) + tau at unit scale; 0 where observed.
    marginal_scale : scale of each channel by marginal likelihood, in the image's units:
        `marginal_scale * sqrt(variance)` is the standard deviation of the Gaussian process itself.
    noise : what was fitted.
    method : "cholesky", exact; "nearest", conditioned on the nearest observed pixels only; or
        "nearest and similar", on those and on the most similar ones (`inpainting.image_prior`).
    discrepancy : for "nearest", root mean square of the relative difference of standard deviations
        from those by conjugate gradients at `checked` random pixels; 0 for the others.
    checked : number of these.
    widths : by how much, up to each depth, `std` is larger than single pixels left out have it:
        factors that held out holes lacked (`inpainting.holes`); empty where there are none.
    """

    std: Float[np.ndarray, "..."]
    variance: Float[np.ndarray, "..."]
    marginal_scale: Float[np.ndarray, "*C"]
    noise: Noise
    method: str
    discrepancy: float
    checked: int
    widths: Widths = ()

    def half_width(self, level: float) -> Float[np.ndarray, "..."]:
        """Half of the interval around the prediction that holds a share `level` of the pixels."""
        return self.noise.half_width(level) * self.std


def describe(uncertainty: Uncertainty) -> dict[str, str]:
    """Names and values of what was fitted and how exact it is, for a report."""
    noise = uncertainty.noise
    exactness = {
        "cholesky": "exact, by Cholesky",
        "nearest": f"conditioned on the nearest observed pixels; off by "
        f"{uncertainty.discrepancy:.1%} at {uncertainty.checked} pixels solved for by conjugate "
        "gradients",
        "nearest and similar": "conditioned on the nearest and the most similar observed pixels",
    }[uncertainty.method]
    return {
        "90% interval": f"prediction ± {noise.half_width(0.9):.2f} standard deviations",
        "50% interval": f"prediction ± {noise.half_width(0.5):.2f} standard deviations",
        "tails": f"Student-t, {noise.freedom:.1f} degrees of freedom",
        "fitted to": f"{noise.pixels:,} observed pixels, each left out",
        "variance": exactness,
        **_by_depth(uncertainty),
    }


def _by_depth(uncertainty):
    if not uncertainty.widths:
        return {}
    steps = ", ".join(f"{factor:.2f} up to {edge:g}" for edge, factor in uncertainty.widths)
    return {"wider in holes, as holes held out say": f"times {steps} pixels deep"}


def quantify(
    prepared: Prepared,
    kernel: KernelOperator,
    mask: Bool[np.ndarray, "..."],
    values,
    solve: SolveResult,
    ridge: float,
    progress: Progress | None = None,
) -> Uncertainty:
    """Uncertainty of all missing pixels of an image.

    Exact where the system was solved by Cholesky; otherwise each pixel is conditioned on its 32
    nearest observed ones, and eight of them are checked by conjugate gradients.

    Parameters
    ----------
    prepared : system that was solved.
    kernel : its kernel, on a grid at least as large as the mask.
    mask : True where observed.
    values : (n, ...) at the observed pixels in row-major order, less their mean.
    solve : the solution for these values. Where it has not converged, errors are fitted to
        predictions by the nearest pixels instead of its own.
    ridge : the system was solved with.
    progress : called with (stage, done, total).

    Raises
    ------
    ValueError : fewer than 16 pixels are observed.
    """
    pixels, targets = np.nonzero(mask), np.nonzero(~mask)
    channels = np.shape(values)[1:]
    values = np.asarray(values)
    solution = solve.weights if solve.converged else None
    noise = fit_noise(kernel, pixels, values, (ridge,), solution)
    shift = shift_of(kernel, pixels, ridge)
    found = posterior.nearest(kernel, pixels, values, targets, shift, progress=progress)
    variance, method, discrepancy, checked = found.variance, "nearest", 0.0, 0
    if isinstance(prepared, Factorised):
        variance = posterior.exact(prepared, kernel, pixels, targets, progress)
        method = "cholesky"
    else:
        if not isinstance(prepared, Preconditioned):
            prepared = ConjugateGradient(ridge=ridge).prepare(kernel, pixels, progress)
        discrepancy, checked = _discrepancy(prepared, targets, variance + shift, shift, progress)
    deviation = noise.deviation(variance + shift, found.surprise)
    marginal = np.asarray(np.sqrt(np.maximum(np.mean(values * solve.weights, axis=0), 0)))
    return Uncertainty(
        _picture(mask, deviation.reshape(-1, *channels)),
        _picture(mask, variance + shift),
        marginal,
        noise,
        method,
        discrepancy,
        checked,
    )


def of_neighbours(mask: Bool[np.ndarray, "..."], channels, found, image_prior) -> Uncertainty:
    """Uncertainty of the missing pixels of an image completed with a prior made of itself.

    The distribution of errors is that of the pixels held out when the prior was chosen; the
    marginal scale is of their standardised errors (pseudo-likelihood, Rasmussen & Williams 2006,
    section 5.4.2).

    Parameters
    ----------
    mask : True where observed.
    channels : () or (C,), as the image has them.
    found : `Conditional` of the missing pixels.
    image_prior : how it was chosen.
    """
    noise, variance = image_prior.noise, found.variance + image_prior.settings.shift
    deviation = noise.deviation(variance, found.surprise)
    return Uncertainty(
        _picture(mask, deviation.reshape(-1, *channels)),
        _picture(mask, variance),
        noise.scale.reshape(channels),
        noise,
        "nearest and similar",
        0.0,
        0,
    )


def _discrepancy(prepared, targets, variance, shift, progress):
    """How far standard deviations are from those by conjugate gradients, at a random few."""
    total = len(targets[0])
    some = np.random.default_rng(0).choice(total, min(CHECKED, total), replace=False)
    solver = dataclasses.replace(prepared.solver, rtol=max(prepared.solver.rtol, CHECK_RTOL))
    prepared = dataclasses.replace(prepared, solver=solver)
    there = tuple(side[some] for side in targets)
    exact = np.sqrt(posterior.iterated(prepared, there, progress) + shift)
    off = np.sqrt(variance[some]) / np.maximum(exact, TINIEST) - 1
    return float(np.sqrt(np.mean(off**2))), len(some)


def _picture(mask, missing):
    picture = np.zeros(mask.shape + missing.shape[1:])
    picture[~mask] = missing
    return picture
