"""Figures, as matplotlib ``Figure`` objects: save them, or show them in a notebook."""

from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Bool, Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ntkmc.responses import Responses

_INK = "#30363d"
_ACCENT = "#c2410c"
_LINES = (_ACCENT, "#0f766e", "#7c3aed", "#57606a")
_MISSING = (0.93, 0.35, 0.55)
_PANEL_INCHES = 3.0


def picture_panels(pictures: Mapping[str, np.ndarray], columns: int | None = None) -> Figure:
    """Pictures side by side, each with its title above.

    Parameters
    ----------
    pictures : mapping of title to float array
        (H, W) or (H, W, C), values in [0, 1].
    columns : int, optional
        Of the grid; all in one row where not given.
    """
    columns = columns or len(pictures)
    rows = -(-len(pictures) // columns)
    height, width = next(iter(pictures.values())).shape[:2]
    size = (_PANEL_INCHES * columns, rows * (_PANEL_INCHES * height / width + 0.3))
    figure = Figure(figsize=size, layout="constrained")
    grid = figure.subplots(rows, columns, squeeze=False)
    for axes in grid.flat:
        axes.set_axis_off()
    for axes, (title, picture) in zip(grid.flat, pictures.items(), strict=False):
        axes.imshow(np.clip(picture, 0, 1), cmap="gray", vmin=0, vmax=1, interpolation="nearest")
        axes.set_title(title, fontsize=10, color=_INK)
    return figure


def hide_missing(
    image: Float[np.ndarray, "H W *C"], mask: Bool[np.ndarray, "H W"]
) -> Float[np.ndarray, "H W 3"]:
    """The image with its missing pixels in a colour that photographs seldom have."""
    colour = image[..., :3] if image.ndim == 3 and image.shape[2] >= 3 else _grey(image)
    return np.where(mask[..., None], colour, _MISSING)


def kernel_heat_map(row: Float[np.ndarray, "H W"], pixel: tuple[int, int]) -> Figure:
    """One row of a kernel as an image: what each pixel counts in the prediction of ``pixel``.

    Values are shown relative to the kernel at ``pixel`` itself, which is 1.
    """
    row = np.asarray(row, np.float64)
    height, width = row.shape
    figure = Figure(figsize=(4.6, 0.3 + 3.6 * height / width), layout="constrained")
    axes = figure.add_subplot()
    shown = axes.imshow(row / row[pixel], cmap="magma", interpolation="nearest")
    axes.plot(pixel[1], pixel[0], "+", color="#7dd3fc", markersize=9, markeredgewidth=1.2)
    _quiet(axes)
    bar = figure.colorbar(shown, ax=axes, fraction=0.045)
    bar.outline.set_visible(False)
    bar.ax.tick_params(labelsize=8, colors=_INK)
    bar.set_label("kernel, relative to the pixel itself", fontsize=8, color=_INK)
    return figure


def heat_map_grid(
    rows: Mapping[tuple[str, int], Float[np.ndarray, "H W"]], pixel: tuple[int, int]
) -> Figure:
    """Rows of kernels, a line for each feature prior and a column for each number of levels.

    Parameters
    ----------
    rows : mapping of (prior, levels) to (H, W); each picture has a scale of its own.
    pixel : is marked.
    """
    names = list(dict.fromkeys(name for name, _ in rows))
    levels = sorted({level for _, level in rows})
    figure = Figure(figsize=(1.8 * len(levels), 1.85 * len(names) + 0.2), layout="constrained")
    grid = figure.subplots(len(names), len(levels), squeeze=False)
    for line, name in zip(grid, names, strict=True):
        for axes, level in zip(line, levels, strict=True):
            axes.imshow(rows[name, level], cmap="magma", interpolation="nearest")
            axes.plot(pixel[1], pixel[0], "+", color="#7dd3fc", markersize=7, markeredgewidth=1)
            axes.set(xticks=[], yticks=[])
            for spine in axes.spines.values():
                spine.set_visible(False)
        line[0].set_ylabel(name, fontsize=10, color=_INK)
    for axes, level in zip(grid[0], levels, strict=True):
        axes.set_title(f"{level} level{'s' * (level > 1)}", fontsize=10, color=_INK)
    return figure


def residual_curve(residuals: Float[np.ndarray, " n"], rtol: float | None = None) -> Figure:
    """The relative residual after each iteration of a solver, on a logarithmic scale."""
    residuals = np.asarray(residuals, np.float64)
    figure = Figure(figsize=(4.6, 3.2), layout="constrained")
    axes = figure.add_subplot()
    axes.semilogy(np.arange(1, len(residuals) + 1), residuals, color=_ACCENT, linewidth=1.8)
    if rtol is not None:
        axes.axhline(rtol, color=_INK, linewidth=0.8, linestyle=(0, (4, 3)))
        axes.annotate(
            f"tolerance {rtol:g}",
            (1, rtol),
            xytext=(3, 3),
            textcoords="offset points",
            fontsize=8,
            color=_INK,
        )
    axes.set_xlabel("iteration", fontsize=9, color=_INK)
    axes.set_ylabel("relative residual", fontsize=9, color=_INK)
    axes.grid(True, which="major", color="#d0d7de", linewidth=0.6)
    axes.set_axisbelow(True)
    axes.margins(x=0.02)
    _quiet(axes)
    return figure


def convergence_lines(
    widths: Sequence[int],
    errors: Mapping[tuple[str, str], tuple[np.ndarray, np.ndarray]],
) -> Figure:
    """Errors against width in logarithms, a panel for each kernel and a line for each estimate.

    Parameters
    ----------
    widths : sequence of int
    errors : mapping of (kernel, estimate) to (values (widths,), intervals (widths, 2))
    """
    kernels = list(dict.fromkeys(kernel for kernel, _ in errors))
    figure = Figure(figsize=(3.9 * len(kernels) + 0.4, 3.4), layout="constrained")
    grid = figure.subplots(1, len(kernels), squeeze=False, sharey=True)[0]
    for axes, kernel in zip(grid, kernels, strict=True):
        lines = {estimate: line for (of, estimate), line in errors.items() if of == kernel}
        for (estimate, (values, band)), colour in zip(lines.items(), _LINES, strict=False):
            axes.loglog(widths, values, "o-", color=colour, markersize=4, label=estimate)
            axes.fill_between(widths, *band.T, color=colour, alpha=0.18, linewidth=0)
        first = next(iter(lines.values()))[0][0]
        guide = first * (np.asarray(widths) / widths[0]) ** -0.5
        style = {"color": _INK, "linewidth": 0.8, "linestyle": (0, (4, 3))}
        axes.loglog(widths, guide, **style, zorder=1, label="slope -1/2")
        axes.set_title(kernel, fontsize=10, color=_INK)
        axes.set_xlabel("width", fontsize=9, color=_INK)
        axes.set_xticks(widths, [str(width) for width in widths])
        axes.minorticks_off()
        axes.grid(True, which="major", color="#d0d7de", linewidth=0.6)
        axes.set_axisbelow(True)
        _quiet(axes)
    grid[0].set_ylabel("relative error", fontsize=9, color=_INK)
    grid[0].legend(fontsize=8, frameon=False, labelcolor=_INK)
    return figure


def training_curves(
    curves: Mapping[str, np.ndarray], stops: Mapping[str, tuple[int, float]]
) -> Figure:
    """PSNR after each step of a training, and where it would have been stopped.

    Parameters
    ----------
    curves : mapping of name to (steps,) array, dB
    stops : mapping of name to (step, dB)
    """
    figure = Figure(figsize=(4.9, 3.2), layout="constrained")
    axes = figure.add_subplot()
    for (name, curve), colour in zip(curves.items(), _LINES, strict=False):
        axes.plot(curve, color=colour, linewidth=1.0, label=name)
    for (name, (step, value)), marker in zip(stops.items(), "ovs", strict=False):
        axes.plot(step, value, marker, color=_INK, markersize=6, label=name)
    axes.set_xlabel("step", fontsize=9, color=_INK)
    axes.set_ylabel("PSNR / dB", fontsize=9, color=_INK)
    axes.grid(True, which="major", color="#d0d7de", linewidth=0.6)
    axes.set_axisbelow(True)
    axes.legend(fontsize=8, frameon=False, labelcolor=_INK)
    _quiet(axes)
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
    axes.set_xlabel(f"{len(drugs)} drugs", fontsize=9, color=_INK)
    _quiet(axes)
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
        colours = [_ACCENT if name == ours else _LINES[3] for name in names]
        bars = axes.barh(places, lengths, color=colours, height=0.72)
        axes.bar_label(bars, fmt="%.3f", fontsize=7, color=_INK, padding=2)
        axes.set_title(metric, fontsize=9, color=_INK)
        axes.margins(x=0.22)
        axes.axvline(0, color=_INK, linewidth=0.6)
        _quiet(axes)
    panels[0].set_yticks(places, names, fontsize=8)
    return figure


def missingness_map(missing: Bool[np.ndarray, "m n"]) -> Figure:
    """Which entries of a table are missing; large tables are averaged down to half-tones."""
    rows, columns = missing.shape
    width = 6.4
    height = float(np.clip(width * rows / columns, 1.2, 6.4))
    figure = Figure(figsize=(width, height + 0.5), layout="constrained")
    axes = figure.add_subplot()
    axes.imshow(missing, cmap="Greys", vmin=0, vmax=1, aspect="auto", interpolation="antialiased")
    axes.set_xlabel(f"{columns:,} columns", fontsize=9, color=_INK)
    axes.set_ylabel(f"{rows:,} rows", fontsize=9, color=_INK)
    _quiet(axes)
    return figure


def calibration_curve(
    levels: Float[np.ndarray, " k"], shares: Mapping[str, Float[np.ndarray, " k"]]
) -> Figure:
    """How many entries intervals of each nominal level hold, a line for each name."""
    figure = Figure(figsize=(4.0, 3.6), layout="constrained")
    axes = figure.add_subplot()
    axes.plot([0, 1], [0, 1], color=_INK, linewidth=0.8, linestyle=(0, (4, 3)), label="promised")
    for (name, share), colour in zip(shares.items(), _LINES, strict=False):
        axes.plot(levels, share, "o-", color=colour, markersize=4, label=name)
    axes.set_xlabel("nominal level of the interval", fontsize=9, color=_INK)
    axes.set_ylabel("share of entries within", fontsize=9, color=_INK)
    axes.grid(True, which="major", color="#d0d7de", linewidth=0.6)
    axes.set_axisbelow(True)
    axes.legend(fontsize=8, frameon=False, labelcolor=_INK)
    _quiet(axes)
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
    palette = (*_LINES, "#0369a1", "#a16207", "#be185d", "#4d7c0f")
    for number, method in enumerate(methods):
        at = np.arange(len(values)) + (number - (len(methods) - 1) / 2) * 0.8 / len(methods)
        means = [np.mean(group[method]) for group in values.values()]
        spreads = [np.std(group[method]) for group in values.values()]
        colour = palette[number % len(palette)]
        axes.bar(at, means, 0.75 / len(methods), yerr=spreads, color=colour, label=method)
    axes.set_xticks(np.arange(len(values)), list(values))
    axes.set_ylabel(label, fontsize=9, color=_INK)
    axes.legend(fontsize=8, frameon=False, labelcolor=_INK, ncols=2)
    axes.margins(y=0.25)
    _quiet(axes)
    return figure


def _grey(image: np.ndarray) -> np.ndarray:
    plane = image if image.ndim == 2 else image[..., 0]
    return np.repeat(plane[..., None], 3, axis=2)


def _quiet(axes: Axes) -> None:
    axes.tick_params(labelsize=8, colors=_INK, length=3)
    for side, spine in axes.spines.items():
        spine.set_visible(side in ("left", "bottom"))
        spine.set_color("#8c959f")
