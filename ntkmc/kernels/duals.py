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
        degree = int(np.argmax(tail < np.finfo(dtype).eps * abs(full[0]) / 4))
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


def _relu_gap(y):
    """1 - kappa_1 and kappa_0 at c = 1 - y, accurate relative to y, for 0 <= y <= 2."""
    near = y <= 1
    angle, remainder = _angle_and_remainder(jnp.clip(jnp.where(near, y, 2 - y), 0, 1))
    return jnp.where(near, y - remainder, 1 - remainder), jnp.where(near, 1 - angle, angle)


def _leaky_relu_dual(slope, gap, side_a, side_b):
    # LeakyReLU with slope a, scaled so that its dual is 1 at c = 1, is a mixture of the
    # identity and the ReLU: dual(c) = (2 a c + (1 - a)^2 kappa_1(c)) / (1 + a^2).
    (root_a, inverse_a), (root_b, inverse_b) = side_a, side_b
    spread = jnp.square(root_a - root_b) / 2
    y = jnp.clip((gap - spread) * inverse_a * inverse_b, 0, 2)
    relu_gap, relu_slope = _relu_gap(y)
    linear, bent = 2 * slope / (1 + slope**2), (1 - slope) ** 2 / (1 + slope**2)
    # Not the root of a product, which underflows much earlier.
    return spread + root_a * root_b * (linear * y + bent * relu_gap), linear + bent * relu_slope


def _arcsine_difference(a, b, gap):
    """arcsin(a) - arcsin(b) from a - b = gap, without cancellation."""
    cos_a, cos_b = jnp.sqrt(1 - a * a), jnp.sqrt(1 - b * b)
    sine = gap * (cos_a + a * (a + b) / (cos_a + cos_b))
    return jnp.arctan2(sine, cos_a * cos_b + a * b)


def _erf_dual(gap, side_a, side_b):
    # Williams 1997: E[erf u erf v] = 2/pi arcsin(2 k / sqrt((1 + 2 k_uu)(1 + 2 k_vv))).
    (var_a, root_a), (var_b, root_b) = side_a, side_b
    k = (var_a + var_b) / 2 - gap
    cross = 2 * k / (root_a * root_b)

    def side(var, other_var, root, other_root):
        below = gap + (var - other_var) / 2  # var - k
        drop = 2 * below * other_root + 4 * k * (other_var - var) / (root + other_root)
        ratio = 2 * var / (1 + 2 * var)
        return _arcsine_difference(ratio, cross, drop / (root * root * other_root))

    half = side(var_a, var_b, root_a, root_b) + side(var_b, var_a, root_b, root_a)
    # (1 + 2 a)(1 + 2 b) - 4 k^2 with 2 k = a + b - 2 gap, positive term by term
    determinant = 1 + 2 * (var_a + var_b) + 4 * gap * (var_a + var_b - gap) - (var_a - var_b) ** 2
    return half / math.pi, 4 / math.pi / jnp.sqrt(determinant)


def apply_dual(
    layer,
    gap: Float[Array, "..."],
    var_a: Float[Array, "..."],
    var_b: Float[Array, "..."],
) -> tuple[Float[Array, "..."], Float[Array, "..."]]:
    r"""Pass the gap of an NNGP kernel through an activation.

    Parameters
    ----------
    layer : `Relu`, `LeakyRelu`, `Erf` or `Identity`; the first two normalised so that they keep
        variances.
    gap : :math:`(k_{aa} + k_{bb}) / 2 - k_{ab} \ge 0`.
    var_a, var_b : :math:`k_{aa}` and :math:`k_{bb}`, broadcast against `gap`.

    Returns
    -------
    gap : the same quantity after the activation, with a small *relative* error however small it is.
    slope : :math:`E[\phi'(u)\phi'(v)]`, the factor of the tangent kernel.

    Raises
    ------
    TypeError : the layer has no dual activation here.
    """
    return apply_dual_of_sides(layer, gap, dual_side(layer, var_a), dual_side(layer, var_b))


def dual_side(layer, var: Float[Array, "..."]) -> tuple[Float[Array, "..."], ...]:
    """What `apply_dual` needs of one side's variance: its roots and divisions.

    For `Relu` and `LeakyRelu` the root and its inverse (zero where the variance is: such a value is
    zero, and so are its kernels); for `Erf` the variance and the root of one plus twice it.

    Raises
    ------
    TypeError : the layer has no dual activation here.
    """
    match layer:
        case Relu() | LeakyRelu():
            root = jnp.sqrt(var)
            return root, jnp.where(root > 0, 1 / jnp.where(root > 0, root, 1), 0)
        case Erf():
            return var, jnp.sqrt(1 + 2 * var)
        case Identity():
            return ()
    raise TypeError(
        f"layer was {layer!r}; a dual activation is known for Relu, LeakyRelu, Erf, Identity"
    )


def apply_dual_of_sides(
    layer, gap: Float[Array, "..."], side_a: tuple, side_b: tuple
) -> tuple[Float[Array, "..."], Float[Array, "..."]]:
    """`apply_dual` where `dual_side` of both variances is known, broadcast against `gap`."""
    match layer:
        case Relu():
            return _leaky_relu_dual(0.0, gap, side_a, side_b)
        case LeakyRelu(negative_slope=slope):
            return _leaky_relu_dual(slope, gap, side_a, side_b)
        case Erf():
            return _erf_dual(gap, side_a, side_b)
        case _:  # Identity, as dual_side has seen
            return gap, jnp.ones_like(gap)


def dual_variance(layer, var: Float[Array, "..."]) -> Float[Array, "..."]:
    """Variance after an activation, from the variance before it: only `Erf` changes it."""
    if isinstance(layer, Erf):
        return 2 / math.pi * jnp.arcsin(2 * var / (1 + 2 * var))
    return var
