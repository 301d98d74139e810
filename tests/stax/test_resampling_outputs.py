"""What the resampling layers do to arrays, against NumPy, SciPy and jax.image."""

import jax
import jaxtyping
import numpy as np
import pytest
import scipy.ndimage
from compiled import by_operation

from ntkmc import stax

KEY = jax.random.key(0)  # for layers without weights
SHAPES = [(1, 3, 5, 2), (3, 4, 1, 1), (2, 5, 2, 3)]


@pytest.fixture(params=SHAPES, ids=str)
def x(request):
    return np.random.default_rng(0).standard_normal(request.param).astype(np.float32)


@pytest.fixture
def unchecked(monkeypatch):
    """Turns the tests' run-time types off: what is refused is what a user would be refused."""
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)


resize = by_operation(jax.image.resize, static_argnums=(1, 2))


def outputs(layer, x):
    init_fn, apply_fn, _ = layer
    shape, params = init_fn(KEY, x.shape)
    y = np.asarray(by_operation(apply_fn)(params, x))
    assert params == ()
    assert y.shape == shape
    return y


def interpolated(x, factor, positions, mode):
    """Linear interpolation by SciPy at one-dimensional positions on each axis."""
    at = np.meshgrid(*(positions(side) for side in x.shape[1:3]), indexing="ij")
    planes = np.moveaxis(x, -1, 1).reshape(-1, *x.shape[1:3])
    planes = [scipy.ndimage.map_coordinates(p, at, order=1, mode=mode) for p in planes]
    height, width = (factor * side for side in x.shape[1:3])
    return np.moveaxis(np.reshape(planes, (len(x), -1, height, width)), 1, -1)


@pytest.mark.parametrize("factor", [1, 2, 3])
def test_subsample_keeps_multiples(x, factor):
    np.testing.assert_array_equal(outputs(stax.Subsample(factor), x), x[:, ::factor, ::factor])


@pytest.mark.parametrize("factor", [1, 2, 3])
def test_nearest_repeats(x, factor):
    y = outputs(stax.NearestUpsample(factor), x)
    np.testing.assert_array_equal(y, x.repeat(factor, axis=1).repeat(factor, axis=2))
    np.testing.assert_array_equal(y, resize(x, y.shape, "nearest"))


@pytest.mark.parametrize("factor", [1, 2, 3, 4])
def test_half_pixels_at_edges(x, factor):
    y = outputs(stax.BilinearUpsample(factor), x)

    def positions(side):
        return (np.arange(factor * side) + 0.5) / factor - 0.5

    np.testing.assert_allclose(y, interpolated(x, factor, positions, "nearest"), atol=1e-6)
    np.testing.assert_allclose(y, resize(x, y.shape, "bilinear"), atol=1e-6)


@pytest.mark.parametrize("factor", [2, 3, 4])
def test_half_pixels_on_a_torus(x, factor):
    y = outputs(stax.BilinearUpsample(factor, boundary="circular"), x)

    def positions(side):
        return (np.arange(factor * side) + 0.5) / factor - 0.5

    np.testing.assert_allclose(y, interpolated(x, factor, positions, "grid-wrap"), atol=1e-6)
    shifted = outputs(
        stax.BilinearUpsample(factor, boundary="circular"), np.roll(x, (1, -2), axis=(1, 2))
    )
    np.testing.assert_allclose(shifted, np.roll(y, (factor, -2 * factor), axis=(1, 2)), atol=1e-6)


@pytest.mark.parametrize("factor", [2, 3, 4])
def test_aligned_corners(x, factor):
    y = outputs(stax.BilinearUpsample(factor, align_corners=True), x)

    def positions(side):
        return np.linspace(0, side - 1, factor * side)

    np.testing.assert_allclose(y, interpolated(x, factor, positions, "nearest"), atol=1e-6)
    corners = np.ix_(range(len(x)), [0, -1], [0, -1])
    np.testing.assert_array_equal(np.asarray(y)[corners], x[corners])


@pytest.mark.parametrize("width", [0, 1, 2])
def test_reflection_does_not_repeat_the_edge(width):
    x = np.random.default_rng(0).standard_normal((2, 3, 4, 1)).astype(np.float32)
    padded = np.pad(x, ((0, 0), (width, width), (width, width), (0, 0)), mode="reflect")
    np.testing.assert_array_equal(outputs(stax.ReflectPad(width), x), padded)


@pytest.mark.parametrize(
    "layer", [stax.Subsample, stax.NearestUpsample, stax.BilinearUpsample, stax.ReflectPad]
)
def test_any_axes(layer):
    """Signals and volumes, and axes in another order."""
    for ndim in (1, 3):
        x = np.random.default_rng(0).standard_normal((2, *(3, 4, 5)[:ndim], 2))
        y = np.asarray(outputs(layer(2), x))
        assert y.shape[0] == y.shape[-1] == 2
        one = x if ndim == 1 else x[:, :, 0, 0]  # at a corner no other axis has a say
        one = np.asarray(outputs(layer(2), one))
        reach = 2 if layer is stax.ReflectPad else 0
        np.testing.assert_allclose(one, y if ndim == 1 else y[:, :, reach, reach], atol=1e-6)
    x = np.random.default_rng(0).standard_normal((3, 4, 2, 5))
    moved = outputs(layer(2, batch_axis=-1, channel_axis=2), x)
    usual = outputs(layer(2), x.transpose(3, 0, 1, 2))
    np.testing.assert_array_equal(moved, np.asarray(usual).transpose(1, 2, 3, 0))


def test_masked_where_nothing_visible_contributes():
    mask = np.zeros((1, 2, 3, 1), np.float32)
    mask[0, 0, 1] = mask[0, 1, 1] = np.nan  # the middle column
    for layer, expected in (
        (stax.NearestUpsample(2), [0, 0, 1, 1, 0, 0]),
        (stax.BilinearUpsample(2), [0, 0, 0, 0, 0, 0]),
        (stax.BilinearUpsample(3), [0, 0, 0, 0, 1, 0, 0, 0, 0]),
        (stax.Subsample(2), [0, 0]),
        (stax.ReflectPad(1), [1, 0, 1, 0, 1]),
    ):
        y = by_operation(lambda x, f=layer[1]: f((), x, mask_constant=np.nan))(mask)
        assert not np.isnan(y.masked_value).any()
        assert all((row == expected).all() for row in np.asarray(y.mask)[0, :, :, 0])


@pytest.mark.parametrize("layer", [stax.Subsample, stax.NearestUpsample, stax.BilinearUpsample])
@pytest.mark.parametrize("factor", [0, -2, 1.5, "2", True])
def test_a_factor_that_is_none(unchecked, layer, factor):
    with pytest.raises(ValueError, match=rf"{layer.__name__}: factor was .*; pass a whole number"):
        layer(factor)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"boundary": "reflect"}, "boundary was 'reflect'; pass one of edge, circular"),
        ({"align_corners": "yes"}, "align_corners was 'yes'; pass True or False"),
        ({"align_corners": True, "boundary": "circular"}, "a torus has no corners; pass"),
    ],
)
def test_bilinear_arguments(unchecked, arguments, message):
    with pytest.raises(ValueError, match=message):
        stax.BilinearUpsample(2, **arguments)


def test_inputs_that_cannot_be():
    with pytest.raises(ValueError, match="ReflectPad: width was 3 and the inputs have a side of 3"):
        stax.ReflectPad(3)[0](jax.random.key(0), (1, 3, 5, 1))
    with pytest.raises(ValueError, match="ReflectPad: width was -1; pass a whole number"):
        stax.ReflectPad(-1)
    with pytest.raises(ValueError, match="Subsample: the shape of the inputs was"):
        stax.Subsample(2)[0](jax.random.key(0), (-1, -1, 4, 1))
