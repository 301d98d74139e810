"""Figures, as matplotlib ``Figure`` objects: save them, or show them in a notebook."""

from ntkmc.plots.classification import (
    confusion_matrices,
    image_rows,
    size_curves,
    turn_test,
)
from ntkmc.plots.curves import (
    convergence_lines,
    reliability_curves,
    residual_curve,
    residual_curves,
    training_curves,
)
from ntkmc.plots.kernels import heat_map_grid, kernel_heat_map
from ntkmc.plots.pictures import error_maps, hide_missing, over_channels, picture_panels
from ntkmc.plots.ranks import critical_difference
from ntkmc.plots.responses import predicted_against_truth, winner_map
from ntkmc.plots.tables import availability_map, grouped_bars, metric_bars, missingness_map
from ntkmc.plots.volumes import Panel, plane_panels, planes_through

__all__ = [
    "Panel",
    "availability_map",
    "confusion_matrices",
    "convergence_lines",
    "critical_difference",
    "error_maps",
    "grouped_bars",
    "heat_map_grid",
    "hide_missing",
    "image_rows",
    "kernel_heat_map",
    "metric_bars",
    "missingness_map",
    "over_channels",
    "picture_panels",
    "plane_panels",
    "planes_through",
    "predicted_against_truth",
    "reliability_curves",
    "residual_curve",
    "residual_curves",
    "size_curves",
    "training_curves",
    "turn_test",
    "winner_map",
]
