"""Rows of kernels as images."""

from collections.abc import Mapping

import numpy as np
from jaxtyping import Float
from matplotlib.figure import Figure

from ntkmc.plots._style import INK, quiet


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
    quiet(axes)
    bar = figure.colorbar(shown, ax=axes, fraction=0.045)
    bar.outline.set_visible(False)
    bar.ax.tick_params(labelsize=8, colors=INK)
    bar.set_label("kernel, relative to the pixel itself", fontsize=8, color=INK)
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
        line[0].set_ylabel(name, fontsize=10, color=INK)
    for axes, level in zip(grid[0], levels, strict=True):
        axes.set_title(f"{level} level{'s' * (level > 1)}", fontsize=10, color=INK)
    return figure
