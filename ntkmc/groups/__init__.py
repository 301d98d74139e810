"""Symmetries of the square pixel grid: point groups, and filters that respect them.

`ntkmc.groups.convolution`, the sums themselves, is not imported here: it takes JAX.
"""

from ntkmc.groups.point_groups import POINT_GROUPS, PointGroup, point_group
from ntkmc.groups.windows import PADDINGS, Window, make_window

__all__ = ["PADDINGS", "POINT_GROUPS", "PointGroup", "Window", "make_window", "point_group"]
