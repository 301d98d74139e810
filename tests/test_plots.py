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


def test_curves_against_sizes_are_in_per_cent_with_their_intervals():
    values, intervals = np.array([0.4, 0.6]), np.array([[0.3, 0.5], [0.5, 0.8]])
    lines = {"CNN": (values, intervals), "C4": (values + 0.1, intervals + 0.1)}
    figure = plots.size_curves((10, 100), {"NTK": lines, "NNGP": lines}, "tiles", "accuracy / %")
    assert [axes.get_title() for axes in figure.axes] == ["NTK", "NNGP"]
    first = figure.axes[0].containers[0]
    np.testing.assert_allclose(first.lines[0].get_ydata(), [40, 60])
    np.testing.assert_allclose(
        [segment[:, 1] for segment in first.lines[2][0].get_segments()], 100 * intervals
    )
    assert figure.axes[0].get_xscale() == "log"
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["CNN", "C4"]


def test_confusions_are_written_into_their_squares():
    shares = np.array([[0.75, 0.25], [0.0, 1.0]])
    (axes,) = plots.confusion_matrices({"C4": shares}, ("a", "b")).axes
    assert [text.get_text() for text in axes.texts] == ["75", "25", "0", "100"]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["a", "b"]
    np.testing.assert_array_equal(axes.images[0].get_array(), shares)


def test_what_a_turn_changes():
    upright = (np.array([0.5]), np.array([[0.4, 0.6]]))
    turned = (np.array([0.3]), np.array([[0.2, 0.4]]))
    figure = plots.turn_test(
        {"CNN": (upright, turned), "C4": (upright, upright)},
        {"CNN": np.array([0.2, 0.4]), "C4": np.zeros(2)},
    )
    left, right = figure.axes
    np.testing.assert_allclose(left.containers[1].lines[0].get_ydata(), [30, 50])
    np.testing.assert_allclose([bar.get_height() for bar in right.patches], [30, 0])
    assert [label.get_text() for label in right.get_xticklabels()] == ["CNN", "C4"]


def test_rows_of_images_have_their_class_beside_them():
    figure = plots.image_rows({"a": rng.random((3, 4, 4, 3)), "b": rng.random((3, 4, 4, 3))})
    assert len(figure.axes) == 6
    assert [axes.get_ylabel() for axes in figure.axes] == ["a", "", "", "b", "", ""]


def test_a_map_of_gaps_names_its_columns():
    missing = rng.random((5, 3)) < 0.5
    names = ["dose", "cost in $ and $", "a name that is much too long for it"]
    (axes,) = plots.missingness_map(missing, names).axes
    shown = [label.get_text() for label in axes.get_xticklabels()]
    assert shown == ["dose", "cost in $ and $", "a name that is much t..."]
    axes.figure.canvas.draw()  # a formula that is none would be refused
    np.testing.assert_array_equal(axes.images[0].get_array(), missing)
    many = plots.missingness_map(np.ones((4, 150), bool), [f"c{n}" for n in range(150)])
    shown = [label.get_text() for label in many.axes[0].get_xticklabels()]
    assert shown == [f"c{n}" for n in range(0, 150, 3)]


@pytest.mark.parametrize("genes", [4, 900], ids=["points", "counts"])
def test_predictions_against_the_truth_have_a_panel_for_each_method(genes):
    truth = np.random.default_rng(0).normal(size=(3, genes))
    methods = dict.fromkeys(("a", "b", "c", "d", "e", "$f"), truth * 0.5)
    axes = plots.predicted_against_truth(truth, methods).axes
    assert [one.get_title() for one in axes] == [*methods, "", "", "", ""]
    assert [one.axison for one in axes] == [True] * 6 + [False] * 4
    if genes == 4:
        across, up = axes[0].lines[0].get_data()
        np.testing.assert_array_equal(across, truth.ravel())
        np.testing.assert_array_equal(up, truth.ravel() * 0.5)
    else:
        counts = axes[0].images[0].get_array().filled(0)
        limit = axes[0].get_xlim()[1]
        assert counts.sum() == (np.abs(truth) <= limit).sum()


def test_a_map_of_winners_has_the_fullest_lines_first():
    winners = np.array([[-1, 0, -1], [1, 1, -1], [-1, -1, -1]])
    figure = plots.winner_map(winners, ["A", "B", "C"], ["x", "y", "never"])
    (axes,) = figure.axes
    assert [tick.get_text() for tick in axes.get_yticklabels()] == ["B", "A"]
    picture = axes.images[0].get_array()
    assert picture.shape == (2, 2, 3)
    np.testing.assert_array_equal(picture[1, 1], 1)  # A has no first drug
    assert not np.array_equal(picture[0, 0], picture[0, 1])
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["x", "y"]


def test_planes_through_a_voxel():
    volume = np.arange(2.0 * 3 * 4).reshape(2, 3, 4)
    frame, rows, columns = plots.planes_through(volume, (1, 2, 3))
    np.testing.assert_array_equal(frame, volume[1])
    np.testing.assert_array_equal(rows, volume[:, 2])
    np.testing.assert_array_equal(columns, volume[:, :, 3])
    # Of x, y and z, x goes to the right and z upwards.
    upright = plots.planes_through(volume, (1, 2, 3), rows_down=False)[1]
    assert upright.shape == (4, 2)
    assert upright[0, 1] == volume[1, 2, 3]


@pytest.mark.parametrize("rows_down", [True, False])
def test_volumes_side_by_side(rows_down):
    values = np.random.default_rng(0).random((4, 5, 6))
    panels = {
        "observed": plots.Panel(values, values > 0.5),
        "error": plots.Panel(values, error=True),
    }
    figure = plots.plane_panels(panels, (1, 2, 3), (0.0, 1.0), (2.0, 1.0, 1.0), rows_down)
    assert len(figure.axes) == 2 * 3 + 1
    assert [axes.get_title() for axes in figure.axes[:2]] == ["observed", "error"]
    plane = plots.plane_panels({"truth": plots.Panel(values[0])}, (2, 3), (0.0, 1.0))
    assert len(plane.axes) == 1
