"""Symmetries of the square pixel grid: point groups, the convolutions that respect them."""

from ntkmc.groups.convolution import convolve, lift
from ntkmc.groups.point_groups import POINT_GROUPS, PointGroup, point_group
from ntkmc.groups.windows import PADDINGS, Window

__all__ = [
    "PADDINGS",
    "POINT_GROUPS",
    "PointGroup",
    "Window",
    "convolve",
    "lift",
    "point_group",
]
