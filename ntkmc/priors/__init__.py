"""Feature priors: what the network is told about a coordinate before it sees any data."""

from ntkmc.priors.iid import PRIORS, IIDNormal, IIDPrior, IIDUniform

__all__ = ["PRIORS", "IIDNormal", "IIDPrior", "IIDUniform"]
