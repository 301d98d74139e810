"""Dual activations against their definitions, in float64 and at the ends."""

import math
from fractions import Fraction

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.integrate
from compiled import by_operation

from ntkmc import kernels
from ntkmc.architecture import Conv, Erf, Identity, LeakyRelu, Relu

apply_dual = by_operation(kernels.apply_dual, static_argnums=0)
dual_variance = by_operation(kernels.dual_variance, static_argnums=0)
kappa_0, kappa_1 = by_operation(kernels.kappa_0), by_operation(kernels.kappa_1)

LAYERS = [Relu(), LeakyRelu(0.2), LeakyRelu(-0.3), Erf(), Identity()]


def gap_series(y):
    """1 - kappa_1 and 1 - kappa_0 at c = 1 - y for a tiny rational y, from their power series."""
    w = float(y) / 2
    theta = 2 * math.asin(math.sqrt(w))
    # sin t - t cos t = t^3/3 - t^5/30 + t^7/840 - ...
    remainder = sum(
        (-1) ** (k + 1) * 2 * k * theta ** (2 * k + 1) / math.factorial(2 * k + 1)
        for k in range(1, 12)
    )
    return float(y) - remainder / math.pi, theta / math.pi


def test_arc_cosine_kernels_equal_their_formula(x64):
    c = np.linspace(-1, 1, 2001)
    theta = np.arccos(c)
    expected_0 = (math.pi - theta) / math.pi
    expected_1 = (np.sin(theta) + (math.pi - theta) * c) / math.pi
    # arccos itself loses half the digits next to the ends; they have tests of their own
    np.testing.assert_allclose(kappa_0(c), expected_0, atol=1e-15)
    np.testing.assert_allclose(kappa_1(c), expected_1, atol=1e-15)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_ends_are_exact(dtype, x64):
    ends = jnp.array([-1.0, 0.0, 1.0], dtype)
    eps = np.finfo(dtype).eps
    np.testing.assert_allclose(kappa_0(ends), [0, 0.5, 1], atol=eps)
    np.testing.assert_allclose(kappa_1(ends), [0, 1 / math.pi, 1], atol=eps)
    assert kappa_0(ends)[2] == 1
    assert kappa_1(ends)[2] == 1
    assert kappa_0(ends).dtype == dtype
    assert kappa_1(jnp.array(1 + 1e-7, dtype)) == 1  # rounding beyond the end


@pytest.mark.parametrize(("dtype", "rtol"), [("float32", 3e-7), ("float64", 1e-15)])
@pytest.mark.parametrize("exponent", [-30, -20, -10, -5])
def test_gap_keeps_relative_accuracy_next_to_one(dtype, rtol, exponent, x64):
    y = Fraction(2) ** exponent
    expected_gap, expected_slope_gap = gap_series(y)
    one = jnp.ones((), dtype)
    gap, slope = apply_dual(Relu(), jnp.asarray(float(y), dtype), one, one)
    np.testing.assert_allclose(gap, expected_gap, rtol=rtol)
    np.testing.assert_allclose(slope, 1 - expected_slope_gap, rtol=rtol)


def test_derivative_of_kappa_1_is_kappa_0_everywhere(x64):
    c = jnp.array([-1.0, -0.3, 0.0, 0.7, 1.0])
    np.testing.assert_allclose(by_operation(jax.vmap(jax.grad(kernels.kappa_1)))(c), kappa_0(c))


def moments(layer, var_a, var_b, k):
    """E[phi(u) phi(v)] and E[phi'(u) phi'(v)] by quadrature, with the project's normalisation."""
    slope = {Relu: 0.0, Identity: 1.0}.get(type(layer), getattr(layer, "negative_slope", None))
    scale = 1.0 if slope is None else math.sqrt(2 / (1 + slope**2))

    def phi(x):
        return math.erf(x) if slope is None else scale * (x if x > 0 else slope * x)

    def slope_of(x):
        if slope is None:
            return 2 / math.sqrt(math.pi) * math.exp(-x * x)
        return scale * (1.0 if x > 0 else slope)

    ratio, left = k / var_a, math.sqrt(var_b - k * k / var_a)

    def expectation(f):
        def inner(u):
            def density(z):
                return f(u, ratio * u + left * z) * math.exp(-(z * z + u * u / var_a) / 2)

            kink = min(max(-ratio * u / left, -9), 9)
            return scipy.integrate.quad(density, -9, 9, points=[kink], epsabs=1e-10)[0]

        reach = 9 * math.sqrt(var_a)
        total = scipy.integrate.quad(inner, -reach, 0)[0] + scipy.integrate.quad(inner, 0, reach)[0]
        return total / (2 * math.pi * math.sqrt(var_a))

    return (
        expectation(lambda u, v: phi(u) * phi(v)),
        expectation(lambda u, v: slope_of(u) * slope_of(v)),
    )


@pytest.mark.parametrize("layer", LAYERS, ids=repr)
@pytest.mark.parametrize(("var_a", "var_b", "k"), [(1.0, 1.0, 0.8), (0.5, 2.0, -0.6)])
def test_duals_are_the_expectations_they_stand_for(layer, var_a, var_b, k, x64):
    product, slopes = moments(layer, var_a, var_b, k)
    gap, slope = apply_dual(
        layer, *(jnp.asarray(v) for v in ((var_a + var_b) / 2 - k, var_a, var_b))
    )
    after = (
        dual_variance(layer, jnp.asarray(var_a)) + dual_variance(layer, jnp.asarray(var_b))
    ) / 2
    np.testing.assert_allclose(after - gap, product, atol=1e-8)
    np.testing.assert_allclose(slope, slopes, atol=1e-8)


@pytest.mark.parametrize("layer", LAYERS, ids=repr)
def test_float32_agrees_with_float64(layer, x64):
    rng = np.random.default_rng(0)
    var_a, var_b = rng.uniform(0.5, 2, (2, 1000))
    c = np.concatenate([rng.uniform(-1, 1, 500), 1 - 10.0 ** rng.uniform(-7, 0, 500)])
    gap = (var_a + var_b) / 2 - c * np.sqrt(var_a * var_b)
    narrow = [jnp.asarray(v, jnp.float32) for v in (gap, var_a, var_b)]
    wide = [np.asarray(v, np.float64) for v in narrow]
    for low, high in zip(apply_dual(layer, *narrow), apply_dual(layer, *wide), strict=True):
        # gap - (sqrt a - sqrt b)^2 / 2 cancels where the variances differ: an absolute 1e-7 of it
        # becomes its square root in kappa_0
        np.testing.assert_allclose(low, high, rtol=2e-6, atol=6e-4)
    np.testing.assert_allclose(
        apply_dual(layer, *narrow)[0], apply_dual(layer, *wide)[0], rtol=2e-6, atol=1e-6
    )


def test_a_layer_without_a_dual_is_refused():
    with pytest.raises(TypeError, match="layer was Conv"):
        kernels.apply_dual(Conv(3), jnp.zeros(()), jnp.ones(()), jnp.ones(()))


def erf_dual(var_a, var_b, gap):
    """As it is defined, in the longest floats there are."""
    a, b, gap = (np.asarray(value).astype(np.longdouble) for value in (var_a, var_b, gap))
    k = (a + b) / 2 - gap
    determinant = 1 + 2 * (a + b) + 4 * gap * (a + b - gap) - (a - b) ** 2
    angles = [np.arctan2(2 * v, np.sqrt(1 + 4 * v)) for v in (a, b)]
    between = np.arctan2(2 * k, np.sqrt(determinant))
    return (sum(angles) - 2 * between) / np.longdouble(np.pi), 4 / np.pi / np.sqrt(determinant)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("size", [1e-6, 0.03, 1.0, 400.0, 2e4, 3e7])
def test_erf_of_any_variance(dtype, size, x64):
    rng, eps = np.random.default_rng(0), np.finfo(dtype).eps
    var = (size * rng.uniform(0.5, 2, (2, 500))).astype(dtype)
    y = 10 ** rng.uniform(-9, 0, 500)
    roots = np.sqrt(var.astype(np.float64))
    for var_b, root_b, tolerance in (
        (var[0], roots[0], 20 * eps),
        (var[1], roots[1], eps * (20 + size)),  # what `apply_dual` says
    ):
        gap = ((roots[0] - root_b) ** 2 / 2 + roots[0] * root_b * y).astype(dtype)
        gap = np.maximum(gap, np.asarray((roots[0] - root_b) ** 2 / 2, dtype))
        found_gap, slope = apply_dual(Erf(), *(jnp.asarray(v) for v in (gap, var[0], var_b)))
        expected_gap, expected_slope = erf_dual(var[0], var_b, gap)
        np.testing.assert_allclose(slope, expected_slope.astype(float), rtol=tolerance)
        largest = float(expected_gap.max())
        np.testing.assert_allclose(
            found_gap, expected_gap.astype(float), atol=tolerance * largest, rtol=0
        )
    after = dual_variance(Erf(), jnp.asarray(var[0]))
    exact = 2 / np.pi * np.arctan2(2 * var[0].astype(np.longdouble), np.sqrt(1 + 4 * var[0]))
    np.testing.assert_allclose(after, exact.astype(float), rtol=4 * eps)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_opposite_is_as_exact_as_equal(dtype, x64):
    """Where the gap to the negative is known; the gap itself has lost it."""
    opposite, eps = jnp.asarray(10.0 ** np.arange(-16, -2), dtype), np.finfo(dtype).eps
    wide = np.asarray(opposite, np.float64)
    one, large = jnp.ones((), dtype), jnp.asarray(1e6, dtype)
    slope = apply_dual(Relu(), 2 - opposite, one, one, opposite)[1]
    np.testing.assert_allclose(slope, 2 * np.arcsin(np.sqrt(wide / 2)) / np.pi, rtol=100 * eps)
    gap = large * (2 - opposite)
    slope = apply_dual(Erf(), gap, large, large, large * opposite)[1]
    determinant = 1 + 4e6 + 4e12 * wide * (2 - wide)
    np.testing.assert_allclose(slope, 4 / np.pi / np.sqrt(determinant), rtol=8 * eps)
