"""How a prior is written in a configuration: ``{iid_uniform: {low: 0.0, high: 0.1}}``."""

from typing import Any

from ntkmc import _spelling
from ntkmc.priors.iid import PRIORS, IIDPrior


def from_dict(spelling: Any) -> IIDPrior:
    """The prior that is spelled. Raises ValueError for an unknown name or argument."""
    return _spelling.make(spelling, PRIORS, "prior")


def resolve(spelling: Any) -> Any:
    """A spelling with its defaults written out."""
    from_dict(spelling)
    return _spelling.with_defaults(spelling, PRIORS)
