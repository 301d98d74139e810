"""Imputed profiles against measured ones, and whose imputation is nearest."""

from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Float, Integer
from matplotlib import colormaps
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from ntkmc.plots._style import ACCENT, INK, LINES, quiet

_POINTS = 2000  # that can still be told apart in a panel
_BINS = 90
_COLUMNS = 5


def predicted_against_truth(
    truth: Float[np.ndarray, "n genes"], predicted: Mapping[str, Float[np.ndarray, "n genes"]]
) -> Figure:
    """A panel a method: every entry as a point, or where there are many their counts.

    Axes hold the middle 99.8 % of measured entries; beyond them nothing is drawn. On the line the
    two are equal.

    Parameters
    ----------
    truth : (n, genes)
    predicted : mapping of method to (n, genes).
    """
    columns = min(_COLUMNS, len(predicted))
    rows = -(-len(predicted) // columns)
    figure = Figure(figsize=(2.1 * columns, 2.3 * rows), layout="constrained")
    panels = figure.subplots(rows, columns, squeeze=False).ravel()
    limit = float(np.quantile(np.abs(truth), 0.998)) or 1.0
    across = truth.ravel()
    for axes, (name, profiles) in zip(panels, predicted.items(), strict=False):
        if truth.size > _POINTS:
            edges = np.linspace(-limit, limit, _BINS + 1)
            counts = np.histogram2d(profiles.ravel(), across, [edges, edges])[0]
            axes.imshow(
                np.where(counts > 0, counts, np.nan),
                norm=LogNorm(1, max(float(counts.max()), 2.0)),
                extent=(-limit, limit, -limit, limit),
                origin="lower",
                cmap="viridis",
            )
        else:
            axes.plot(across, profiles.ravel(), ".", color=LINES[1], markersize=2)
        axes.axline((0, 0), slope=1, color=ACCENT, linewidth=0.8)
        axes.set(xlim=(-limit, limit), ylim=(-limit, limit), aspect="equal")
        axes.set_title(name, fontsize=8, color=INK, parse_math=False)
        quiet(axes)
        axes.tick_params(labelsize=6)
    for axes in panels[len(predicted) :]:
        axes.set_axis_off()
    return figure


def winner_map(
    winners: Integer[np.ndarray, "drugs cells"], cells: Sequence[str], methods: Sequence[str]
) -> Figure:
    """Which method is nearest for each pair: a row a cell line, a column a drug, most first.

    Parameters
    ----------
    winners : (drugs, cells), places in ``methods``; -1, left white, where nothing was imputed.
    cells, methods : names. Drugs and cell lines without any pair are left out.
    """
    known = winners >= 0
    by_drug, by_cell = known.sum(axis=1), known.sum(axis=0)
    drugs = np.argsort(-by_drug, kind="stable")[: int((by_drug > 0).sum())]
    lines = np.argsort(-by_cell, kind="stable")[: int((by_cell > 0).sum())]
    colours = [colormaps["tab20"](place % 20)[:3] for place in range(len(methods))]
    picture = np.array([*colours, (1.0, 1.0, 1.0)])[winners[np.ix_(drugs, lines)].T]
    won = np.unique(winners[known])
    height = max(1.4 + 0.16 * len(lines), 0.4 + 0.18 * len(won))
    figure = Figure(figsize=(9.2, height), layout="constrained")
    axes = figure.add_subplot()
    axes.imshow(picture, aspect="auto", interpolation="nearest")
    axes.set_yticks(range(len(lines)), [cells[line] for line in lines])
    axes.set_xlabel(f"{len(drugs)} drugs", fontsize=9, color=INK)
    quiet(axes)
    axes.tick_params(axis="y", labelsize=7)
    shown = [Patch(color=colours[place], label=methods[place]) for place in won]
    axes.legend(
        handles=shown, loc="center left", bbox_to_anchor=(1.01, 0.5), fontsize=7, frameon=False
    )
    return figure
