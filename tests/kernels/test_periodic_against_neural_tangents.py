"""Periodic kernels against neural-tangents' own kernel of the same network on a finite prior."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ntkmc import stax
from ntkmc.architecture import Conv, LeakyRelu, Sequential, Upsample
from ntkmc.kernels import PeriodicKernel
from ntkmc.priors import IIDUniform

SHAPE = (8, 8)
PRIOR = IIDUniform(0.0, 0.1)
SLOPE = 0.1


def kernel_fn(method):
    """Two strided convolutions and two upsamplings, written in neural-tangents' own layers."""
    scale = np.sqrt(2 / (1 + SLOPE**2))

    def block(stride=1):
        conv = stax.Conv(1, (3, 3), (stride, stride), padding="CIRCULAR")
        return stax.serial(conv, stax.ABRelu(SLOPE * scale, scale))

    def up(side):
        return stax.ImageResize((-1, side, side, -1), method)

    last = stax.Conv(1, (3, 3), padding="CIRCULAR")
    layers = [block(2), block(2), up(4), block(), up(8), block(), last]
    return stax.serial(*layers)[2]


def ours(dtype):
    layers = [Conv(3, stride=2), LeakyRelu(SLOPE)] * 2
    layers += [Upsample(2), Conv(3), LeakyRelu(SLOPE)] * 2
    return PeriodicKernel.build_both(Sequential([*layers, Conv(3)]), SHAPE, PRIOR, dtype)


fn = jax.jit(lambda z: kernel_fn("nearest")(z[None], z[None], ("nngp", "ntk")))


def relative_errors(ours, z):
    """Of both kernels, for a prior z (H, W, channels)."""
    rows, columns = np.indices(SHAPE)
    here, there = (rows[:, :, None, None], columns[:, :, None, None]), (rows, columns)
    theirs = [np.asarray(kernel)[0, 0].transpose(0, 2, 1, 3) for kernel in fn(z)]
    pairs = zip((kernel.entries(here, there) for kernel in ours), theirs, strict=True)
    return np.array([np.linalg.norm(a - b) / np.linalg.norm(b) for a, b in pairs])


def test_equal_on_a_prior_with_exactly_its_covariance(x64):
    """A one-hot channel for each pixel and one constant channel: E[z z'] is C2 off the diagonal."""
    pixels = SHAPE[0] * SHAPE[1]
    channels = pixels + 1
    one_hot = np.sqrt(channels * (PRIOR.same - PRIOR.different)) * np.eye(pixels)
    constant = np.full((pixels, 1), np.sqrt(channels * PRIOR.different))
    z = np.concatenate([one_hot, constant], axis=1).reshape(*SHAPE, channels)
    # neural-tangents computes 1 - correlation by subtraction: half of the digits
    assert relative_errors(ours("float64"), jnp.asarray(z)).max() < 1e-8


@pytest.mark.slow
def test_approached_as_a_random_prior_gets_channels():
    def size_of_errors(channels):
        priors = (PRIOR.sample(jax.random.key(seed), (*SHAPE, channels)) for seed in range(20))
        errors = [relative_errors(ours("float32"), z) for z in priors]
        return np.sqrt(np.mean(np.square(errors), axis=0))

    few, many = size_of_errors(100), size_of_errors(1600)
    assert (many < 5e-3).all()
    # The Monte-Carlo rate: sixteen times the channels, a quarter of the error.
    assert (few / many > 2.5).all()
    assert (few / many < 6.5).all()
