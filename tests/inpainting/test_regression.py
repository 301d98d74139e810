"""Inpainting: pictures, formats, units, refusals, and the paper's two images."""

import functools

import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

import ntkmc
from ntkmc import autoencoder, inpaint, memory
from ntkmc.architecture import ArchitectureError, Conv, Sequential
from ntkmc.datasets import random_mask
from ntkmc.kernels import GridKernel
from ntkmc.metrics import psnr, ssim
from ntkmc.solvers import Cholesky, ConjugateGradient, SingularKernelError

NETWORK = autoencoder(2)


def smooth_image(height=20, width=26, channels=None):
    y, x = np.mgrid[:height, :width]
    image = 0.5 + 0.3 * np.sin(y / 4) * np.cos(x / 5)
    if channels is None:
        return image
    return np.stack([image * (1 - 0.2 * c) for c in range(channels)], axis=-1)


def half(image, seed=0):
    return np.random.default_rng(seed).random(image.shape[:2]) < 0.5


@pytest.mark.parametrize("channels", [None, 1, 3, 4])
@pytest.mark.parametrize("dtype", ["float32", "float64", "uint8", "uint16"])
def test_formats_and_any_size(channels, dtype):
    image = smooth_image(channels=channels)
    if np.issubdtype(dtype, np.integer):
        image = np.rint(image * np.iinfo(dtype).max)
    image = image.astype(dtype)
    mask = half(image)
    result = inpaint(image, mask, network=NETWORK)
    assert result.image.shape == result.prediction.shape == image.shape
    assert result.image.dtype == dtype
    np.testing.assert_array_equal(result.image[mask], image[mask])
    scale = np.iinfo(dtype).max if np.issubdtype(dtype, np.integer) else 1
    assert abs(result.image[~mask].astype(float) - image[~mask]).mean() < 0.02 * scale
    # zero training error: the network says what was observed
    np.testing.assert_allclose(result.prediction[mask], image[mask], atol=1e-3 * scale)


def test_missing_pixels_as_nan():
    image = smooth_image(channels=3)
    mask = half(image)
    holed = np.where(mask[..., None], image, np.nan)
    np.testing.assert_array_equal(
        inpaint(holed, network=NETWORK).image, inpaint(image, mask, network=NETWORK).image
    )
    # a mask of another type, NaN beneath the missing pixels
    np.testing.assert_array_equal(
        inpaint(holed, 255 * mask.astype(np.uint8), network=NETWORK).image,
        inpaint(image, mask, network=NETWORK).image,
    )


@pytest.mark.slow
def test_solvers_agree_and_auto_chooses_by_size(monkeypatch):
    image = smooth_image(40, 40)
    mask = half(image)
    pictures = {}
    for solver in ("auto", "cholesky", "conjugate_gradient", ConjugateGradient(rtol=1e-8)):
        result = inpaint(image, mask, network=NETWORK, solver=solver)
        pictures[str(solver)] = result.prediction
        if solver == "auto":
            assert result.solve.method == "cholesky"
    for picture in pictures.values():
        np.testing.assert_allclose(picture, pictures["cholesky"], atol=1e-4)
    monkeypatch.setattr("ntkmc.inpainting.settings.CHOLESKY_PIXELS", 100)
    assert inpaint(image, mask, network=NETWORK).solve.method == "conjugate_gradient"


def test_prediction_is_the_kernel_regression_of_the_paper(x64):
    """Eq. 4, of values less their mean: kernel between missing and observed, times weights."""
    image = smooth_image(16, 16)
    mask = half(image)
    result = inpaint(image, mask, network=NETWORK, dtype="float64", solver=Cholesky())
    seen, unseen = np.nonzero(mask), np.nonzero(~mask)
    mean = image[mask].mean()
    weights = np.linalg.solve(np.asarray(result.kernel.dense(seen, seen)), image[mask] - mean)
    np.testing.assert_allclose(result.solve.weights, weights, rtol=1e-6)
    expected = mean + np.asarray(result.kernel.dense(unseen, seen)) @ weights
    np.testing.assert_allclose(result.image[~mask], expected, rtol=1e-9)


FACTORS = st.builds(
    lambda sign, power: sign * 10.0**power, st.sampled_from((-1, 1)), st.floats(-6, 6)
)
OFFSETS = st.floats(-1e4, 1e4)  # in units of the factor


def assert_equivariant(complete, image, factor, offset):
    """What is made of a x + b is a times what is made of x, plus b; `complete` is of x = image."""
    unit, made = complete(image), complete(factor * (image + offset))
    tolerance = 1e-5 * abs(factor)
    np.testing.assert_allclose(made.image, factor * (unit.image + offset), rtol=0, atol=tolerance)
    np.testing.assert_allclose(
        made.prediction, factor * (unit.prediction + offset), rtol=0, atol=tolerance
    )
    assert made.network == unit.network
    if unit.std is not None:
        np.testing.assert_allclose(made.std, abs(factor) * unit.std, rtol=1e-3)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("channels", "settings_"),
    [
        (None, {"network": NETWORK, "return_std": True}),
        (3, {"network": NETWORK, "ridge": 1e-3, "return_std": True}),
        (None, {"network": autoencoder(2, upsampling="bilinear"), "ridge": 1e-4}),
        (3, {"network": NETWORK, "solver": "conjugate_gradient"}),
    ],
)
@settings(max_examples=4, deadline=None, derandomize=True)
@given(factor=FACTORS, offset=OFFSETS)
def test_an_image_may_be_in_any_units(channels, settings_, factor, offset):
    image = smooth_image(channels=channels)
    complete = functools.partial(inpaint, mask=half(image), **settings_)
    assert_equivariant(complete, image, factor, offset)


@pytest.mark.slow
@settings(max_examples=4, deadline=None, derandomize=True)
@given(factor=FACTORS, offset=OFFSETS)
def test_any_units_on_a_grid(factor, offset):
    image = smooth_image(16, 20)
    complete = functools.partial(inpaint, mask=half(image), kernel=grid_kernel())
    assert_equivariant(complete, image, factor, offset)


@functools.cache
def grid_kernel():
    return GridKernel.build(NETWORK, np.random.default_rng(0).random((3, 16, 20)))


@pytest.mark.parametrize(
    ("factor", "offset", "dtype"),
    [(1.0, 101_325.0, "float64"), (-1.0, 288.0, "float32"), (1e30, -1e32, "float32")],
)
def test_units_in_which_zero_is_far_away(factor, offset, dtype):
    image = smooth_image()
    mask = half(image)
    mask[5:12, 8:15] = False  # and a hole
    given = (factor * image + offset).astype(dtype)
    made = inpaint(np.where(mask, given, np.nan), network=NETWORK)
    assert made.image.dtype == dtype
    filled = (made.image.astype(float) - offset) / factor
    rounding = np.finfo(dtype).eps * abs(offset / factor)
    expected = inpaint(image, mask, network=NETWORK).image
    np.testing.assert_allclose(filled, expected, rtol=0, atol=1e-5 + 2 * rounding)
    assert abs(filled - image)[~mask].mean() < 0.05


@pytest.mark.parametrize("value", [0.0, 0.3, -7e5])
def test_a_constant_image_stays_constant(value):
    image = np.full((20, 26), value)
    made = inpaint(image, half(image), network=NETWORK, return_std=True)
    np.testing.assert_allclose(made.image, image, rtol=1e-15)
    assert made.std.max() <= 1e-15 * abs(value) + 1e-100


def test_result_tells_its_stages_and_progress_hears_of_them():
    image = smooth_image()
    heard = []
    result = inpaint(image, half(image), network=NETWORK, progress=lambda *call: heard.append(call))
    assert list(result.seconds) == ["kernel", "setup", "solve", "prediction"]
    assert {"kernel", "setup", "solve", "prediction"} <= {stage for stage, _, _ in heard}
    assert result.network == NETWORK
    assert isinstance(result, ntkmc.InpaintResult)


@pytest.mark.slow
def test_a_network_whose_kernel_is_singular_is_explained():
    """One convolution a level, none activated after the last upsampling: checkerboards."""
    image = smooth_image(64, 64)
    network = autoencoder(3, convs_per_level=1)
    mask = np.random.default_rng(0).random((64, 64)) < 0.9
    with pytest.raises(SingularKernelError, match="ridge"):
        inpaint(image, mask, network=network, solver="cholesky", margin=0)
    assert inpaint(image, mask, network=network, ridge=1e-3, margin=0).solve.converged


def test_margin_keeps_opposite_edges_apart():
    y, _ = np.mgrid[:48, :48]
    image = y / 48.0  # bright below, dark above
    mask = half(image)
    errors = {}
    for margin in (None, 0, 32):
        result = inpaint(image, mask, network=NETWORK, margin=margin)
        errors[margin] = abs(result.image - image)[[0, -1]].mean()
    assert errors[None] == errors[32] < 0.5 * errors[0]
    with pytest.raises(ValueError, match="margin was -1"):
        inpaint(image, mask, network=NETWORK, margin=-1)
    with pytest.raises(ValueError, match="margin was 8, and the kernel or the features say"):
        inpaint(image, mask, network=NETWORK, prior=np.ones((1, 48, 48)), margin=8)


def test_bad_networks():
    image = smooth_image()
    with pytest.raises(ArchitectureError):
        inpaint(image, half(image), network=ntkmc.architecture.Sequential([]))


def test_too_little_memory_is_said_before_it_is_used(monkeypatch):
    monkeypatch.setattr(memory, "available_bytes", lambda: 2**20)
    image = smooth_image(64, 64)
    with pytest.raises(memory.NotEnoughMemoryError, match="fewer levels"):
        inpaint(image, half(image))


@pytest.mark.slow
def test_vase_reaches_the_papers_numbers(data_dir):
    """SI Fig. 8: 31.75 dB, 0.977; six levels, 99,591 observed pixels."""
    image = np.asarray(Image.open(data_dir / "images" / "vase.png")) / 255
    mask = np.asarray(Image.open(data_dir / "images" / "vase_mask.png").convert("L")) > 127
    result = inpaint(image, mask)
    assert result.solve.relative_residual <= 1e-5
    assert result.solve.iterations <= 30
    assert psnr(image, result.image) >= 31.70
    assert ssim(image, result.image) >= 0.977


@pytest.mark.slow
def test_features_as_prior_and_networks_without_a_periodic_kernel():
    """Eq. 4 with whatever kernel the prior and the network need; solvers agree on it."""
    image = smooth_image(16, 20)
    mask = half(image)
    features = np.random.default_rng(0).random((3, 16, 20))
    result = inpaint(image, mask, network=NETWORK, prior=features)
    assert isinstance(result.kernel, GridKernel)
    seen, unseen = np.nonzero(mask), np.nonzero(~mask)
    mean = image[mask].mean()
    matrix = np.asarray(result.kernel.dense(seen, seen), float)
    weights = np.linalg.solve(matrix, image[mask] - mean)
    expected = mean + np.asarray(result.kernel.dense(unseen, seen)) @ weights
    np.testing.assert_allclose(result.image[~mask], expected, atol=1e-3)
    iterated = inpaint(image, mask, kernel=result.kernel, solver="conjugate_gradient", ridge=1e-4)
    direct = inpaint(image, mask, kernel=result.kernel, solver="cholesky", ridge=1e-4)
    np.testing.assert_allclose(iterated.image, direct.image, atol=1e-4)
    assert iterated.network == NETWORK

    # Zero padding: sides are padded to a multiple of four with unobserved pixels.
    odd = smooth_image(14, 18)
    padded = inpaint(odd, half(odd), network=autoencoder(2, padding="same"))
    assert isinstance(padded.kernel, GridKernel)
    assert padded.kernel.shape == (16, 20)
    assert abs(padded.image - odd).mean() < 0.02


@pytest.mark.parametrize(("shape", "channels"), [((300,), 2), ((14, 10, 12), None)])
def test_signals_and_volumes(shape, channels):
    """The regression on all observed pixels, and intervals; a hole widens them by depth."""
    rng, places = np.random.default_rng(0), np.stack(np.indices(shape), axis=-1) / 8
    smooth = np.sin(places.sum(axis=-1)) + np.cos(2 * places[..., 0])
    image = 20 * smooth + rng.standard_normal(shape)
    if channels:
        image = np.stack([image, 5 - image], axis=-1)
    mask = rng.random(shape) < 0.5
    result = inpaint(image, mask, network=autoencoder(2), ridge=1e-3, return_std=True)
    assert result.image.shape == result.std.shape == image.shape
    assert len(result.kernel.shape) == len(shape)
    pixels, missing = np.nonzero(mask), np.nonzero(~mask)
    matrix = np.asarray(result.kernel.dense(pixels, pixels), np.float64)
    matrix += 1e-3 * np.diag(matrix).mean() * np.eye(len(matrix))
    mean = image[mask].mean(axis=0)
    weights = np.linalg.solve(matrix, image[mask] - mean)
    expected = np.asarray(result.kernel.dense(missing, pixels), np.float64) @ weights + mean
    np.testing.assert_allclose(result.prediction[~mask], expected, atol=1e-2)
    errors = np.abs(result.prediction - image)[~mask]
    assert np.mean(errors <= result.uncertainty.half_width(0.9)[~mask]) == pytest.approx(
        0.9, abs=0.07
    )


@pytest.mark.parametrize("axis", [0, -3, 1])
def test_channels_stand_where_they_are_said_to(axis):
    image = smooth_image(channels=3)
    mask = half(image)
    expected = inpaint(image, mask, network=autoencoder(2), ridge=1e-3, return_std=True)
    moved = np.moveaxis(image, -1, axis)
    found = inpaint(
        moved, mask, network=autoencoder(2), ridge=1e-3, return_std=True, channel_axis=axis
    )
    for its, own in zip(
        (expected.image, expected.prediction, expected.std),
        (found.image, found.prediction, found.std),
        strict=True,
    ):
        assert own.shape == moved.shape
        np.testing.assert_array_equal(np.moveaxis(own, axis, -1), its)
    np.testing.assert_array_equal(found.mask, mask)


def test_without_a_mask_the_axis_of_channels_says_how_many_others_there_are():
    volume = np.random.default_rng(0).random((2, 8, 8, 8))
    volume[:, 2:4, 3, 3] = np.nan
    result = inpaint(volume, network=autoencoder(1), channel_axis=0)
    assert result.mask.shape == (8, 8, 8)
    assert (~result.mask).sum() == 2
    assert np.isfinite(result.image).all()


def test_intervals_in_a_hole_of_a_signal():
    signal = np.cumsum(np.random.default_rng(0).standard_normal(600))
    mask = np.ones(600, bool)
    mask[300:330] = False
    result = inpaint(signal, mask, network=autoencoder(3), return_std=True)
    assert result.uncertainty.widths
    deeper = np.diff(result.std[300:315])  # up to 8 pixels from the edge
    assert (deeper[:7] > 0).all()
    np.testing.assert_allclose(deeper[7:], 0, atol=1e-6)


def test_standard_deviations_are_in_the_units_of_the_image():
    image = smooth_image(channels=3) + 0.05 * np.random.default_rng(2).standard_normal((20, 26, 3))
    stored = np.rint(255 * image.clip(0, 1)).astype(np.uint8)
    mask = random_mask(image.shape[:2], 0.5)
    whole = inpaint(stored, mask, network=NETWORK, ridge=1e-3, return_std=True)
    assert whole.std.shape == image.shape
    assert whole.std.dtype == np.float64
    assert (whole.std[mask] == 0).all()
    errors = np.abs(whole.prediction - stored)[~mask]
    assert 0.5 < np.sqrt(np.mean(errors**2) / np.mean(whole.std[~mask] ** 2)) < 2
    assert np.mean(errors <= whole.uncertainty.half_width(0.9)[~mask]) == pytest.approx(
        0.9, abs=0.07
    )
    assert "uncertainty" in whole.seconds
    unit = inpaint(stored / 255, mask, network=NETWORK, ridge=1e-3, return_std=True)
    np.testing.assert_allclose(unit.std * 255, whole.std, rtol=1e-3, atol=1e-6)
    plain = inpaint(stored, mask, network=NETWORK, ridge=1e-3)
    assert plain.std is None
    assert plain.uncertainty is None
    np.testing.assert_array_equal(plain.image, whole.image)
    few = np.zeros(mask.shape, bool)
    few[0, :15] = True
    with pytest.raises(ValueError, match="pixels are 15; fitting a distribution takes at least 16"):
        inpaint(stored, few, network=NETWORK, ridge=1e-3, return_std=True)


@pytest.mark.slow
def test_kernels_and_features_of_another_size_or_network():
    image = smooth_image(16, 16)
    mask = half(image)
    features = np.random.default_rng(0).random((2, 8, 16))
    with pytest.raises(ValueError, match=r"of \(8, 16\) pixels and the image has \(16, 16\)"):
        inpaint(image, mask, network=NETWORK, prior=features)
    with pytest.raises(ArchitectureError, match="turns 8 x 16 into 4 x 8"):
        inpaint(image, mask, network=Sequential([Conv(3, stride=2)]), prior=features)


def test_matvec_takes_float64_images_outside_of_64_bit_mode():
    """The kernel that comes back can be used on: JAX's default is 32 bits."""
    image = smooth_image()
    kernel = inpaint(image, half(image), network=NETWORK).kernel
    assert kernel.matvec(jnp.ones(kernel.shape)).dtype == jnp.float32
