"""Other people's methods, in the conventions of this package."""

from ntkmc.baselines.biharmonic import biharmonic
from ntkmc.baselines.tables import TABLE_BASELINES

__all__ = ["TABLE_BASELINES", "biharmonic"]
