"""Classes: how many are right, which are taken for which, and what images of them look like."""

from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ntkmc.plots._style import ACCENT, INK, LINES, quiet

_COLOURS = (LINES[3], LINES[2], LINES[1], ACCENT, "#0369a1", "#a16207", "#be185d")
_APART = 0.025  # of a decade, between the error bars of two lines

Line = tuple[Float[np.ndarray, " sizes"], Float[np.ndarray, "sizes 2"]]


def size_curves(
    sizes: Sequence[int], panels: Mapping[str, Mapping[str, Line]], xlabel: str, ylabel: str
) -> Figure:
    """Shares in per cent against sizes: a panel for each kernel and a line for each method.

    Parameters
    ----------
    sizes : ascending; on a logarithmic axis.
    panels : mapping of title to mapping of method to (values (sizes,), intervals (sizes, 2)).
    """
    figure = Figure(figsize=(3.9 * len(panels) + 0.4, 3.5), layout="constrained")
    grid = figure.subplots(1, len(panels), squeeze=False, sharey=True)[0]
    for axes, (title, lines) in zip(grid, panels.items(), strict=True):
        for number, (method, (values, intervals)) in enumerate(lines.items()):
            aside = 10 ** (_APART * (number - (len(lines) - 1) / 2))
            axes.errorbar(
                np.asarray(sizes) * aside,
                100 * values,
                100 * abs(intervals.T - values),
                fmt="o-",
                color=_COLOURS[number % len(_COLOURS)],
                markersize=3.5,
                linewidth=1.5,
                elinewidth=1.0,
                label=method,
            )
        axes.set_xscale("log")
        axes.set_xticks(sizes, [str(size) for size in sizes])
        axes.minorticks_off()
        axes.set_title(title, fontsize=10, color=INK)
        axes.set_xlabel(xlabel, fontsize=9, color=INK)
        axes.grid(True, axis="y", color="#d0d7de", linewidth=0.6)
        axes.set_axisbelow(True)
        quiet(axes)
    grid[0].set_ylabel(ylabel, fontsize=9, color=INK)
    _legend_above(figure, grid[0])
    return figure


def confusion_matrices(
    shares: Mapping[str, Float[np.ndarray, "k k"]], classes: Sequence[str]
) -> Figure:
    """Side by side, in per cent: a row a true class, a column what it was taken for.

    Parameters
    ----------
    shares : mapping of title to shares, of which each row sums to 1.
    classes : names of rows and columns.
    """
    side = 0.9 + 0.38 * len(classes)
    figure = Figure(figsize=(side * len(shares) + 0.6, side + 0.5), layout="constrained")
    grid = figure.subplots(1, len(shares), squeeze=False, sharey=True)[0]
    places = np.arange(len(classes))
    for axes, (title, matrix) in zip(grid, shares.items(), strict=True):
        axes.imshow(matrix, cmap="Greens", vmin=0, vmax=1)
        for row, column in np.ndindex(matrix.shape):
            share = matrix[row, column]
            colour = "white" if share > 0.6 else INK
            axes.text(
                column,
                row,
                f"{100 * share:.0f}",
                ha="center",
                va="center",
                fontsize=8,
                color=colour,
            )
        axes.set_title(title, fontsize=10, color=INK)
        axes.set_xticks(places, classes, rotation=0 if len(classes) < 6 else 60)
        axes.set_yticks(places, classes)
        axes.set_xlabel("predicted", fontsize=9, color=INK)
        quiet(axes)
        for spine in axes.spines.values():
            spine.set_visible(False)
        axes.tick_params(length=0)
    grid[0].set_ylabel("true class", fontsize=9, color=INK)
    return figure


def turn_test(
    accuracies: Mapping[str, tuple[Line, Line]], changed: Mapping[str, Float[np.ndarray, " k"]]
) -> Figure:
    """What happens when images are turned.

    Parameters
    ----------
    accuracies : mapping of method to its accuracy (1,) with interval (1, 2), upright and turned.
    changed : mapping of method to shares of predictions that change, one for each repetition.
    """
    figure = Figure(figsize=(1.2 + 1.1 * len(accuracies), 3.3), layout="constrained")
    left, right = figure.subplots(1, 2)
    methods = list(accuracies)
    places = np.arange(len(methods))
    for number, (label, colour) in enumerate((("upright", LINES[1]), ("turned by 90°", ACCENT))):
        lines = [accuracies[method][number] for method in methods]
        values = np.array([line[0][0] for line in lines])
        intervals = np.array([line[1][0] for line in lines])
        left.errorbar(
            places + 0.24 * (number - 0.5),
            100 * values,
            100 * abs(intervals.T - values),
            fmt="os"[number],
            color=colour,
            markersize=5,
            elinewidth=1.2,
            label=label,
        )
    left.set_ylabel("accuracy / %", fontsize=9, color=INK)
    _legend_above(figure, left)
    left.margins(x=0.12)
    shares = [100 * np.mean(changed[method]) for method in methods]
    bars = right.bar(places, shares, 0.6, color=LINES[3])
    right.bar_label(bars, fmt="%.1f", fontsize=8, color=INK, padding=2)
    right.margins(y=0.15)
    right.set_ylim(bottom=0)
    right.set_ylabel("predictions that change / %", fontsize=9, color=INK)
    for axes in (left, right):
        axes.set_xticks(places, [method.replace(" ", "\n") for method in methods])
        axes.grid(True, axis="y", color="#d0d7de", linewidth=0.6)
        axes.set_axisbelow(True)
        quiet(axes)
    return figure


def image_rows(rows: Mapping[str, Float[np.ndarray, "n h w c"]]) -> Figure:
    """Images of each class in a row, its name on the left; all rows have as many.

    Parameters
    ----------
    rows : mapping of class to images with values in [0, 1].
    """
    count = len(next(iter(rows.values())))
    figure = Figure(figsize=(0.72 * count + 0.9, 0.72 * len(rows) + 0.1), layout="constrained")
    grid = figure.subplots(len(rows), count, squeeze=False)
    for line, (name, images) in zip(grid, rows.items(), strict=True):
        for axes, image in zip(line, images, strict=True):
            axes.imshow(np.clip(image, 0, 1), interpolation="nearest")
            axes.set(xticks=[], yticks=[])
            for spine in axes.spines.values():
                spine.set_visible(False)
        line[0].set_ylabel(name, fontsize=10, color=INK, rotation=0, ha="right", va="center")
    return figure


def _legend_above(figure: Figure, axes: Axes) -> None:
    """One for all panels, where no error bar is."""
    handles, labels = axes.get_legend_handles_labels()
    figure.legend(
        handles,
        labels,
        loc="outside upper center",
        ncols=len(labels),
        fontsize=8,
        frameon=False,
        labelcolor=INK,
    )
