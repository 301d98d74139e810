"""Infinitely wide neural networks that complete images, tables and matrices."""

from ntkmc.architecture import autoencoder
from ntkmc.inpainting import InpaintResult, inpaint
from ntkmc.kernels import PeriodicKernel

__all__ = ["InpaintResult", "PeriodicKernel", "autoencoder", "inpaint"]
