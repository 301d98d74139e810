"""Volumes, as the three planes through one of their voxels."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float
from matplotlib.figure import Figure

from ntkmc.plots._style import INK
from ntkmc.plots.pictures import MISSING

_INCHES = 2.0  # of the longest side of a panel


@dataclass(frozen=True)
class Panel:
    """A volume to be shown.

    Attributes
    ----------
    values : (A, B, C), or (H, W)
    mask : of the same shape; where it is False, the colour of missing pixels is shown. All of
        `values` where not given.
    error : whether these are errors or deviations, none negative, all on one scale of their own.
    """

    values: Float[np.ndarray, "..."]
    mask: Bool[np.ndarray, "..."] | None = None
    error: bool = False


def planes_through(
    values: np.ndarray, voxel: Sequence[int], rows_down: bool = True
) -> list[np.ndarray]:
    """The planes of a volume through a voxel, one without each axis; an image itself.

    Parameters
    ----------
    values : (A, B, C), or (H, W)
    voxel : (a, b, c); of an image nothing is read
    rows_down : bool
        Whether the axes are frames or slices, rows (downwards) and columns. Else they are x, y, z;
        the earlier axis of a plane is then shown to the right, and the later one upwards.
    """
    planes = [values]
    if values.ndim == 3:
        planes = [values.take(place, axis) for axis, place in enumerate(voxel)]
    return planes if rows_down else [np.flipud(plane.T) for plane in planes]


def plane_panels(
    panels: Mapping[str, Panel],
    voxel: Sequence[int],
    limits: tuple[float, float],
    spacing: Sequence[float] | None = None,
    rows_down: bool = True,
) -> Figure:
    """Volumes side by side, a row for each of the planes through a voxel.

    Parameters
    ----------
    panels : mapping of title to Panel
    voxel : see ``planes_through``
    limits : of greys: what is black, and what is white.
    spacing : of the axes, in any unit; 1 where not given.
    rows_down : see ``planes_through``
    """
    first = next(iter(panels.values())).values
    spacing = spacing or (1.0,) * first.ndim
    heights, aspects = _sizes(first, voxel, spacing, rows_down)
    errors = [panel.values[panel.values > 0] for panel in panels.values() if panel.error]
    seen = np.concatenate(errors) if errors else np.empty(0)
    top = float(np.percentile(seen, 99)) if seen.size else 1.0
    size = (_INCHES * len(panels) + 0.7, sum(heights) * _INCHES + 0.3)
    figure = Figure(figsize=size, layout="constrained")
    grid = figure.subplots(
        len(heights), len(panels), squeeze=False, gridspec_kw={"height_ratios": heights}
    )
    shown = None
    for column, (title, panel) in enumerate(panels.items()):
        planes = planes_through(panel.values, voxel, rows_down)
        masks = None if panel.mask is None else planes_through(panel.mask, voxel, rows_down)
        for row, plane in enumerate(planes):
            axes = grid[row, column]
            axes.set_axis_off()
            look = {"interpolation": "nearest", "aspect": aspects[row]}
            if panel.error:
                shown = axes.imshow(plane, cmap="magma", vmin=0, vmax=top, **look)
                continue
            grey = np.clip((plane - limits[0]) / max(limits[1] - limits[0], 1e-300), 0, 1)
            colour = np.repeat(grey[..., None], 3, axis=2)
            if masks is not None:
                colour = np.where(masks[row][..., None], colour, MISSING)
            axes.imshow(colour, **look)
        grid[0, column].set_title(title, fontsize=9, color=INK)
    if shown is not None:
        bar = figure.colorbar(shown, ax=list(grid.flat), fraction=0.02, extend="max")
        bar.outline.set_visible(False)
        bar.ax.tick_params(labelsize=8, colors=INK)
    return figure


def _sizes(values, voxel, spacing, rows_down):
    """Height of each plane over the width of a panel, and of its pixels over theirs."""
    axes = [[axis for axis in range(3) if axis != left_out] for left_out in range(3)]
    if values.ndim == 2:
        axes = [[0, 1]]
    heights, aspects = [], []
    for down, across in axes if rows_down else [pair[::-1] for pair in axes]:
        aspect = spacing[down] / spacing[across]
        heights.append(min(aspect * values.shape[down] / values.shape[across], 1.5))
        aspects.append(aspect)
    return heights, aspects
