"""Feature priors: what the network is told about a coordinate before it sees any data."""

from ntkmc.priors.exact import exact_features
from ntkmc.priors.features import identity, meshgrid, uniform
from ntkmc.priors.iid import PRIORS, IIDNormal, IIDPrior, IIDUniform
from ntkmc.priors.spelling import from_dict, resolve

__all__ = [
    "PRIORS",
    "IIDNormal",
    "IIDPrior",
    "IIDUniform",
    "exact_features",
    "from_dict",
    "identity",
    "meshgrid",
    "resolve",
    "uniform",
]
