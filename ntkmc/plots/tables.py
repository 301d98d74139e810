"""Tables and responses: what is missing, and how well it is filled in."""

from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Bool, Float
from matplotlib.figure import Figure

from ntkmc.plots._style import ACCENT, INK, LINES, quiet
from ntkmc.responses import Responses

_NAMED = 60  # columns, at most, that a map has room to name
_LETTERS = 24
_PIXELS = 900  # of a side of the map, about, as pages show it


def missingness_map(missing: Bool[np.ndarray, "m n"], columns: Sequence[str] = ()) -> Figure:
    """Which entries of a table are missing; large tables are averaged down to half-tones.

    Parameters
    ----------
    missing : (m, n), True where missing.
    columns : names of the columns, which are written below them (every k-th, where there is no room
        for more); without them columns are numbered.
    """
    rows, count = missing.shape
    width = 6.4
    height = float(np.clip(width * rows / count, 1.2, 6.4))
    figure = Figure(figsize=(width, height + 0.5), layout="constrained")
    axes = figure.add_subplot()
    # Where each entry has its pixels, half-tones would smear wide ones.
    drawn = "nearest" if max(rows, count) <= _PIXELS else "antialiased"
    axes.imshow(missing, cmap="Greys", vmin=0, vmax=1, aspect="auto", interpolation=drawn)
    axes.set_xlabel(f"{count:,} columns", fontsize=9, color=INK)
    axes.set_ylabel(f"{rows:,} rows", fontsize=9, color=INK)
    quiet(axes)
    if columns:
        places = range(0, count, -(-count // _NAMED))
        names = [columns[place] for place in places]
        short = [n if len(n) <= _LETTERS else f"{n[: _LETTERS - 3]}..." for n in names]
        # A name with dollar signs is no formula.
        axes.set_xticks(places, short, rotation=90, parse_math=False)
        axes.tick_params(axis="x", labelsize=6)
    return figure


def grouped_bars(values: Mapping[str, Mapping[str, Float[np.ndarray, " k"]]], label: str) -> Figure:
    """Means of repeated values and their standard deviations: groups of bars, one a method.

    Parameters
    ----------
    values : mapping of group to mapping of method to (repeats,) values
    label : of the axis.
    """
    methods = list(next(iter(values.values())))
    figure = Figure(figsize=(1.4 + 0.42 * len(values) * (len(methods) + 1), 3.2))
    figure.set_layout_engine("constrained")
    axes = figure.add_subplot()
    palette = (*LINES, "#0369a1", "#a16207", "#be185d", "#4d7c0f")
    for number, method in enumerate(methods):
        at = np.arange(len(values)) + (number - (len(methods) - 1) / 2) * 0.8 / len(methods)
        means = [np.mean(group[method]) for group in values.values()]
        spreads = [np.std(group[method]) for group in values.values()]
        colour = palette[number % len(palette)]
        axes.bar(at, means, 0.75 / len(methods), yerr=spreads, color=colour, label=method)
    axes.set_xticks(np.arange(len(values)), list(values))
    axes.set_ylabel(label, fontsize=9, color=INK)
    axes.legend(fontsize=8, frameon=False, labelcolor=INK, ncols=2)
    axes.margins(y=0.25)
    quiet(axes)
    return figure


def availability_map(imputed: Responses, reference: Responses) -> Figure:
    """Which pairs are observed: a row a cell line, a column a drug, most observed first.

    Parameters
    ----------
    imputed, reference : parts of one tensor; the reference cell line has another colour.
    """
    both = imputed.joined(reference).compact()
    available = both.availability().astype(float)
    available[:, np.isin(both.cells, [reference.cells[p] for p in np.unique(reference.cell)])] *= 2
    drugs = np.argsort(-(available > 0).sum(axis=1), kind="stable")
    cells = np.argsort(-(available > 0).sum(axis=0), kind="stable")
    picture = available[np.ix_(drugs, cells)].T
    figure = Figure(figsize=(7.2, 0.9 + 0.16 * len(cells)), layout="constrained")
    axes = figure.add_subplot()
    colours = np.array([[1, 1, 1], [0.06, 0.46, 0.43], [0.76, 0.25, 0.05]])
    axes.imshow(colours[picture.astype(int)], aspect="auto", interpolation="nearest")
    counts = (picture > 0).sum(axis=1)
    labels = [f"{both.cells[cell]} ({count})" for cell, count in zip(cells, counts, strict=True)]
    axes.set_yticks(range(len(cells)), labels, fontsize=7)
    axes.set_xlabel(f"{len(drugs)} drugs", fontsize=9, color=INK)
    quiet(axes)
    axes.tick_params(axis="y", labelsize=7)
    return figure


def metric_bars(values: Mapping[str, Sequence[float]], metrics: Sequence[str], ours: str) -> Figure:
    """A panel a measure, a bar a method.

    Parameters
    ----------
    values : mapping of method to one value a measure.
    metrics : names of the measures.
    ours : the method that stands out.
    """
    names = list(values)
    figure = Figure(
        figsize=(2.3 * len(metrics) + 1.6, 0.7 + 0.21 * len(names)), layout="constrained"
    )
    panels = figure.subplots(1, len(metrics), squeeze=False, sharey=True)[0]
    places = np.arange(len(names))[::-1]
    for number, (axes, metric) in enumerate(zip(panels, metrics, strict=True)):
        lengths = [values[name][number] for name in names]
        colours = [ACCENT if name == ours else LINES[3] for name in names]
        bars = axes.barh(places, lengths, color=colours, height=0.72)
        axes.bar_label(bars, fmt="%.3f", fontsize=7, color=INK, padding=2)
        axes.set_title(metric, fontsize=9, color=INK)
        axes.margins(x=0.22 if min(lengths) >= 0 else 0.42)  # room for the labels of bars
        axes.axvline(0, color=INK, linewidth=0.6)
        quiet(axes)
    panels[0].set_yticks(places, names, fontsize=8)
    return figure
