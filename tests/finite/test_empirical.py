"""Empirical kernels: against the Jacobian, and against the kernels they converge to."""

import jax
import numpy as np
import optax
import pytest
from compiled import by_operation
from flax import nnx

from ntkmc import PeriodicKernel, autoencoder, inpaint, memory
from ntkmc._random import normal
from ntkmc.architecture import Conv, LeakyRelu, Relu, Sequential, Upsample
from ntkmc.finite import empirical_kernel, from_architecture, sample_kernels, train
from ntkmc.kernels import padded_shape
from ntkmc.priors import IIDUniform, exact_features

PRIOR = IIDUniform(-0.5, 1.0)
NETWORKS = {
    "nearest": autoencoder(1),
    "bilinear": autoencoder(1, negative_slope=0.2, upsampling="bilinear"),
    "strided": Sequential([Conv(3, 2), Relu(), Upsample(2), Conv(3), LeakyRelu(), Conv(1)]),
}
SMALL = Sequential([Conv(3, 2), Relu(), Upsample(2), Conv(3), Relu(), Conv(1)])
BY_AXIS = autoencoder((0, 1, 1), 1, filter_size=(1, 3, 3), upsampling="bilinear")
OTHER_AXES = {
    "a signal": (NETWORKS["bilinear"], (12,)),
    "a volume": (SMALL, (4, 4, 4)),
    "levels by axis": (BY_AXIS, (2, 6, 6)),
}


def reference(network, shape, prior):
    kernels = PeriodicKernel.build_both(network, shape, prior)
    pixels = np.unravel_index(np.arange(np.prod(shape)), shape)
    return {
        kind: np.asarray(getattr(kernels, kind).dense(pixels, pixels)) for kind in ("nngp", "ntk")
    }


@pytest.mark.slow
@pytest.mark.parametrize(
    ("padding", "options"),
    [
        ("circular", {}),
        ("same", {}),
        ("reflect", {"batch_norm": True, "sigmoid": True, "skip_channels": 2}),
    ],
)
def test_tangent_kernel_is_that_of_the_jacobian(padding, options):
    network = autoencoder(1, upsampling="bilinear", padding=padding)
    module = from_architecture(network, 5, 3, 2, rngs=nnx.Rngs(0), **options)
    features = normal(jax.random.key(1), (4, 6, 3))
    graph, weights = nnx.split(module)
    jacobian = by_operation(
        jax.jacobian(lambda w: nnx.merge(graph, w)(features[None])[0].reshape(24, 2))
    )(weights)
    leaves = [np.reshape(leaf, (24, 2, -1)) for leaf in jax.tree.leaves(jacobian)]
    # the mean over the channels of the output
    expected = sum(np.einsum("xkp,ykp->xy", leaf, leaf) for leaf in leaves) / 2
    found = empirical_kernel(module, features)
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-4 * float(abs(expected).max()))


def test_nngp_is_the_mean_product_of_outputs():
    module = from_architecture(autoencoder(1), 5, 3, 7, rngs=nnx.Rngs(0))
    features = normal(jax.random.key(1), (4, 6, 3))
    output = by_operation(lambda module, x: module(x))(module, features[None])
    output = np.reshape(output, (24, 7))
    found = empirical_kernel(module, features, "nngp")
    np.testing.assert_allclose(found, output @ output.T / 7, rtol=1e-4, atol=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "kind", "draws"),
    [
        *((name, "ntk", 40) for name in NETWORKS),
        *((name, "nngp", 200) for name in ("nearest", "strided")),
        *((name, "ntk", 40 if name == "levels by axis" else 20) for name in OTHER_AXES),
        ("a volume", "nngp", 40),
    ],
)
def test_converges_to_the_infinite_width_kernel(name, kind, draws):
    """The mean over draws lies within its standard errors of the limit, entry by entry.

    The entries of one draw go up and down together, so that a bound on the largest of them is near
    the bound for a single one. At this width the bias, of order 1 / width, is below the noise.
    """
    network, shape = OTHER_AXES.get(name) or (NETWORKS[name], (4, 4))
    width = 128 if name in OTHER_AXES else 256
    shape = padded_shape(network, shape)
    limit = reference(network, shape, PRIOR)[kind]
    features, axes = exact_features(PRIOR, shape), len(shape)
    kernels = sample_kernels(network, width, features, kind, draws, seed=1, axes=axes)
    assert kernels.shape == (draws, *limit.shape)
    mean, error = kernels.mean(axis=0), kernels.std(axis=0, ddof=1) / np.sqrt(draws)
    assert abs((mean - limit) / error).max() < 4
    assert np.linalg.norm(mean - limit) < 0.05 * np.linalg.norm(limit)


@pytest.mark.slow
def test_error_falls_as_the_root_of_the_width():
    network, shape = autoencoder(1), (4, 4)
    limit = reference(network, shape, PRIOR)["ntk"]
    features = exact_features(PRIOR, shape)
    errors = [
        np.sqrt(((sample_kernels(network, width, features, draws=60) - limit) ** 2).mean())
        for width in (16, 128)
    ]
    # 8 times the width: a factor of sqrt(8), each of the two known to about 10%
    assert errors[0] / errors[1] == pytest.approx(np.sqrt(8), rel=0.35)


def test_draws_are_numbered_and_progress_hears_of_them():
    network = Sequential([Conv(3), Relu(), Conv(3)])
    features, heard = exact_features(PRIOR, (2, 2)), []
    three = sample_kernels(network, 4, features, draws=3, progress=lambda *call: heard.append(call))
    two = sample_kernels(network, 4, features, draws=2)
    np.testing.assert_array_equal(three[:2], two)
    assert heard == [("ntk, width 4", n, 3) for n in (1, 2, 3)]
    assert not np.allclose(three[0], three[1])


def test_refusals(monkeypatch):
    features = exact_features(PRIOR, (4, 4))
    module = from_architecture(autoencoder(1), 4, 17, rngs=nnx.Rngs(0))
    with pytest.raises(ValueError, match="kind was 'cntk'"):
        empirical_kernel(module, features, "cntk")
    with pytest.raises(ValueError, match="draws was 0"):
        sample_kernels(autoencoder(1), 4, features, draws=0)
    monkeypatch.setattr(memory, "available_bytes", lambda: 2**10)
    with pytest.raises(memory.NotEnoughMemoryError, match="smaller width"):
        empirical_kernel(module, features)
    with pytest.raises(memory.NotEnoughMemoryError, match="4 x 4 pixels"):
        sample_kernels(autoencoder(1), 4, features)


@pytest.mark.slow
def test_a_wide_network_trained_to_the_end_predicts_what_the_exact_solve_does():
    """What the package is about. Without the kernel's momentum steps it would take thousands."""
    side, prior = 8, IIDUniform(0.0, 0.3)
    network = autoencoder(2)
    y, x = np.mgrid[:side, :side]
    image = 0.5 + 0.3 * np.sin(y / 3) * np.cos(x / 4) + 0.1 * np.sin(1.7 * x + 0.5 * y)
    mask = np.random.default_rng(0).random((side, side)) < 0.5
    exact = inpaint(image, mask, network=network, prior=prior, margin=0)
    observed = np.nonzero(mask)
    largest = np.linalg.eigvalsh(np.asarray(exact.kernel.dense(observed, observed)))[-1]
    # Half of the largest step at which gradient descent on the mean square is stable.
    optimiser = optax.sgd(0.5 * mask.sum() / largest, momentum=0.9)
    features = exact_features(prior, (side, side))
    trained = []
    for seed in range(2):
        module = from_architecture(network, 256, features.shape[-1], rngs=nnx.Rngs(seed))
        result = train(module, features, image, mask, optimiser=optimiser, steps=200)
        assert result.history["loss"][-1] < 1e-3
        trained.append(result.prediction[~mask])
        # One network begins as a random function, which remains in what it has not seen.
        assert np.corrcoef(trained[-1], exact.prediction[~mask])[0, 1] > 0.95
    mean = np.mean(trained, axis=0)
    assert np.corrcoef(mean, exact.prediction[~mask])[0, 1] > 0.98
    assert np.abs(mean - exact.prediction[~mask]).mean() < 0.05
