"""Priors of any size: the same kernel, or refused."""

import numpy as np
import pytest

from ntkmc import GridKernel, PeriodicKernel
from ntkmc.architecture import Conv, Downsample, LeakyRelu, Relu, Sequential, Upsample
from ntkmc.priors import IIDNormal, IIDUniform, meshgrid

NETWORK = Sequential(
    [Conv(3), LeakyRelu(0.1), Downsample(2), Conv(3), Relu(), Upsample(2), Conv(3)]
)
SHAPE = (8, 8)


@pytest.mark.parametrize("power", [-35, -20, 30, 45])
def test_powers_of_two_change_nothing_else(power):
    size = 2.0**power
    build = PeriodicKernel.build
    plain, scaled = (build(NETWORK, SHAPE, IIDUniform(-0.3 * s, 0.7 * s)) for s in (1, size))
    np.testing.assert_array_equal(scaled.table, np.float32(size * size) * plain.table)
    plain, scaled = (GridKernel.build(NETWORK, s * meshgrid(SHAPE)) for s in (1, size))
    np.testing.assert_array_equal(scaled.matrix, np.float32(size * size) * plain.matrix)


@pytest.mark.parametrize("size", [1e-200, 1e-20, 1e-14, 1e17, 1e25, 1e180])
def test_what_would_lose_digits_is_refused(size):
    for build in (
        lambda: PeriodicKernel.build(NETWORK, SHAPE, IIDNormal(size, size)),
        lambda: PeriodicKernel.build(NETWORK, SHAPE, IIDUniform(0.0, size)),
        lambda: GridKernel.build(NETWORK, IIDNormal(std=size), shape=SHAPE),
        lambda: GridKernel.build(NETWORK, size * np.asarray(meshgrid(SHAPE), np.float64)),
    ):
        with pytest.raises(
            ValueError, match=r"prior has the second moment .* float32 kernel takes"
        ):
            build()


def test_float64_reaches_further(x64):
    for size in (1e-60, 1e90):
        kernel = GridKernel.build(NETWORK, IIDNormal(std=size), dtype="float64", shape=SHAPE)
        plain = GridKernel.build(NETWORK, IIDNormal(), dtype="float64", shape=SHAPE)
        np.testing.assert_allclose(kernel.matrix / size / size, plain.matrix, rtol=1e-12)
