r"""What errors are like: a distribution fitted to observed pixels that were left out.

A Gaussian process with covariance :math:`s^2 K` predicts a missing pixel x with variance
:math:`s^2 (v(x) + \tau)`, where v is the posterior variance at unit scale (`solvers.posterior`)
and :math:`\tau` the noise. v says where pixels are missing and nothing of what the image shows, and
the textbook's one scale, :math:`s^2 = y^T (K_{SS} + \tau I)^{-1} y / n` (`marginal_scale`), is that
of an image alike everywhere. Photographs are not: flat here, edges there, and errors with heavy
tails. So a scale is fitted for each pixel,

.. math:: s^2(x) = a\, s_0^2 + (1 - a)\, r(x),

with r the surprise of the innermost neighbours (`solvers.conditional.Conditional`; a local Gaussian
process in the sense of Gramacy & Apley 2015, with :math:`s_0` to shrink to) and the errors over
:math:`s(x) \sqrt{v(x) + \tau}` get a Student-t distribution. Everything that is fitted, a, its
tails and, where several are given, the ridge, maximises the density of observed pixels that were
left out (Rasmussen & Williams 2006, section 5.4.2).
"""

import dataclasses
from collections.abc import Sequence

import numpy as np
import scipy.optimize
from jaxtyping import Float
from scipy.special import gammaln, stdtrit

from ntkmc.kernels.operator import KernelOperator, Pixels
from ntkmc.solvers import posterior
from ntkmc.solvers.result import check_pixels, check_ridge, check_values, shift_of

SHARES = (0.03, 0.1, 0.3, 0.6, 0.9, 1.0)  # of the image's scale in that of a pixel, to choose from
FEWEST = 16  # observed pixels that a distribution can be fitted to
TINIEST = 1e-150  # scale of an image that is zero everywhere; its square is a number still


@dataclasses.dataclass(frozen=True)
class Noise:
    """What errors are like, by observed pixels that were left out, one at a time.

    Attributes
    ----------
    ridge : of those tried, the one with the best score; relative, as solvers take it.
    scale : (k,), s_0 of each channel, in the values' units.
    share : a, how much of s_0^2 is in the scale of each pixel; 1 where all have the same.
    spread : root mean square of the standardised errors e / (s(x) sqrt(v(x) + tau)).
    tail : scale of their Student-t distribution, relative to `spread`.
    freedom : its degrees of freedom.
    log_score : mean logarithm of the density of the left out values.
    pixels : how many were left out.
    """

    ridge: float
    scale: Float[np.ndarray, " k"]
    share: float
    spread: float
    tail: float
    freedom: float
    log_score: float
    pixels: int

    def deviation(self, variance, surprise) -> Float[np.ndarray, "t k"]:
        """Standard deviation of values of unit-scale variance (t,), noise included."""
        scale = self.spread * _local_scale(self.scale, self.share, surprise)
        return scale * np.sqrt(variance)[:, None]

    def half_width(self, level: float) -> float:
        """Half of the interval that holds a share `level` of the errors, in standard deviations."""
        if not 0 < level < 1:
            raise ValueError(f"level was {level}; pass a share between 0 and 1, such as 0.9")
        return self.tail * float(stdtrit(self.freedom, (1 + level) / 2))


def check_enough(pixels: int) -> None:
    """Refuse a number of observed pixels that no distribution can be fitted to."""
    if pixels < FEWEST:
        raise ValueError(f"pixels are {pixels}; fitting a distribution takes at least {FEWEST}")


def fit_noise(
    kernel: KernelOperator,
    pixels: Pixels,
    values,
    ridges: Sequence[float] = (0.0,),
    weights=None,
    neighbours: int = 32,
    sample: int = 4096,
    seed: int = 0,
) -> Noise:
    r"""Fit what errors are like to observed pixels that are left out.

    Parameters
    ----------
    kernel : operator with `entries` and `shape`.
    pixels : (rows, columns), each (n,), observed.
    values : (n,) or (n, k) at these. Without weights, their mean is taken off first.
    ridges : to choose from; each relative to the mean of the kernel's diagonal.
    weights : (n,) or (n, k), the solution of the regression with the one ridge given. What is
        fitted are then *its* errors: leaving pixel i out changes its value by
        :math:`w_i / ((K_{SS} + \tau I)^{-1})_{ii} = w_i (v_i + \tau)` (Rasmussen & Williams,
        Eq. 5.12), v_i by the neighbours. Without, the prediction is by the neighbours, too, which
        misses what distant pixels do to flat regions.
    neighbours : that a left out pixel is conditioned on.
    sample : how many of the pixels are left out at most, drawn at random.
    seed : of the draw.

    Raises
    ------
    ValueError : fewer than 16 pixels, no or wrong ridges, weights of several ridges, wrong pixels,
        values or weights.
    SingularKernelError : a ridge is needed.
    """
    pixels = check_pixels(pixels, kernel)
    n = len(pixels[0])
    values = check_values(values, n).reshape(n, -1)
    check_enough(n)
    if not len(ridges):
        raise ValueError("ridges is empty; pass at least one, such as (0.0,)")
    for ridge in ridges:
        check_ridge(ridge)
    if weights is not None:
        if len(ridges) > 1:
            raise ValueError(f"weights are of one ridge; pass that one, not {tuple(ridges)}")
        weights = check_values(weights, n).reshape(n, -1)
    else:
        values = values - values.mean(axis=0)
    if sample < FEWEST:
        raise ValueError(f"sample was {sample}; pass at least {FEWEST}")
    chosen = np.random.default_rng(seed).permutation(n)[:sample]
    left_out = tuple(side[chosen] for side in pixels)
    fits = []
    for ridge in ridges:
        shift = shift_of(kernel, pixels, ridge)
        found = posterior.nearest(kernel, pixels, values, left_out, shift, neighbours)
        variance = found.variance + shift
        errors = values[chosen] - found.mean
        if weights is not None:
            errors = weights[chosen] * variance[:, None]
        fits.append(fit_errors(ridge, errors, variance, found.surprise))
    return _likeliest(fits)


def fit_errors(
    ridge: float,
    errors: Float[np.ndarray, "t k"],
    variance: Float[np.ndarray, " t"],
    surprise: Float[np.ndarray, "t k"],
) -> Noise:
    """The share and tails under which the errors of left out values are likeliest.

    Parameters
    ----------
    ridge : relative, of the regression that made them.
    errors : value less prediction.
    variance : v(x) + tau at unit scale.
    surprise : of the innermost neighbours, see `solvers.conditional.Conditional`.
    """
    standard = errors / np.sqrt(np.maximum(variance, TINIEST))[:, None]
    scale = np.array([_student(channel)[0] for channel in standard.T])
    fits = []
    for share in SHARES:
        local = _local_scale(scale, share, surprise)
        z = standard / local
        width, freedom, score = _student(z.ravel())
        score -= float(np.mean(np.log(local)) + np.mean(np.log(np.maximum(variance, TINIEST))) / 2)
        spread = float(np.sqrt(np.mean(z**2))) or 1.0
        fits.append(
            Noise(float(ridge), scale, share, spread, width / spread, freedom, score, len(errors))
        )
    return _likeliest(fits)


def _likeliest(fits):
    return max(fits, key=lambda fit: fit.log_score)


def _local_scale(scale, share, surprise):
    squares = share * scale**2 + (1 - share) * surprise
    return np.sqrt(np.maximum(squares, TINIEST**2))


def _student(z) -> tuple[float, float, float]:
    """Scale and degrees of freedom of likeliest Student-t around zero, and mean log density."""
    unit = np.median(np.abs(z)) or np.sqrt(np.mean(z**2)) or TINIEST
    z = z / unit

    def loss(parameters):
        log_scale, inverse = parameters
        half = (1 / inverse + 1) / 2
        at_zero = gammaln(half) - gammaln(half - 0.5) + 0.5 * np.log(inverse / np.pi)
        fall = half * np.mean(np.log1p(inverse * (z * np.exp(-log_scale)) ** 2))
        return float(log_scale - at_zero + fall)

    # From half a degree of freedom, heavier tails than Cauchy's, to as good as Gaussian.
    found = scipy.optimize.minimize(
        loss, (0.3, 0.25), method="Nelder-Mead", bounds=((-20, 20), (1e-3, 2))
    )
    log_scale, inverse = found.x
    return float(unit * np.exp(log_scale)), float(1 / inverse), float(-found.fun - np.log(unit))
