"""What the matrix-completion paper's SI proves about kernels, with its own formulas written out.

In its notation the first weights are not divided by the number of inputs, hence `W_std` there.
"""

import itertools
import math

import jax.numpy as jnp
import numpy as np
import pytest
from compiled import by_operation
from stax.sampling import exact_kernels

from ntkmc import stax
from ntkmc._neural_tangents import neural_tangents as nt

SLOPES = [0.0, 0.3, 1.0]  # of leaky ReLUs: a ReLU, and the identity


def dual(slope, xi):
    """Dual activation of the normalised leaky ReLU, and its derivative (appendix A)."""
    xi = np.clip(xi, -1, 1)
    angle = np.arccos(xi)
    relu = (np.sin(angle) + (np.pi - angle) * xi) / np.pi
    linear, bent = 2 * slope / (1 + slope**2), (1 - slope) ** 2 / (1 + slope**2)
    return linear * xi + bent * relu, linear + bent * (np.pi - angle) / np.pi


def kappa(slope, depth, xi):
    """Theorem 1: kappa_d = dual^(d) + kappa_(d-1) dual'(dual^(d-1)), kappa_0 = dual^(0) = xi."""
    composed = total = xi
    for _ in range(depth):
        composed, derivative = dual(slope, composed)
        total = composed + total * derivative
    return total


def activation(slope):
    scale = math.sqrt(2 / (1 + slope**2))
    return stax.ABRelu(scale * slope, scale)


def fully_connected(slope, depth, features, rows):
    layers = [stax.Dense(64, W_std=math.sqrt(features)), activation(slope)]
    layers += [stax.Dense(64), activation(slope)] * (depth - 1)
    return stax.serial(*layers, stax.Dense(rows))


class TestAppendixB:
    @pytest.mark.parametrize("slope", SLOPES)
    @pytest.mark.parametrize("depth", [1, 2, 4])
    def test_theorem_1(self, x64, slope, depth):
        z = np.random.default_rng(0).standard_normal((4, 3))
        z /= np.linalg.norm(z, axis=1, keepdims=True)
        rows, columns = (side.ravel() for side in np.indices((2, 4)))
        readout = stax.CompletionReadout(rows, columns)
        network = stax.serial(fully_connected(slope, depth, 3, 2), readout)
        ntk = by_operation(lambda z: network[2](z, None, "ntk"))(z)
        expected = np.kron(np.eye(2), kappa(slope, depth, z @ z.T))
        # At correlation 1 a rounding of 1e-16 is 1e-8 in the derivative of the dual.
        np.testing.assert_allclose(ntk, expected, atol=1e-6)

    def test_example(self, x64):
        """A 3 x 3 matrix with four missing entries, and the identity for a prior."""
        y = np.array([[np.nan, 0.5, 0.3], [0.1, 0.2, np.nan], [0.4, np.nan, np.nan]])
        observed, missing = np.argwhere(~np.isnan(y)), np.argwhere(np.isnan(y))
        network = fully_connected(0.0, 1, features=3, rows=3)
        readout = stax.CompletionReadout(*observed.T)
        kernel_fn = by_operation(stax.serial(network, readout)[2], static_argnums=2)
        z = jnp.eye(3)
        one, zero = 2.0, 1 / np.pi  # kappa(1) and kappa(0)
        expected = np.array(
            [
                [one, zero, 0, 0, 0],
                [zero, one, 0, 0, 0],
                [0, 0, one, zero, 0],
                [0, 0, zero, one, 0],
                [0, 0, 0, 0, one],
            ]
        )
        ntk = np.asarray(kernel_fn(z, None, "ntk"))
        np.testing.assert_allclose(ntk, expected, rtol=1e-14)
        assert (ntk[expected == 0] == 0).all()
        first = np.array([[0, 0]])
        k11 = kernel_fn(z, None, "ntk", entries=(observed, first))[:, 0]
        np.testing.assert_allclose(k11, [zero, zero, 0, 0, 0], rtol=1e-14)

        values = y[tuple(observed.T)][:, None]
        predict = nt.predict.gradient_descent_mse_ensemble(
            kernel_fn, z, values, entries=(observed, observed)
        )
        filled = predict(x_test=z, get="ntk", entries=(missing, missing))
        cross = [
            [zero * (a == i) for a, _ in observed] for i, _ in missing
        ]  # all missing columns differ from the observed ones in their row
        np.testing.assert_allclose(filled, cross @ np.linalg.solve(expected, values), rtol=1e-12)

    def test_corollary_of_the_graph_laplacian(self, x64):
        """A linear network regresses linearly on the prior, with the least norm if not unique."""
        generator = np.random.default_rng(0)
        for features in (3, 8):  # fewer and more than the five labels
            z, w = generator.standard_normal((9, features)), generator.standard_normal(features)
            labels = (z @ w)[:5, None]  # otherwise no linear function attains them
            network = stax.serial(
                stax.Dense(64, W_std=math.sqrt(features)), stax.Dense(1, W_std=math.sqrt(0.5))
            )
            entries = np.stack([np.zeros(9, int), np.arange(9)], axis=1)
            kernel_fn = stax.serial(network, stax.CompletionReadout(*entries.T))[2]
            ntk = np.asarray(by_operation(lambda z, f=kernel_fn: f(z, None, "ntk"))(z))
            np.testing.assert_allclose(ntk, z @ z.T, atol=1e-12)
            regression = ntk[:, :5] @ np.linalg.pinv(ntk[:5, :5], rcond=1e-10) @ labels
            least_norm = np.linalg.pinv(z[:5]) @ labels
            np.testing.assert_allclose(regression, z @ least_norm, atol=1e-9)


class TestAppendixE:
    @pytest.mark.parametrize("seen", [1, 4])
    def test_proposition_2(self, x64, seen):
        """One-hot drugs: a missing profile is the mean of the observed ones, scaled.

        Each row's matrix is (2 - 1/pi) I + J/pi, so that by Sherman and Morrison the sum of the
        observed values is divided by 2 pi - 1 + l. (The appendix prints pi l for l there, which is
        not the inverse of its own matrix.)
        """
        drugs, genes = 6, 3
        y = np.random.default_rng(0).standard_normal((genes, seen))
        observed = np.argwhere(np.ones((genes, seen)))
        missing = np.argwhere(np.ones((genes, drugs - seen)))
        missing[:, 1] += seen
        network = fully_connected(0.0, 1, features=drugs, rows=genes)
        kernel_fn = stax.serial(network, stax.CompletionReadout(*observed.T))[2]
        z = jnp.eye(drugs)
        compiled = by_operation(
            lambda z: [
                kernel_fn(z, None, "ntk", entries=(left, observed)) for left in (observed, missing)
            ]
        )
        within, across = compiled(z)
        filled = np.asarray(across) @ np.linalg.solve(within, y.reshape(-1))
        scaled_mean = y.sum(axis=1) / (2 * np.pi - 1 + seen)
        expected = np.repeat(scaled_mean, drugs - seen)
        np.testing.assert_allclose(filled, expected, rtol=1e-6)  # 1e-8 of the derivative at 1


def patches(z, size):
    """K0 of appendix J: products of circular patches (channels, H, W) -> (H, W, H, W)."""
    reach, total = size // 2, 0
    for a, b in itertools.product(range(-reach, reach + 1), repeat=2):
        moved = np.roll(z, (-a, -b), axis=(1, 2))
        total = total + np.einsum("cij,ckl->ijkl", moved, moved)
    return total


def convolutional(slope, depth, size, channels):
    """Filters of one side, circular; the first weights not divided by the number of inputs."""

    def conv(out, std=1.0):
        return stax.Conv(out, (size, size), padding="CIRCULAR", W_std=std)

    layers = [conv(64, size * math.sqrt(channels)), activation(slope)]
    layers += [conv(64), activation(slope)] * (depth - 1)
    return stax.serial(*layers, conv(1))


def of_prior(network, z):
    """NTK (H, W, H, W), read entry by entry, of a prior (channels, H, W)."""
    m, n = z.shape[1:]
    readout = stax.CompletionReadout(*(side.ravel() for side in np.indices((m, n))))
    kernel_fn = stax.serial(network, readout)[2]
    ntk = by_operation(lambda z: kernel_fn(z, None, "ntk"))(z.transpose(1, 2, 0)[None])
    return np.asarray(ntk).reshape(m, n, m, n)


class TestAppendixJ:
    @pytest.mark.parametrize("size", [1, 3])
    @pytest.mark.parametrize("slope", SLOPES)
    def test_one_hidden_layer(self, x64, size, slope):
        """The offsets of its sums run over -(q - 1) / 2 .. (q - 1) / 2, a filter of side q."""
        z = np.random.default_rng(0).standard_normal((2, 3, 4))
        k0 = patches(z, size)
        norm = np.sqrt(np.einsum("ijij->ij", k0))
        norms = norm[:, :, None, None] * norm
        composed, derivative = dual(slope, k0 / norms)
        inside = norms * composed + derivative * k0
        reach, expected = size // 2, 0
        for a, b in itertools.product(range(-reach, reach + 1), repeat=2):
            expected = expected + np.roll(inside, (-a, -b, -a, -b), axis=(0, 1, 2, 3)) / size**2
        ntk = of_prior(convolutional(slope, 1, size, 2), z)
        np.testing.assert_allclose(ntk, expected, atol=1e-6 * expected.max())


class TestAppendixK:
    @pytest.mark.slow
    @pytest.mark.parametrize("slope", SLOPES)
    @pytest.mark.parametrize("depth", [1, 3])
    def test_theorem_2(self, x64, slope, depth):
        """A prior with stationary patches: all circular shifts of one image, a channel each."""
        m, n = 3, 5
        image = np.random.default_rng(0).standard_normal((m, n))
        image += np.roll(image[::-1], 1, axis=0)  # psi is to depend on |i - i'| and |j - j'|
        image += np.roll(image[:, ::-1], 1, axis=1)
        shifts = itertools.product(range(m), range(n))
        z = np.stack([np.roll(image, shift, axis=(0, 1)) for shift in shifts])
        k0 = patches(z, 3)
        psi = k0[0, 0]
        offsets = (
            np.abs(np.arange(m)[:, None] - np.arange(m)),
            np.abs(np.arange(n)[:, None] - np.arange(n)),
        )
        stationary = psi[offsets[0][:, None, :, None], offsets[1][None, :, None, :]]
        np.testing.assert_allclose(k0, stationary, atol=1e-10)
        expected = psi[0, 0] * kappa(slope, depth, stationary / psi[0, 0])
        ntk = of_prior(convolutional(slope, depth, 3, m * n), z)
        np.testing.assert_allclose(ntk, expected, atol=1e-6 * expected.max())


class TestAppendixL:
    @pytest.fixture
    def before(self, x64):
        """A kernel before the layer, and as (H, W, H, W)."""
        z = np.random.default_rng(0).standard_normal((1, 4, 4, 2))
        conv = stax.Conv(1, (3, 3), padding="CIRCULAR")
        k = by_operation(stax.serial(conv, stax.Relu(), conv)[2])(z)
        return k, np.asarray(k.ntk)[0, 0].transpose(0, 2, 1, 3)

    @staticmethod
    def check(layer, before, expected):
        after = exact_kernels(by_operation(layer[2]), before)["ntk"][0, 0].transpose(0, 2, 1, 3)
        assert after.shape == expected.shape
        np.testing.assert_allclose(after, expected, atol=1e-13)

    def test_downsampling(self, before):
        k, ntk = before
        self.check(stax.Subsample(2), k, ntk[::2, ::2, ::2, ::2])

    def test_nearest_neighbor_upsampling(self, before):
        k, ntk = before
        half = np.arange(8) // 2
        self.check(stax.NearestUpsample(2), k, ntk[np.ix_(half, half, half, half)])

    def test_bilinear_upsampling(self, before):
        """Lambda as printed, but X and Y measure distances to i and j, not to r and c."""
        k, ntk = before
        d = 4
        alpha = (d - 1) / (2 * d - 1)
        taps = np.zeros((2 * d, d))
        for i in range(2 * d):
            r = math.floor(alpha * i + 1e-12)
            lower, upper = r / alpha, (r + 1) / alpha
            for a, weight in enumerate([upper - i, i - lower]):
                if r + a < d:  # at the last pixel the second weight is zero
                    taps[i, r + a] = weight / (upper - lower)
        expected = np.einsum("ai,bj,ijkl,ck,dl->abcd", taps, taps, ntk, taps, taps)
        self.check(stax.BilinearUpsample(2, align_corners=True), k, expected)
