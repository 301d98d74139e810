"""Grid kernels against neural-tangents' own kernel of the same network and prior."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ntkmc import stax
from ntkmc.architecture import Conv, Downsample, Erf, LeakyRelu, Relu, Upsample, autoencoder
from ntkmc.kernels import GridKernel

PADDINGS = {"circular": "CIRCULAR", "same": "SAME"}


def translate(network, shape):
    """A network in neural-tangents' own layers; a subsampling becomes its convolution's stride."""
    layers, (height, width) = [], shape
    steps = list(network)
    while steps:
        match steps.pop(0):
            case Conv(filter_size=size, padding=padding):
                stride = 1
                if len(steps) > 1 and isinstance(steps[1], Downsample):
                    stride = steps.pop(1).factor
                    height, width = height // stride, width // stride
                layers.append(
                    stax.Conv(1, (size, size), (stride, stride), padding=PADDINGS[padding])
                )
            case Upsample(factor=factor, method=method):
                height, width = factor * height, factor * width
                method = {"nearest": "nearest", "bilinear": "linear"}[method]
                layers.append(stax.ImageResize((-1, height, width, -1), method))
            case Relu():
                layers.append(stax.ABRelu(0, np.sqrt(2)))
            case LeakyRelu(negative_slope=slope):
                c = np.sqrt(2 / (1 + slope**2))
                layers.append(stax.ABRelu(slope * c, c))
            case Erf():
                layers.append(stax.Erf())
    return stax.serial(*layers)[2]


# Bilinear: jax.image.resize repeats the edge, as ours does unless the network is circular.
@pytest.mark.parametrize(
    "network",
    [
        autoencoder(2, negative_slope=0.1),
        autoencoder(2, negative_slope=0.0, filter_size=5, padding="same"),
        autoencoder(1, upsampling="bilinear", padding="same"),
    ],
)
def test_equal(network, x64):
    z = np.random.default_rng(0).random((3, 8, 12))
    # neural-tangents strides begin so that the *last* row of the last filter is at the edge: the
    # mirror image of ours.
    mirrored = jnp.asarray(z[:, ::-1, ::-1].transpose(1, 2, 0)[None])
    kernel_fn = translate(network, z.shape[1:])
    kernels = jax.jit(lambda z: kernel_fn(z, None, ("nngp", "ntk")))(mirrored)
    for kind in ("nngp", "ntk"):
        theirs = np.asarray(getattr(kernels, kind))[0, 0].transpose(0, 2, 1, 3)
        theirs = theirs[::-1, ::-1, ::-1, ::-1]
        ours = np.asarray(GridKernel.build(network, z, kind, "float64").matrix)
        # neural-tangents computes 1 - correlation by subtraction: half of the digits
        np.testing.assert_allclose(ours, theirs.reshape(ours.shape), rtol=1e-7)
