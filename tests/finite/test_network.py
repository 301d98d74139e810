"""Networks of finite width against the same sums written out with jax.lax and SciPy."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.ndimage
from compiled import by_operation
from flax import nnx

from ntkmc import autoencoder
from ntkmc._random import normal
from ntkmc.architecture import (
    ArchitectureError,
    Conv,
    Downsample,
    Erf,
    Identity,
    LeakyRelu,
    Relu,
    Sequential,
    Upsample,
)
from ntkmc.finite import from_architecture

PADDINGS = ("circular", "same", "reflect")
NUMPY_PADDINGS = {"circular": "wrap", "same": "constant", "reflect": "reflect"}


def features(height=8, width=12, channels=3, batch=1):
    return normal(jax.random.key(7), (batch, height, width, channels))


def convolve(x, kernel, stride, padding):
    """A convolution of (n, h, w, c), centred at multiples of the stride."""
    reach = kernel.shape[0] // 2
    x = np.pad(np.asarray(x), ((0, 0), (reach,) * 2, (reach,) * 2, (0, 0)), NUMPY_PADDINGS[padding])
    windows = np.lib.stride_tricks.sliding_window_view(x, kernel.shape[:2], axis=(1, 2))
    return np.einsum("nhwckl,klcd->nhwd", windows[:, ::stride, ::stride], kernel)


@by_operation
def output(module, x):
    return module(x)


@pytest.mark.parametrize(
    ("padding", "upsampling", "skip_channels"),
    [("circular", "nearest", 0), ("same", "bilinear", 0), ("reflect", "bilinear", 2)],
)
def test_shapes(padding, upsampling, skip_channels):
    network = autoencoder(2, upsampling=upsampling, padding=padding)
    module = from_architecture(network, 5, 3, 4, skip_channels=skip_channels, rngs=nnx.Rngs(0))
    x = features(batch=2)
    assert jax.eval_shape(lambda module: module(x), module).shape == (2, 8, 12, 4)


@pytest.mark.parametrize(
    ("padding", "stride", "parameterization"),
    [
        *((padding, stride, "ntk") for padding in PADDINGS for stride in (1, 2)),
        ("circular", 1, "standard"),
    ],
)
def test_output_is_that_of_the_written_out_network(padding, stride, parameterization):
    layers = [
        Conv(3, stride, padding),
        Relu(),
        Conv(5, padding=padding),
        LeakyRelu(0.2),
        Upsample(2) if stride == 2 else Identity(),
        Conv(1),
        Erf(),
        Conv(3, padding=padding),
    ]
    module = from_architecture(
        Sequential(layers), 6, 3, 2, parameterization=parameterization, rngs=nnx.Rngs(1)
    )
    kernels = [np.asarray(c.conv.kernel[...]) for c in module.convolutions]
    if parameterization == "ntk":  # 1 / sqrt(fan-in): W_std is 1 and there is no bias
        kernels = [k / np.sqrt(np.prod(k.shape[:3])) for k in kernels]
    x = convolve(features(), kernels[0], stride, padding)
    x = np.sqrt(2) * np.maximum(x, 0)
    x = convolve(x, kernels[1], 1, padding)
    x = np.sqrt(2 / 1.04) * np.maximum(x, 0.2 * x)
    x = x.repeat(stride, axis=1).repeat(stride, axis=2)
    x = convolve(x, kernels[2], 1, padding)
    x = scipy.special.erf(x)
    x = convolve(x, kernels[3], 1, padding)
    np.testing.assert_allclose(output(module, features()), x, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("parameterization", ["ntk", "standard"])
def test_weights_are_drawn_with_the_right_variance(parameterization):
    module = from_architecture(
        autoencoder(1), 64, 32, parameterization=parameterization, rngs=nnx.Rngs(2)
    )
    for convolution in module.convolutions:
        kernel = np.asarray(convolution.conv.kernel[...])
        fan_in = np.prod(kernel.shape[:3])
        expected = 1 if parameterization == "ntk" else 1 / fan_in
        # a variance of n normal numbers has the relative standard deviation sqrt(2 / n)
        assert abs(kernel.var() / expected - 1) < 4 * np.sqrt(2 / kernel.size)


@pytest.mark.parametrize("factor", [2, 3, 4])
@pytest.mark.parametrize("padding", PADDINGS)
def test_bilinear_upsampling_is_scipys_half_pixel_interpolation(factor, padding):
    layers = [Conv(1, padding=padding), Upsample(factor, "bilinear"), Conv(1, padding=padding)]
    module = from_architecture(Sequential(layers), 1, 1, rngs=nnx.Rngs(3))
    for convolution in module.convolutions:
        convolution.conv.kernel[...] = jnp.ones((1, 1, 1, 1))
    x = features(5, 4, 1)
    places = [(np.arange(side * factor) + 0.5) / factor - 0.5 for side in x.shape[1:3]]
    boundary = "grid-wrap" if padding == "circular" else "nearest"
    expected = scipy.ndimage.map_coordinates(
        np.asarray(x[0, :, :, 0]), np.meshgrid(*places, indexing="ij"), order=1, mode=boundary
    )
    np.testing.assert_allclose(output(module, x)[0, :, :, 0], expected, atol=1e-6)


def test_subsampling_keeps_the_first_of_each_block():
    module = from_architecture(
        Sequential([Conv(1), Downsample(3), Conv(1)]), 1, 1, rngs=nnx.Rngs(4)
    )
    for convolution in module.convolutions:
        convolution.conv.kernel[...] = jnp.ones((1, 1, 1, 1))
    x = features(6, 9, 1)
    np.testing.assert_allclose(output(module, x), x[:, ::3, ::3])


def test_batch_norm_makes_every_channel_standard():
    module = from_architecture(
        autoencoder(1), 16, 3, batch_norm=True, sigmoid=True, rngs=nnx.Rngs(5)
    )
    y = np.asarray(output(module.convolutions[0], features(batch=2)))
    np.testing.assert_allclose(y.mean(axis=(0, 1, 2)), 0, atol=1e-5)
    np.testing.assert_allclose(y.var(axis=(0, 1, 2)), 1, rtol=1e-3)
    assert module.convolutions[-1].norm is None
    squashed = np.asarray(output(module, features()))
    assert squashed.min() > 0
    assert squashed.max() < 1


def test_skip_connections_bring_the_encoder_to_its_level():
    """With all else zero, what is concatenated is the activated 1x1 convolution."""
    network = Sequential([Conv(1), Relu(), Downsample(2), Conv(1), Relu(), Upsample(2), Conv(1)])
    module = from_architecture(network, 3, 3, 2, skip_channels=2, rngs=nnx.Rngs(6))
    assert [c.conv.kernel.shape[2:] for c in module.convolutions] == [(3, 3), (3, 3), (5, 2)]
    module.convolutions[1].conv.kernel[...] = jnp.zeros((1, 1, 3, 3))
    last = jnp.zeros((5, 2)).at[3:].set(np.sqrt(5) * np.eye(2))
    module.convolutions[2].conv.kernel[...] = last[None, None]
    x = features()
    first, skip = (
        np.asarray(c.conv.kernel[0, 0]) for c in (module.convolutions[0], module.skips[0])
    )
    hidden = np.sqrt(2) * np.maximum(np.asarray(x) @ first / np.sqrt(3), 0)
    branch = np.sqrt(2) * np.maximum(hidden @ skip / np.sqrt(3), 0)
    np.testing.assert_allclose(output(module, x), branch, rtol=1e-4, atol=1e-5)


def test_the_same_seed_gives_the_same_network():
    draws = [
        output(from_architecture(autoencoder(1), 4, 3, rngs=nnx.Rngs(s)), features())
        for s in (0, 0, 1)
    ]
    np.testing.assert_array_equal(draws[0], draws[1])
    assert not np.allclose(draws[0], draws[2])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"network": [Conv(3)]}, "pass a Sequential"),
        ({"network": Sequential([Conv(3), Relu()])}, "an activation follows the last convolution"),
        ({"network": Sequential([])}, "no convolution"),
        ({"width": 0}, "width was 0"),
        ({"width": 2.5}, "width was 2.5"),
        ({"in_channels": 0}, "in_channels was 0"),
        ({"out_channels": True}, "out_channels was True"),
        ({"skip_channels": -1}, "skip_channels was -1"),
        ({"parameterization": "mup"}, "parameterization was 'mup'; pass one of ntk, standard"),
        (
            {"network": Sequential([Conv(3), Upsample(2), Conv(3)]), "skip_channels": 2},
            r"layer 1 .*no subsampling by 2",
        ),
        (
            {"network": Sequential([Conv(3), Downsample(2), Conv(3)]), "skip_channels": 2},
            "1 of the subsamplings have no upsampling",
        ),
        (
            {"network": Sequential([Conv(3, 2), Upsample(2)]), "skip_channels": 2},
            "no convolution follows",
        ),
    ],
)
def test_refusals(unchecked, change, message):
    arguments = {"network": autoencoder(1), "width": 4, "in_channels": 3} | change
    with pytest.raises(ArchitectureError, match=message):
        from_architecture(**arguments, rngs=nnx.Rngs(0))


def test_features_that_do_not_fit():
    module = from_architecture(autoencoder(2), 4, 3, rngs=nnx.Rngs(0))
    with pytest.raises(ArchitectureError, match=r"features have 2 channels and .* made for 3; p"):
        module(features(channels=2))
    with pytest.raises(ArchitectureError, match="features hold values that are NaN or infinite"):
        module(features().at[0, 1, 2, 0].set(jnp.nan))
    with pytest.raises(ArchitectureError, match="multiple of 4"):
        module(features(10))
