"""Inpainting: the missing pixels of an image, the network that fits it, and how sure one can be."""

from ntkmc.inpainting.noise import Noise, fit_noise
from ntkmc.inpainting.regression import InpaintResult, inpaint
from ntkmc.inpainting.selection import Selection, Trial, choose_network, standard_candidates
from ntkmc.inpainting.settings import MARGIN
from ntkmc.inpainting.uncertainty import Uncertainty

__all__ = [
    "MARGIN",
    "InpaintResult",
    "Noise",
    "Selection",
    "Trial",
    "Uncertainty",
    "choose_network",
    "fit_noise",
    "inpaint",
    "standard_candidates",
]
