"""Real data in its real formats, and masks for it."""

from ntkmc.datasets.images import CHECKSUMS, ROOT_VARIABLE, MaskedImage, load_image
from ntkmc.datasets.masks import hole_mask, random_mask

__all__ = [
    "CHECKSUMS",
    "ROOT_VARIABLE",
    "MaskedImage",
    "hole_mask",
    "load_image",
    "random_mask",
]
