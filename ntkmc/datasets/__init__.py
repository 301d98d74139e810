"""Real data in its real formats, and masks for it."""

from ntkmc.datasets._folder import ROOT_VARIABLE
from ntkmc.datasets.histology import Tiles, area_average, load_tiles
from ntkmc.datasets.images import CHECKSUMS, MaskedImage, load_image
from ntkmc.datasets.masks import hole_mask, random_mask
from ntkmc.datasets.tables import Table, load_table, read_table, write_table

__all__ = [
    "CHECKSUMS",
    "ROOT_VARIABLE",
    "MaskedImage",
    "Table",
    "Tiles",
    "area_average",
    "hole_mask",
    "load_image",
    "load_table",
    "load_tiles",
    "random_mask",
    "read_table",
    "write_table",
]
