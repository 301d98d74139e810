"""Networks side by side."""

import math
import numbers
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from ntkmc.architecture.base import ArchitectureError
from ntkmc.architecture.layers import Sequential


@dataclass(frozen=True)
class Parallel:
    r"""Networks applied to the same input, their outputs added.

    .. math:: f(x) = \sum_i \sqrt{w_i}\, f_i(x), \qquad K = \sum_i w_i\, K_i,

    as the branches' weights are independent: a weighted sum of kernels is the kernel of parallel
    networks, the NNGP and the NTK alike.

    Parameters
    ----------
    branches : iterable of Sequential
        At least one, all giving images of the same size.
    weights : iterable of float, optional
        The positive :math:`w_i`, one for each branch; all 1 where not given.
    """

    branches: tuple[Sequential, ...]
    weights: tuple[float, ...]

    def __init__(self, branches: Iterable[Sequential], weights: Iterable[float] | None = None):
        branches = tuple(branches)
        if not branches:
            raise ArchitectureError("Parallel: branches was empty; pass at least one network")
        for number, branch in enumerate(branches):
            if not isinstance(branch, Sequential):
                raise ArchitectureError(
                    f"Parallel: branch {number} was {branch!r}; pass a Sequential"
                )
        weights = (1.0,) * len(branches) if weights is None else tuple(weights)
        if len(weights) != len(branches):
            raise ArchitectureError(
                f"Parallel: there are {len(weights)} weights for {len(branches)} branches; "
                "pass one for each"
            )
        for number, weight in enumerate(weights):
            number_like = isinstance(weight, numbers.Real) and not isinstance(weight, bool)
            if not number_like or not 0 < weight < math.inf:
                raise ArchitectureError(
                    f"Parallel: weight {number} was {weight!r}; pass a positive number"
                )
        object.__setattr__(self, "branches", branches)
        object.__setattr__(self, "weights", tuple(float(weight) for weight in weights))

    def along(self, axis: int) -> "Parallel":
        """What the networks do along one axis of an image."""
        return Parallel((branch.along(axis) for branch in self.branches), self.weights)

    @property
    def side_multiple(self) -> int:
        """The smallest m such that every image whose sides are multiples of m passes."""
        return math.lcm(*(branch.side_multiple for branch in self.branches))


Network = Sequential | Parallel
"""What has a kernel."""


def weighted_branches(network: Network) -> Iterator[tuple[float, Sequential]]:
    """Weight and branch of each network that stands side by side; one alone has weight 1."""
    if isinstance(network, Parallel):
        yield from zip(network.weights, network.branches, strict=True)
    else:
        yield 1.0, network
