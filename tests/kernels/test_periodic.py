"""Periodic kernels against the recursion over all pixel pairs, and as linear operators."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from kernels.reference import grid_kernels

from ntkmc import memory
from ntkmc.architecture import (
    ArchitectureError,
    Conv,
    Downsample,
    Erf,
    LeakyRelu,
    Relu,
    Sequential,
    Upsample,
    autoencoder,
)
from ntkmc.kernels import GridKernel, PeriodicKernel, padded_shape, predicted_bytes
from ntkmc.kernels.operator import KernelOperator
from ntkmc.priors import IIDNormal, IIDUniform

UNIFORM = IIDUniform(0.0, 0.1)
CASES = {
    "two levels": (autoencoder(2), (8, 12), UNIFORM),
    "filter 5, three levels": (autoencoder(3, filter_size=5), (16, 16), UNIFORM),
    "notebook network": (autoencoder(2, convs_per_level=1), (8, 8), UNIFORM),
    "three convolutions": (autoencoder(1, convs_per_level=3, negative_slope=0.0), (6, 4), UNIFORM),
    "bilinear, two levels": (autoencoder(2, upsampling="bilinear"), (20, 20), UNIFORM),
    "bilinear, filter 5": (
        autoencoder(2, upsampling="bilinear", filter_size=5),
        (20, 24),
        UNIFORM,
    ),
    "factor three": (
        Sequential(
            [
                *(Conv(5), Relu(), Downsample(3), Conv(3), LeakyRelu(0.2)),
                *(Upsample(3), Conv(3), Relu(), Conv(5)),
            ]
        ),
        (9, 15),
        IIDNormal(0.0, 1.0),
    ),
    "bilinear factor three, then nearest": (
        Sequential(
            [
                *(Conv(3, stride=6), Relu(), Conv(3), Relu()),
                *(Upsample(3, "bilinear"), Conv(3), Relu(), Upsample(2), Conv(3), Relu(), Conv(3)),
            ]
        ),
        (24, 24),
        UNIFORM,
    ),
    "erf, nearest then bilinear": (
        Sequential(
            [
                *(Conv(3, stride=2), Erf(), Downsample(2), Conv(3), Erf()),
                *(Upsample(2), Conv(3), Erf(), Upsample(2, "bilinear"), Conv(3), Erf(), Conv(3)),
            ]
        ),
        (24, 20),
        IIDNormal(0.3, 2.0),
    ),
    "no upsampling": (Sequential([Conv(3), Relu(), Conv(1)]), (3, 5), IIDNormal(0.5, 1.0)),
    "a signal": (autoencoder(3), (24,), UNIFORM),
    "a signal, bilinear": (autoencoder(2, upsampling="bilinear"), (24,), UNIFORM),
    "a volume": (autoencoder(2), (8, 12, 8), UNIFORM),
    "a volume, bilinear": (autoencoder(1, upsampling="bilinear"), (8, 8, 10), UNIFORM),
    "levels by axis": (autoencoder((1, 3), filter_size=(3, 5)), (6, 16), UNIFORM),
    "no level along an axis": (autoencoder((0, 2), upsampling="bilinear"), (5, 20), UNIFORM),
    "a volume, levels by axis": (autoencoder((2, 0, 1), filter_size=(3, 1, 3)), (8, 3, 6), UNIFORM),
    "a volume, bilinear, levels by axis": (
        autoencoder((0, 1, 2), 1, upsampling="bilinear"),
        (3, 8, 20),
        UNIFORM,
    ),
    "factors and methods by axis": (
        Sequential(
            [
                *(Conv((3, 1)), Relu(), Downsample((3, 2)), Conv(3), LeakyRelu(0.2)),
                *(Upsample((1, 2), "bilinear"), Conv((1, 3)), Relu(), Upsample((3, 1)), Conv(3)),
            ]
        ),
        (9, 14),
        IIDNormal(0.3, 1.0),
    ),
}


@pytest.mark.parametrize(
    ("case", "dtype", "rtol"),
    [
        *((case, "float64", 1e-14) for case in CASES),
        # Some: the code is the same.
        *(
            (case, "float32", 1e-6)
            for case in [*list(CASES)[2::3], "a volume", "a volume, levels by axis"]
        ),
    ],
)
def test_equals_the_recursion_over_all_pairs(case, dtype, rtol, x64):
    network, shape, prior = CASES[case]
    expected = grid_kernels(network, shape, prior.same, prior.different)
    kernels = PeriodicKernel.build_both(network, shape, prior, dtype)
    pixels, n = np.ix_(*map(np.arange, shape)), math.prod(shape)
    everywhere = tuple(side.reshape(side.shape + (1,) * len(shape)) for side in pixels)
    images = np.random.default_rng(0).standard_normal((2, *shape))
    for kernel, truth in zip(kernels, expected, strict=True):
        scale = np.abs(truth).max()
        entries = kernel.entries(everywhere, pixels)
        assert entries.dtype == dtype
        np.testing.assert_allclose(entries, truth, rtol=0, atol=rtol * scale)
        matrix = truth.reshape(n, n)
        product = (images.reshape(2, n) @ matrix).reshape(images.shape)
        np.testing.assert_allclose(
            kernel.matvec(jnp.asarray(images)), product, rtol=0, atol=5 * rtol * abs(product).max()
        )
        np.testing.assert_allclose(
            kernel.diagonal, np.diagonal(matrix).reshape(shape), rtol=0, atol=rtol * scale
        )
        pixel = tuple(range(1, 1 + len(shape)))
        np.testing.assert_allclose(kernel.row(pixel), truth[pixel], rtol=0, atol=rtol * scale)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("upsampling", ["nearest", "bilinear"])
def test_what_never_met_adds_nothing_indefinite(upsampling, dtype, x64):
    """Values for pixels that never met are a product L L', to rounding, of few columns."""
    network = autoencoder(2, upsampling=upsampling)
    shape = (4 * padded_shape(network, (1, 1))[0],) * 2
    kernel = PeriodicKernel.build(network, shape, dtype=dtype)
    far = np.asarray(kernel.far, np.float64)
    period = math.isqrt(len(far))
    here = np.unravel_index(np.arange(len(far)), (period, period))
    there = tuple(side + shape[0] // 2 for side in here)
    values = np.asarray(kernel.dense(here, there), np.float64)
    # 16 units where the factor stops, and those that the table itself and the product err by.
    assert abs(far @ far.T - values).max() <= 32 * np.finfo(dtype).eps * abs(values).max()
    if upsampling == "nearest":
        assert far.shape == (1, 1)
    else:
        assert far.shape[1] < len(far)


def test_one_kind_is_the_same_as_both():
    both = PeriodicKernel.build_both(autoencoder(2), (8, 8))
    for kind in ("nngp", "ntk"):
        alone = PeriodicKernel.build(autoencoder(2), (8, 8), kind=kind)
        np.testing.assert_array_equal(alone.table, getattr(both, kind).table)


def test_is_a_pytree_operator_that_jit_takes():
    kernel = PeriodicKernel.build(autoencoder(2), (8, 12))
    assert isinstance(kernel, KernelOperator)
    image = jnp.asarray(np.random.default_rng(0).standard_normal((8, 12)), jnp.float32)
    jitted = jax.jit(lambda kernel, image: kernel.matvec(image))(kernel, image)
    np.testing.assert_allclose(jitted, kernel.matvec(image), rtol=1e-6)
    assert jitted.shape == (8, 12)
    leaves, tree = jax.tree.flatten(kernel)
    assert kernel.memory_bytes == sum(leaf.nbytes for leaf in leaves)
    assert jax.tree.unflatten(tree, leaves).shape == (8, 12)


def test_dense_is_symmetric_and_agrees_with_matvec(x64):
    kernel = PeriodicKernel.build(autoencoder(3), (16, 32), dtype="float64")
    mask = np.random.default_rng(1).random((16, 32)) < 0.3
    pixels = np.nonzero(mask)
    dense = np.asarray(kernel.dense(pixels, pixels))
    np.testing.assert_allclose(dense, dense.T, rtol=1e-13)
    assert np.linalg.eigvalsh(dense)[0] > 0
    weights = np.random.default_rng(2).standard_normal(len(dense))
    image = np.zeros((16, 32))
    image[mask] = weights
    np.testing.assert_allclose(np.asarray(kernel.matvec(jnp.asarray(image)))[mask], dense @ weights)


@pytest.mark.parametrize("upsampling", ["nearest", "bilinear"])
def test_one_table_serves_every_resolution(upsampling):
    """The expansion theorem (SI appendix M): entries do not depend on the size of the torus."""
    network = autoencoder(3, upsampling=upsampling)
    small = PeriodicKernel.build(network, padded_shape(network, (1, 1)))
    shape = (small.shape[0] + 16, small.shape[1] + 8)
    large = PeriodicKernel.build(network, shape)
    np.testing.assert_array_equal(small.table, large.table)
    np.testing.assert_array_equal(small.on(shape).row((5, 6)), large.row((5, 6)))
    with pytest.raises(ValueError, match="multiples of 8"):
        small.on((60, 64))


@pytest.mark.slow
def test_stack_of_images_too_large_for_one_go_gives_the_same(monkeypatch):
    kernel = PeriodicKernel.build(autoencoder(2), (16, 16))
    images = jnp.asarray(np.random.default_rng(0).standard_normal((5, 16, 16)), jnp.float32)
    expected = kernel.matvec(images)
    monkeypatch.setattr("ntkmc.kernels._blocks.WINDOW_BYTES", 1)
    jax.clear_caches()
    np.testing.assert_allclose(kernel.matvec(images), expected, rtol=1e-5, atol=1e-5)
    jax.clear_caches()


def test_float64_images_are_accumulated_in_float64(x64):
    """The far part multiplies a sum over the image: it must not be rounded to float32."""
    kernel = PeriodicKernel.build(autoencoder(2), (64, 64))
    image = np.random.default_rng(0).standard_normal((64, 64))
    image -= image.mean()
    shifted = np.asarray(
        kernel.matvec(jnp.asarray(image + 1e4)) - kernel.matvec(jnp.asarray(image))
    )
    ones = np.asarray(kernel.matvec(jnp.full((64, 64), 1e4)))
    np.testing.assert_allclose(shifted, ones, rtol=1e-7)


@pytest.mark.parametrize(
    ("network", "shape", "message"),
    [
        (Sequential([Conv(3, padding="same")]), (8, 8), r"layer 0 .*padding is not circular"),
        (
            Sequential([Conv(3), Relu(), Upsample(2), Downsample(2), Conv(3)]),
            (8, 8),
            r"layer 3 .*after an upsampling",
        ),
        (
            autoencoder(1, upsampling="bilinear_align_corners"),
            (8, 8),
            r"layer 5 .*does not commute with shifts; GridKernel covers it",
        ),
        (autoencoder(2), (4, 8), r"pass \(8, 8\)"),
        (autoencoder(2), (4, 8, 8), r"pass \(8, 8, 8\)"),
    ],
)
def test_networks_and_shapes_it_does_not_cover(network, shape, message):
    with pytest.raises(ValueError, match=message):
        PeriodicKernel.build(network, shape)


def test_odd_size_at_a_subsampling_names_the_layer():
    with pytest.raises(ArchitectureError, match=r"layer \d+ \(Downsample"):
        PeriodicKernel.build(autoencoder(2), (10, 8))


def test_other_arguments_are_checked():
    with pytest.raises(ValueError, match="kind was 'cntk'"):
        PeriodicKernel.build(autoencoder(1), (4, 4), kind="cntk")
    with pytest.raises(ValueError, match="dtype was float16"):
        PeriodicKernel.build(autoencoder(1), (4, 4), dtype="float16")
    with pytest.raises(ValueError, match="jax_enable_x64"):
        PeriodicKernel.build(autoencoder(1), (4, 4), dtype="float64")
    kernel = PeriodicKernel.build(autoencoder(1), (4, 4))
    with pytest.raises(ValueError, match="images have shape"):
        kernel.matvec(jnp.zeros((8, 8)))


PAIRS = np.array([(0, 1), (2, 3), (1, 1), (3, 0), (2, 2)])


@pytest.mark.parametrize(
    "build",
    [
        lambda network: PeriodicKernel.build(network, (4, 4)),
        lambda network: GridKernel.build(network, np.ones((1, 4, 4))),
    ],
)
@pytest.mark.parametrize(
    ("ask", "words"),
    [
        (lambda kernel: kernel.dense(PAIRS, PAIRS), r"pixels_a was of shape \(5, 2\); pass \(rows"),
        (lambda kernel: kernel.dense(PAIRS.T, PAIRS[:1]), r"pixels_b was of shape \(1, 2\)"),
        (lambda kernel: kernel.entries((1, 2), PAIRS), r"pixels_b was of shape \(5, 2\)"),
        (
            lambda kernel: kernel.entries([(0, 1), (2, 3), (1, 1)], (1, 2)),
            r"pixels_a was \[\(0, 1\), ",
        ),
        (lambda kernel: kernel.row(3), r"pixel was 3; pass \(rows, columns\)"),
    ],
)
def test_pairs_in_place_of_rows_and_columns(ask, words, build, unchecked):
    kernel = build(autoencoder(1))
    np.testing.assert_array_equal(
        kernel.dense(PAIRS.T, PAIRS.T), kernel.dense((PAIRS[:, 0], PAIRS[:, 1]), tuple(PAIRS.T))
    )
    with pytest.raises(ValueError, match=words):
        ask(kernel)


def test_memory_is_predicted_and_refused_before_it_is_allocated(monkeypatch):
    needed = predicted_bytes(autoencoder(6))
    assert 2e8 < needed < 2e9
    monkeypatch.setattr(memory, "available_bytes", lambda: needed - 1)
    with pytest.raises(memory.NotEnoughMemoryError, match="fewer levels"):
        PeriodicKernel.build(autoencoder(6), (128, 128))
    kernel = PeriodicKernel.build(autoencoder(1), (256, 256))
    pixels = tuple(side.ravel() for side in np.indices((256, 256)))
    with pytest.raises(memory.NotEnoughMemoryError, match="dense 65536 x 65536"):
        kernel.dense(pixels, pixels)


@pytest.mark.parametrize("name", ["two levels", "bilinear, two levels", "a volume, bilinear"])
def test_without_what_all_pixels_have_in_common_it_is_positive_semidefinite(name):
    network, shape, prior = CASES[name]
    kernel = PeriodicKernel.build(network, shape, prior)
    where = tuple(side.ravel() for side in np.indices(shape))
    matrix = np.asarray(kernel.dense(where, where), np.float64)
    spectrum = np.linalg.eigvalsh((matrix + matrix.T) / 2 - kernel.common)
    assert spectrum[0] > -1e-6 * matrix[0, 0]
    far = np.asarray(kernel.far, np.float64)
    far = far @ far.T
    if far.size == 1:
        assert kernel.common == pytest.approx(far[0, 0], rel=1e-5)
    assert 0 < kernel.common <= far.min() * (1 + 1e-6)
