"""Pictures side by side, and their errors."""

from collections.abc import Mapping

import numpy as np
from jaxtyping import Bool, Float
from matplotlib.figure import Figure

from ntkmc.plots._style import INK

MISSING = (0.93, 0.35, 0.55)
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
        axes.set_title(title, fontsize=10, color=INK)
    return figure


def hide_missing(
    image: Float[np.ndarray, "H W *C"], mask: Bool[np.ndarray, "H W"]
) -> Float[np.ndarray, "H W 3"]:
    """The image with its missing pixels in a colour that photographs seldom have."""
    colour = image[..., :3] if image.ndim == 3 and image.shape[2] >= 3 else _grey(image)
    return np.where(mask[..., None], colour, MISSING)


def over_channels(errors: Float[np.ndarray, "H W *C"]) -> Float[np.ndarray, "H W"]:
    """Errors or deviations of several channels as one: their root mean square."""
    return errors if errors.ndim == 2 else np.sqrt(np.mean(errors**2, axis=2))


def error_maps(maps: Mapping[str, Float[np.ndarray, "H W"]]) -> Figure:
    """Errors or deviations side by side on one scale, which ends at their 99th percentile.

    Parameters
    ----------
    maps : mapping of title to (H, W), none negative.
    """
    height, width = next(iter(maps.values())).shape
    seen = np.concatenate([errors[errors > 0] for errors in maps.values()])
    top = float(np.percentile(seen, 99)) if seen.size else 1.0
    size = (3.4 * len(maps) + 0.8, 3.4 * height / width + 0.3)
    figure = Figure(figsize=size, layout="constrained")
    grid = figure.subplots(1, len(maps), squeeze=False)[0]
    for axes, (title, errors) in zip(grid, maps.items(), strict=True):
        axes.set_axis_off()
        axes.set_title(title, fontsize=10, color=INK)
        shown = axes.imshow(errors, cmap="magma", vmin=0, vmax=top, interpolation="nearest")
    bar = figure.colorbar(shown, ax=list(grid), fraction=0.045, extend="max")
    bar.outline.set_visible(False)
    bar.ax.tick_params(labelsize=8, colors=INK)
    return figure


def _grey(image: np.ndarray) -> np.ndarray:
    plane = image if image.ndim == 2 else image[..., 0]
    return np.repeat(plane[..., None], 3, axis=2)
