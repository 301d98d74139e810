"""Completing tables."""

from ntkmc.completion.imputer import NTKImputer
from ntkmc.completion.pooling import Pooled, pool
from ntkmc.completion.priors import Gram

__all__ = ["Gram", "NTKImputer", "Pooled", "pool"]
