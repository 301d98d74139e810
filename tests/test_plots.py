import numpy as np
import pytest

from ntkmc import plots

rng = np.random.default_rng(0)


def test_panels_show_each_picture_under_its_title():
    pictures = {
        "grey": rng.random((5, 6)),
        "colour": rng.random((5, 6, 3)),
        "out": np.full((5, 6), 2.0),
    }
    figure = plots.picture_panels(pictures, columns=2)
    assert [axes.get_title() for axes in figure.axes] == ["grey", "colour", "out", ""]
    assert figure.axes[2].images[0].get_array().max() == 1


@pytest.mark.parametrize("channels", [(), (2,), (3,), (4,)])
def test_missing_pixels_are_coloured_and_the_others_kept(channels):
    image = rng.random((4, 5, *channels))
    mask = np.ones((4, 5), bool)
    mask[1, 2] = False
    shown = plots.hide_missing(image, mask)
    assert shown.shape == (4, 5, 3)
    assert len(set(shown[1, 2])) == 3
    expected = image[..., :3] if channels in ((3,), (4,)) else image.reshape(4, 5, -1)[..., :1]
    np.testing.assert_array_equal(shown[mask], np.broadcast_to(expected, (4, 5, 3))[mask])


def test_heat_map_is_relative_to_the_pixel_itself():
    row = rng.random((6, 7)) + 1
    shown = plots.kernel_heat_map(row, (2, 3)).axes[0].images[0].get_array()
    np.testing.assert_allclose(shown, row / row[2, 3])


def test_residual_curve_is_logarithmic_and_shows_the_tolerance():
    figure = plots.residual_curve(np.array([1.0, 0.1, 0.001]), rtol=1e-2)
    (axes,) = figure.axes
    assert axes.get_yscale() == "log"
    np.testing.assert_array_equal(axes.lines[0].get_ydata(), [1.0, 0.1, 0.001])
    assert "0.01" in axes.texts[0].get_text()


def test_residual_curves_are_told_apart():
    curves = {"one": np.array([1.0, 0.1]), "other": np.array([0.5, 0.2, 0.1])}
    (axes,) = plots.residual_curves(curves).axes
    assert [line.get_label() for line in axes.lines] == ["one", "other"]
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["one", "other"]
    for line, curve in zip(axes.lines, curves.values(), strict=True):
        np.testing.assert_array_equal(line.get_xdata(), np.arange(1, len(curve) + 1))
        np.testing.assert_array_equal(line.get_ydata(), curve)
    assert axes.get_xlabel() == "iteration or epoch"
