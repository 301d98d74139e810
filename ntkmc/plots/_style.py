"""Colours and axes that all figures share."""

from matplotlib.axes import Axes

INK = "#30363d"
ACCENT = "#c2410c"
LINES = (ACCENT, "#0f766e", "#7c3aed", "#57606a")


def quiet(axes: Axes) -> None:
    """Small labels, and axes on two sides only."""
    axes.tick_params(labelsize=8, colors=INK, length=3)
    for side, spine in axes.spines.items():
        spine.set_visible(side in ("left", "bottom"))
        spine.set_color("#8c959f")
