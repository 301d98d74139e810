"""Other people's methods, in the conventions of this package."""

from ntkmc.baselines.biharmonic import biharmonic

__all__ = ["biharmonic"]
