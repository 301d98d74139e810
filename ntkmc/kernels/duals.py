r"""Dual activations: a kernel through a nonlinearity, accurate where two inputs are nearly equal.

For unit-variance Gaussians with correlation :math:`c = \cos\theta` the duals of the normalised ReLU
(:math:`\sqrt 2\max(x, 0)`) and of its derivative are the arc-cosine kernels (Cho & Saul 2009)

.. math:: \kappa_0(c) = (\pi - \theta) / \pi, \qquad
          \kappa_1(c) = (\sin\theta + (\pi - \theta)\cos\theta) / \pi.

:math:`\kappa_0` has infinite slope at :math:`c = 1`: a rounding error of 1e-7 in :math:`c` is one
of 1e-4 in :math:`\kappa_0`. So everything here is a function of the distance to the nearer end,
:math:`y = 1 - |c|`:

.. math:: \theta = \sqrt y\, P(y), \qquad \sin\theta - \theta\cos\theta = y^{3/2} R(y), \qquad 0
\le y \le 1,

with :math:`P` and :math:`R` analytic (nearest singularity at :math:`y = 2`), hence polynomials to
rounding: no inverse trigonometric function, which XLA does not vectorise. Builders that can carry
the *gap* :math:`(k_{xx} + k_{x'x'}) / 2 - k_{xx'}` through every layer use :func:`apply_dual` and
never form :math:`1 - c` by subtraction.
"""

import functools
import math

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from ntkmc.architecture import Erf, Identity, LeakyRelu, Relu

HOMOGENEOUS = (Relu, LeakyRelu, Identity)
"""Activations with phi(r x) = r phi(x) for r > 0."""


@functools.cache
def _polynomials(dtype: str) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Coefficients of P and R in t = 2 y - 1, low order first, as many as `dtype` can see."""
    terms = 64
    arcsine, root = [1.0], [1.0]  # power series of arcsin(sqrt w) / sqrt w and of sqrt(1 - w)
    for k in range(1, terms):
        arcsine.append(arcsine[-1] * (2 * k - 1) ** 2 / (2 * k * (2 * k + 1)))
        root.append(root[-1] * (2 * k - 3) / (2 * k))
    series_p = math.sqrt(2) * np.array(arcsine)
    numerator = [root[k] - arcsine[k] + 2 * arcsine[k - 1] for k in range(1, terms)]
    series_r = math.sqrt(0.5) * np.array(numerator)

    def fit(series):
        full = np.polynomial.chebyshev.chebinterpolate(
            lambda t: np.polynomial.polynomial.polyval((t + 1) / 4, series), 26
        )
        tail = np.cumsum(np.abs(full[::-1]))[::-1]
        degree = int(np.argmax(tail < float(jnp.finfo(dtype).eps) * abs(full[0]) / 4))
        return tuple(np.polynomial.chebyshev.cheb2poly(full[: degree or None]).tolist())

    return fit(series_p), fit(series_r)


def _horner(coefficients, t):
    value = jnp.full_like(t, coefficients[-1])
    for coefficient in coefficients[-2::-1]:
        value = value * t + coefficient
    return value


def _angle_and_remainder(y):
    """Angle / pi and (sin angle - angle cos angle) / pi where the cosine is 1 - y, 0 <= y <= 1."""
    p, r = _polynomials(y.dtype.name)
    t, root = 2 * y - 1, jnp.sqrt(y)
    return root * _horner(p, t) / math.pi, root * y * _horner(r, t) / math.pi


def kappa_0(c: Float[Array, "..."]) -> Float[Array, "..."]:
    r"""Dual of the derivative of the normalised ReLU, :math:`(\pi - \arccos c) / \pi`.

    Parameters
    ----------
    c : array of correlations in [-1, 1] (rounding beyond the ends is clipped).
    """
    c = jnp.asarray(c, dtype=jnp.result_type(float, c))
    angle, _ = _angle_and_remainder(1 - jnp.minimum(jnp.abs(c), 1))
    return jnp.where(c >= 0, 1 - angle, angle)


@jax.custom_jvp
def kappa_1(c: Float[Array, "..."]) -> Float[Array, "..."]:
    r"""Dual of the normalised ReLU, :math:`(\sqrt{1 - c^2} + (\pi - \arccos c)\,c) / \pi`.

    Its derivative is :func:`kappa_0`, also for automatic differentiation (finite at the ends).

    Parameters
    ----------
    c : array of correlations in [-1, 1] (rounding beyond the ends is clipped).
    """
    c = jnp.clip(jnp.asarray(c, dtype=jnp.result_type(float, c)), -1, 1)
    _, remainder = _angle_and_remainder(1 - jnp.abs(c))
    return jnp.where(c >= 0, c + remainder, remainder)


@kappa_1.defjvp
def _kappa_1_jvp(primals, tangents):
    return kappa_1(primals[0]), kappa_0(primals[0]) * tangents[0]


def _relu_gap(y, rest):
    """1 - kappa_1 and kappa_0 at c = 1 - y = rest - 1, accurate relative to the smaller one."""
    near = y <= 1
    angle, remainder = _angle_and_remainder(jnp.clip(jnp.where(near, y, rest), 0, 1))
    return jnp.where(near, y - remainder, 1 - remainder), jnp.where(near, 1 - angle, angle)


def _spread_and_versines(gap, opposite, side_a, side_b):
    """The gap that lengths alone would leave, and 1 - c and 1 + c, from 0 to 2."""
    (root_a, inverse_a, *_), (root_b, inverse_b, *_) = side_a, side_b
    spread = jnp.square(root_a - root_b) / 2
    y = jnp.clip((gap - spread) * inverse_a * inverse_b, 0, 2)
    if opposite is None:
        return spread, y, 2 - y
    return spread, y, jnp.clip((opposite - spread) * inverse_a * inverse_b, 0, 2)


def _leaky_relu_dual(slope, gap, opposite, side_a, side_b):
    # LeakyReLU with slope a, scaled so that its dual is 1 at c = 1, is a mixture of the
    # identity and the ReLU: dual(c) = (2 a c + (1 - a)^2 kappa_1(c)) / (1 + a^2).
    spread, y, rest = _spread_and_versines(gap, opposite, side_a, side_b)
    relu_gap, relu_slope = _relu_gap(y, rest)
    linear, bent = 2 * slope / (1 + slope**2), (1 - slope) ** 2 / (1 + slope**2)
    # Not the root of a product, which underflows much earlier.
    size = side_a[0] * side_b[0]
    return spread + size * (linear * y + bent * relu_gap), linear + bent * relu_slope


def _erf_dual(gap, opposite, side_a, side_b):
    r""":math:`E[\mathrm{erf}(u)\,\mathrm{erf}(v)] = 2 \phi / \pi` (Williams 1997).

    With

    .. math:: \sin\phi = q_a q_b c, \quad
              \cos^2\phi = p_a^2 + p_b^2 - p_a^2 p_b^2 + q_a^2 q_b^2 (1 - c^2), \quad
              p^2 = 1 - q^2 = 1 / (1 + 2 k_{aa}),

    no term of which cancels, and with :math:`\phi_a` the same of a alone

    .. math:: \sin(\phi_a - \phi) = q_a (q_a^2 - q_b^2 c^2)
              / (q_a \cos\phi + q_b c \cos\phi_a).
    """
    _, y, rest = _spread_and_versines(gap, opposite, side_a, side_b)
    *_, large_a, p_a, q_a, slope_a = side_a
    *_, large_b, p_b, q_b, slope_b = side_b
    c, sine = 1 - y, y * rest  # squared, the sine
    cosine = jnp.sqrt((p_a * p_a + p_b * p_b - (p_a * p_b) ** 2) + (q_a * q_b) ** 2 * sine)
    difference = ((large_a - large_b) * p_a * p_b) * ((large_a + large_b) * p_a * p_b)

    def angle(q, other, p, difference):  # phi_a - phi
        own = p * jnp.sqrt(1 + q * q)  # cos phi_a
        below = q * cosine + other * c * own
        ratio = (difference + other * other * sine) / jnp.where(below > 0, below, 1)
        between = jnp.where(c >= 0, ratio, q * cosine - other * c * own)
        return jnp.arctan2(q * between, own * cosine + q * q * q * other * c)

    both = angle(q_a, q_b, p_a, difference) + angle(q_b, q_a, p_b, -difference)
    return jnp.maximum(both, 0) / math.pi, 4 / math.pi * slope_a * slope_b / cosine


def apply_dual(
    layer,
    gap: Float[Array, "..."],
    var_a: Float[Array, "..."],
    var_b: Float[Array, "..."],
    opposite: Float[Array, "..."] | None = None,
) -> tuple[Float[Array, "..."], Float[Array, "..."]]:
    r"""Pass the gap of an NNGP kernel through an activation.

    Parameters
    ----------
    layer : `Relu`, `LeakyRelu`, `Erf` or `Identity`; the first two normalised so that they keep
        variances.
    gap : :math:`(k_{aa} + k_{bb}) / 2 - k_{ab} \ge 0`.
    var_a, var_b : :math:`k_{aa}` and :math:`k_{bb}`, broadcast against `gap`.
    opposite : :math:`(k_{aa} + k_{bb}) / 2 + k_{ab}`, where it is known better than from `gap`.

    Where the variances are equal nothing is lost however small the gap is. Otherwise 1 - c is a
    difference, and where the two are nearly parallel (or opposite, unless `opposite` tells) the
    rounding error :math:`\epsilon` of the gap becomes at most :math:`\sqrt{2 \epsilon} / \pi` of
    the slope, 2e-4 in float32 and 7e-9 in float64, times the root of gap by
    :math:`\sqrt{k_{aa} k_{bb}}`. For `Erf` it is up to a tenth of :math:`\epsilon` times the
    variance.

    Returns
    -------
    gap : the same quantity after the activation.
    slope : :math:`E[\phi'(u)\phi'(v)]`, the factor of the tangent kernel.

    Raises
    ------
    TypeError : the layer has no dual activation here.
    """
    sides = dual_side(layer, var_a), dual_side(layer, var_b)
    return apply_dual_of_sides(layer, gap, *sides, opposite)


def dual_side(
    layer, var: Float[Array, "..."], length: Float[Array, "..."] | float = 1.0
) -> tuple[Float[Array, "..."], ...]:
    """What `apply_dual_of_sides` needs of one side's variance: its roots and divisions.

    The root of the variance and its inverse (zero where the variance is: such a value is zero, and
    so are its kernels); for `Erf` also what depends on how large the variance is.

    Parameters
    ----------
    layer : as for `apply_dual`.
    var : variance, where inputs are divided by their lengths.
    length : what they are divided by. Homogeneous activations need not know it, and leave it out of
        what they return; `Erf` returns gap and variance of the inputs as they are, and a slope that
        is multiplied by both lengths, as a tangent kernel in their units needs it.

    Raises
    ------
    TypeError : the layer has no dual activation here.
    """
    match layer:
        case Identity():
            return ()
        case Relu() | LeakyRelu() | Erf():
            root = jnp.sqrt(var)
            side = root, jnp.where(root > 0, 1 / jnp.where(root > 0, root, 1), 0)
            if not isinstance(layer, Erf):
                return side
            large = math.sqrt(2) * root * length
            p = 1 / jnp.sqrt(1 + large * large)
            return *side, large, p, large * p, length * p
    raise TypeError(
        f"layer was {layer!r}; a dual activation is known for Relu, LeakyRelu, Erf, Identity"
    )


def apply_dual_of_sides(
    layer,
    gap: Float[Array, "..."],
    side_a: tuple,
    side_b: tuple,
    opposite: Float[Array, "..."] | None = None,
) -> tuple[Float[Array, "..."], Float[Array, "..."]]:
    """`apply_dual` where `dual_side` of both variances is known, broadcast against `gap`."""
    match layer:
        case Relu():
            return _leaky_relu_dual(0.0, gap, opposite, side_a, side_b)
        case LeakyRelu(negative_slope=slope):
            return _leaky_relu_dual(slope, gap, opposite, side_a, side_b)
        case Erf():
            return _erf_dual(gap, opposite, side_a, side_b)
        case _:  # Identity, as dual_side has seen
            return gap, jnp.ones_like(gap)


def dual_variance(
    layer, var: Float[Array, "..."], length: Float[Array, "..."] | float = 1.0
) -> Float[Array, "..."]:
    """Variance after an activation, from the variance before it: only `Erf` changes it.

    With `length` as for `dual_side`.
    """
    if isinstance(layer, Erf):
        # arcsin(2 v / (1 + 2 v)), which for large v is the arcsine of a number that rounds to 1
        twice = 2 * var * length * length
        return 2 / math.pi * jnp.arctan2(twice, jnp.sqrt(1 + 2 * twice))
    return var
