"""Grid kernels against the recursion over all pixel pairs, other builders, and as operators."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from kernels.reference import grid_kernels, kernels_of

from ntkmc import memory
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
    autoencoder,
)
from ntkmc.kernels import GridKernel, PeriodicKernel
from ntkmc.kernels.grid import predicted_bytes
from ntkmc.kernels.operator import KernelOperator
from ntkmc.priors import IIDNormal, IIDUniform, identity, meshgrid, uniform

PADDINGS = ("circular", "same", "reflect")
UPSAMPLINGS = ("nearest", "bilinear", "bilinear_align_corners")


def features(shape, channels=2, seed=0):
    return np.random.default_rng(seed).random((channels, *shape))


def covariance(z):
    return np.einsum("cij,ckl->ijkl", z, z) / len(z)


def relative_error(kernel, truth):
    shape = (*kernel.shape, *kernel.shape)
    return np.abs(np.asarray(kernel.matrix).reshape(shape) - truth).max() / np.abs(truth).max()


def assert_equals_recursion(
    network, z, kinds=("ntk",), cases=(("float64", 1e-14), ("float32", 1e-6))
):
    """The NNGP is a part of the NTK, and has to be looked at by itself only here and there."""
    truths = dict(zip(("nngp", "ntk"), kernels_of(network, covariance(z)), strict=True))
    for dtype, tolerance in cases:
        for kind in kinds:
            kernel = GridKernel.build(network, z, kind, dtype)
            assert kernel.dtype == dtype
            assert relative_error(kernel, truths[kind]) < tolerance


# The reference itself rounds arccos near 1: sqrt(eps) of a small share of the kernel.
@pytest.mark.slow
@pytest.mark.parametrize(
    ("padding", "upsampling", "filter_size"),
    [
        *((padding, upsampling, 3) for padding in PADDINGS for upsampling in UPSAMPLINGS),
        *((padding, "nearest", 5) for padding in PADDINGS),
    ],
)
def test_equals_the_recursion_over_all_pairs(padding, upsampling, filter_size, x64):
    levels = 2 if filter_size == 3 else 1
    network = autoencoder(
        levels, filter_size=filter_size, upsampling=upsampling, padding=padding, negative_slope=0.2
    )
    assert_equals_recursion(network, features((8, 12)))


@pytest.mark.parametrize(
    ("network", "shape"),
    [
        (Sequential([Conv(1)]), (3, 5)),
        (Sequential([Conv(7), Relu(), Conv(3, padding="same")]), (3, 5)),
        (Sequential([Identity(), Conv(3, stride=2, padding="same"), Erf(), Conv(3)]), (4, 6)),
        (Sequential([Downsample(2), Conv(3), Erf(), Upsample(3), Conv(3)]), (4, 6)),
        (Sequential([Upsample(2), Downsample(2), Conv(3), Relu(), Conv(5)]), (4, 6)),
        (Sequential([Upsample(2, "bilinear"), Conv(3), Upsample(2), Relu(), Conv(3)]), (2, 3)),
        (Sequential([Conv(3, padding="same"), Upsample(2, "bilinear"), Relu(), Conv(3)]), (2, 3)),
        (Sequential([Conv(3), Relu(), Conv(3, stride=3), Upsample(3)]), (6, 3)),
        (Sequential([Conv(3), Upsample(2, "bilinear_align_corners"), Downsample(2)]), (1, 4)),
        (Sequential([Conv(3, padding="reflect"), Relu(), Upsample(3), Conv(3)]), (4, 2)),
        (autoencoder((2, 1), filter_size=(1, 3), upsampling="bilinear", padding="same"), (4, 6)),
        (Sequential([Conv((5, 3), padding="reflect"), Relu(), Upsample((1, 2)), Conv(3)]), (4, 2)),
    ],
)
def test_layers_in_any_order_odd_sizes_and_mixed_paddings(network, shape, x64):
    assert_equals_recursion(network, features(shape), ("nngp", "ntk"))


@pytest.mark.parametrize("prior", [identity, meshgrid])
@pytest.mark.parametrize("padding", PADDINGS)
def test_priors_with_equal_and_with_empty_pixels(prior, padding, x64):
    """Most correlations are 0 / 0 or 1 between different pixels: half of the digits there."""
    z = np.asarray(prior((8, 8)), float)
    cases = (("float64", 1e-7), ("float32", 1e-4))
    assert_equals_recursion(autoencoder(1, padding=padding), z, cases=cases)


def test_a_pixel_that_sees_only_zeros_has_no_kernel():
    z = np.zeros((1, 8, 8))
    z[0, 2, 2] = 1
    kernel = GridKernel.build(Sequential([Conv(3), LeakyRelu(), Conv(3)]), z)
    assert np.isfinite(kernel.matrix).all()
    np.testing.assert_array_equal(kernel.diagonal > 0, np.indices((8, 8)).max(axis=0) < 5)
    np.testing.assert_allclose(kernel.row((6, 6)), 0, atol=1e-8)


def test_priors_of_very_small_values():
    z = features((4, 4))
    large, small = (GridKernel.build(autoencoder(1), scale * z) for scale in (1, 1e-12))
    np.testing.assert_allclose(small.matrix * 1e24, large.matrix, rtol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("upsampling", "kind", "dtype", "rtol"),
    [
        ("nearest", "nngp", "float32", 1e-6),
        ("bilinear", "ntk", "float64", 1e-14),
    ],
)
def test_infinitely_many_channels_give_the_periodic_kernel(upsampling, kind, dtype, rtol, x64):
    network, shape, prior = autoencoder(2, upsampling=upsampling), (20, 24), IIDUniform(0.0, 0.1)
    grid = GridKernel.build(network, prior, kind, dtype, shape=shape)
    periodic = PeriodicKernel.build(network, shape, prior, kind, dtype)
    pixels = tuple(side.ravel() for side in np.indices(shape))
    expected = np.asarray(periodic.dense(pixels, pixels))
    np.testing.assert_allclose(grid.matrix, expected, rtol=0, atol=rtol * expected.max())


def test_infinitely_many_channels_with_zero_padding(x64):
    network, prior = autoencoder(1, padding="same"), IIDNormal(0.3, 1.0)
    truth = grid_kernels(network, (6, 4), prior.same, prior.different)[1]
    kernel = GridKernel.build(network, prior, dtype="float64", shape=(6, 4))
    assert relative_error(kernel, truth) < 1e-14


def test_many_channels_approach_infinitely_many_at_the_monte_carlo_rate():
    network, shape = autoencoder(2), (16, 16)
    limit = np.asarray(GridKernel.build(network, IIDUniform(), shape=shape).matrix)
    channels = [16, 256, 4096]

    def error(count, seed):
        z = uniform(jax.random.key(seed), count, shape)
        return np.linalg.norm(GridKernel.build(network, z).matrix - limit) / np.linalg.norm(limit)

    errors = [np.sqrt(np.mean([error(c, s) ** 2 for s in range(4)])) for c in channels]
    slope = np.polyfit(np.log(channels), np.log(errors), 1)[0]
    assert -0.6 < slope < -0.4
    assert errors[-1] < 5e-3


def test_is_a_pytree_operator():
    kernel = GridKernel.build(autoencoder(1), features((4, 6)))
    assert isinstance(kernel, KernelOperator)
    images = np.random.default_rng(1).standard_normal((2, 4, 6))
    product = (images.reshape(2, -1) @ np.asarray(kernel.matrix, float)).reshape(2, 4, 6)
    jitted = jax.jit(lambda kernel, images: kernel.matvec(images))
    np.testing.assert_allclose(jitted(kernel, jnp.asarray(images)), product, rtol=1e-4)
    np.testing.assert_allclose(kernel.matvec(jnp.asarray(images[0])), product[0], rtol=1e-4)
    rows, columns = np.nonzero(images[0] > 0)
    dense = np.asarray(kernel.dense((rows, columns), (rows[:3], columns[:3])))
    np.testing.assert_array_equal(
        dense, kernel.matrix[6 * rows + columns][:, (6 * rows + columns)[:3]]
    )
    np.testing.assert_array_equal(kernel.row((1, 2)), kernel.matrix[8].reshape(4, 6))
    np.testing.assert_array_equal(kernel.diagonal.ravel(), jnp.diagonal(kernel.matrix))
    assert kernel.memory_bytes == 24**2 * 4
    assert kernel.shape == (4, 6)
    with pytest.raises(ValueError, match="images have shape"):
        kernel.matvec(jnp.zeros((6, 4)))


def test_float64_images_are_accumulated_in_float64(x64):
    kernel = GridKernel.build(autoencoder(1), features((16, 16)))
    image = jnp.asarray(1e4 + np.random.default_rng(0).standard_normal((16, 16)))
    product = np.asarray(kernel.matrix, np.float64) @ np.ravel(image)
    np.testing.assert_allclose(np.ravel(kernel.matvec(image)), product, rtol=1e-13)


@pytest.mark.slow
def test_blocks_of_any_size_give_the_same(monkeypatch):
    z, network = features((12, 8)), autoencoder(2, padding="same", upsampling="bilinear")
    expected = GridKernel.build(network, z).matrix
    monkeypatch.setattr("ntkmc.kernels._grid_recursion.BLOCK_BYTES", 4 * 81 * 7)
    monkeypatch.setattr("ntkmc.kernels._grid_state.BLOCK_BYTES", 8 * 81 * 5)
    heard = []
    kernel = GridKernel.build(network, z, progress=lambda *call: heard.append(call))
    np.testing.assert_allclose(kernel.matrix, expected, rtol=1e-5)
    assert heard[0][0] == "kernel"
    assert heard[-1][1] == heard[-1][2]
    assert [done for _, done, _ in heard] == sorted(done for _, done, _ in heard)


@pytest.mark.parametrize(
    ("prior", "shape", "message"),
    [
        (np.ones((8, 8)), None, r"array of shape \(8, 8\)"),
        (np.ones((0, 8, 8)), None, r"array of shape \(0, 8, 8\)"),
        (np.ones((1, 8, 8), complex), None, "type complex128"),
        (np.full((2, 8, 8), np.nan), None, r"prior\[0, 0, 0\] is not finite"),
        (np.zeros((1, 8, 8)), None, "zero everywhere"),
        (np.ones((1, 8, 8)), (8, 4), r"shape was \(8, 4\), and the prior has \(8, 8\)"),
        (IIDUniform(), None, "shape was None"),
    ],
)
def test_bad_priors(prior, shape, message, unchecked):
    with pytest.raises(ValueError, match=message):
        GridKernel.build(autoencoder(1), prior, shape=shape)


def test_other_arguments_are_checked():
    z = features((8, 8))
    with pytest.raises(ValueError, match="kind was 'cntk'"):
        GridKernel.build(autoencoder(1), z, "cntk")
    with pytest.raises(ValueError, match="dtype was float16"):
        GridKernel.build(autoencoder(1), z, dtype="float16")
    with pytest.raises(ArchitectureError, match=r"layer \d+ \(Downsample.*multiple of 4"):
        GridKernel.build(autoencoder(2), features((10, 8)))


def test_memory_is_predicted_and_refused_before_it_is_allocated(monkeypatch):
    needed = predicted_bytes(autoencoder(6), (128, 128))
    assert 1.5 * 2**30 < needed < 2 * 2**30
    monkeypatch.setattr(memory, "available_bytes", lambda: needed - 1)
    with pytest.raises(memory.NotEnoughMemoryError, match=r"128 x 128 pixels.*use a smaller image"):
        GridKernel.build(autoencoder(6), identity((128, 128)))
    kernel = GridKernel.build(autoencoder(1), features((4, 4)))
    monkeypatch.setattr(memory, "available_bytes", lambda: 100)
    with pytest.raises(memory.NotEnoughMemoryError, match="dense 4 x 4"):
        kernel.dense((np.arange(4), np.arange(4)), (np.arange(4), np.arange(4)))


def test_saved_kernels_come_back_and_others_are_refused(tmp_path, monkeypatch):
    network, z, path = autoencoder(1), features((4, 6)), tmp_path / "kernel.npz"
    kernel = GridKernel.build(network, z)
    kernel.save(path)
    assert [file.name for file in tmp_path.iterdir()] == ["kernel.npz"]
    loaded = GridKernel.load(path, network, z)
    np.testing.assert_array_equal(loaded.matrix, kernel.matrix)
    assert jax.tree.structure(loaded) == jax.tree.structure(kernel)

    for arguments, message in (
        ((autoencoder(1, negative_slope=0.1), z), r"its layer 1 is LeakyRelu.*0\.01"),
        ((autoencoder(1, convs_per_level=3), z), r"another network: its layer 4 is"),
        ((Sequential([*network, Conv(3)]), z), "it has 9 layers, and 10"),
        ((network, 2 * z), "its prior is 'features of shape .2, 4, 6., sha256"),
        ((network, z, "nngp"), "its kind is 'ntk', and 'nngp'"),
    ):
        with pytest.raises(ValueError, match=message):
            GridKernel.load(path, *arguments)
    with pytest.raises(ValueError, match=r"its prior is .*IIDUniform\(low=0.0, high=0.1\)"):
        GridKernel.load(path, network, IIDUniform(), shape=(4, 6))

    other = tmp_path / "other.npz"
    np.savez(other, matrix=np.eye(3))
    with pytest.raises(ValueError, match="no kernel that can be read"):
        GridKernel.load(other, network, z)
    other.write_bytes(path.read_bytes()[:500])
    with pytest.raises(ValueError, match="no kernel that can be read"):
        GridKernel.load(other, network, z)
    monkeypatch.setattr(memory, "available_bytes", lambda: 100)
    with pytest.raises(memory.NotEnoughMemoryError, match="the kernel in"):
        GridKernel.load(path, network, z)
