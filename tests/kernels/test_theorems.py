"""The matrix-completion paper's theorems on convolutional kernels, on kernels of `GridKernel`.

Its fully connected ones (Theorem 1, Proposition 2, the graph Laplacian's corollary) are about the
kernel of a table: see `test_dense_ntk`.
"""

import jax.numpy as jnp
import numpy as np
import pytest

from ntkmc.architecture import Conv, LeakyRelu, Relu, Sequential, autoencoder
from ntkmc.kernels import GridKernel, PeriodicKernel, kappa_0, kappa_1, padded_shape
from ntkmc.priors import IIDNormal, IIDUniform

Q = 3  # side of the filters


def tensor(network, prior, shape=None):
    """K(i, j, i', j')."""
    kernel = GridKernel.build(network, prior, dtype="float64", shape=shape)
    return np.asarray(kernel.matrix).reshape(*kernel.shape, *kernel.shape)


def paper_scale(z):
    """Appendices J and K sum over channels and taps in the first layer, `GridKernel` averages."""
    return len(z) * Q**2


def shifted_together(array, a, b):
    """array[i + a, j + b, i' + a, j' + b], circular."""
    return np.roll(array, (-a, -b, -a, -b), axis=(0, 1, 2, 3))


def test_one_hidden_layer_formula_of_appendix_j(x64):
    """Its sums over |a|, |b| <= (q + 1) / 2 are meant to go to (q - 1) / 2."""
    z = np.random.default_rng(0).random((2, 5, 6))
    taps = [(a, b) for a in (-1, 0, 1) for b in (-1, 0, 1)]
    products = np.einsum("cij,ckl->ijkl", z, z)
    sigma_0 = sum(shifted_together(products, a, b) for a, b in taps)
    variance = np.einsum("ijij->ij", sigma_0)
    scale = np.sqrt(variance[:, :, None, None] * variance)
    correlation = jnp.asarray(sigma_0 / scale)
    sigma_1, slope = scale * kappa_1(correlation), kappa_0(correlation)
    summand = np.asarray(sigma_1 + slope * sigma_0)
    expected = sum(shifted_together(summand, a, b) for a, b in taps) / Q**2

    network = Sequential([Conv(Q), Relu(), Conv(Q)])
    # arccos of correlations next to 1, here: half of the digits
    np.testing.assert_allclose(paper_scale(z) * tensor(network, z), expected, rtol=1e-7)


def stationary_prior(shape):
    """Waves: their covariance is a sum of cosines of k |i - i'| and m |j - j'|."""
    i, j = np.indices(shape)
    waves = []
    for amplitude, k, m in ((1.0, 0, 0), (0.8, 1, 0), (0.5, 1, 2), (0.3, 2, 1), (0.2, 0, 3)):
        for sign in (1, -1):
            phase = 2 * np.pi * (k * i / shape[0] + sign * m * j / shape[1])
            waves += [amplitude * np.cos(phase), amplitude * np.sin(phase)]
    return np.stack(waves)


@pytest.mark.parametrize("depth", [1, 2, 4])
@pytest.mark.parametrize("slope", [0.0, 0.2])
def test_theorem_2_stationary_priors(depth, slope, x64):
    shape = (6, 8)
    z = stationary_prior(shape)
    activation = Relu() if slope == 0 else LeakyRelu(slope)
    network = Sequential([*([Conv(Q), activation] * depth), Conv(Q)])
    kernel = paper_scale(z) * tensor(network, z)

    # It is a function of the distances (around the torus) alone,
    di, dj = (np.minimum(np.arange(n), n - np.arange(n)) for n in shape)
    psi_tilde = kernel[0, 0]
    i, j = np.indices(shape)
    for pixel in ((0, 0), (3, 5), (5, 2)):
        distances = di[abs(i - pixel[0])], dj[abs(j - pixel[1])]
        np.testing.assert_allclose(kernel[pixel], psi_tilde[distances], rtol=1e-7)

    # the one that appendix K computes from psi.
    bent = (1 - slope) ** 2 / (1 + slope**2)

    def dual(c):
        return (1 - bent) * c + bent * kappa_1(c)

    def dual_slope(c):
        return 1 - bent + bent * kappa_0(c)

    psi = sum(
        np.einsum("c,cij->ij", z[:, a, b], np.roll(z, (-a, -b), axis=(1, 2)))
        for a in (-1, 0, 1)
        for b in (-1, 0, 1)
    )
    expected, correlation = psi, jnp.asarray(psi / psi[0, 0])
    for _ in range(depth):
        expected = dual(correlation) * psi[0, 0] + expected * dual_slope(correlation)
        correlation = dual(correlation)
    np.testing.assert_allclose(psi_tilde, expected, rtol=1e-7)


def rotate(array, rows, columns):
    """Definition 3: rows down, columns right."""
    return np.roll(array, (rows, columns), axis=(0, 1))


def pad_with_minimum(array, side):
    """Definition 4."""
    padded = np.full((side, side), array.min())
    padded[: len(array), : len(array)] = array
    return padded


def expanded_row(small, i, j, side, levels):
    """Row (i, j) of the expansion theorem (appendix M) from a kernel of a smaller image."""
    p = 2**levels
    a, b = i % p, j % p
    row = pad_with_minimum(rotate(small[a, b], p - a, p - b), side)
    return rotate(rotate(row, a - p, b - p), i - a, j - b)


@pytest.mark.parametrize("levels", [1, 2])
@pytest.mark.parametrize("prior", [IIDUniform(0.0, 0.1), IIDNormal(0.0, 1.0)])
@pytest.mark.parametrize("filter_size", [3, 5])
def test_expansion_theorem_from_twice_the_period_but_not_from_the_period(
    levels, prior, filter_size, x64
):
    network, side = autoencoder(levels, filter_size=filter_size), 2 ** (levels + 2)
    large = tensor(network, prior, (side, side))
    pixels = [(0, 0), (1, 3), (side - 1, 2), (side // 2, side // 2 + 1)]

    def error(size):
        small = tensor(network, prior, (size, size))
        rows = [expanded_row(small, i, j, side, levels) - large[i, j] for i, j in pixels]
        return np.abs(rows).max() / large.max()

    assert error(2 ** (levels + 1)) < 1e-14
    assert error(2**levels) > 1e-3  # everything meets everything around so small a torus
    # which is what `PeriodicKernel` makes of it
    assert padded_shape(network, (1, 1)) == (2 ** (levels + 1),) * 2
    periodic = PeriodicKernel.build(network, (side, side), prior, dtype="float64")
    np.testing.assert_allclose(periodic.row(pixels[1]), large[pixels[1]], rtol=1e-13)


def test_expansion_needs_independent_features(x64):
    z = stationary_prior((16, 16))
    large, small = tensor(autoencoder(1), z), tensor(autoencoder(1), z[:, ::2, ::2])
    assert np.abs(expanded_row(small, 1, 3, 16, 1) - large[1, 3]).max() > 1e-3 * large.max()
