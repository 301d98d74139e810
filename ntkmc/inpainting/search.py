"""The search for what predicts pixels held out best: networks alone, then sums of a few."""

import functools
import math

import numpy as np
from jaxtyping import Float

from ntkmc.architecture import Network, Parallel, Sequential
from ntkmc.inpainting.held_out import HeldOut
from ntkmc.kernels.weighted import between
from ntkmc.solvers import Progress

WEIGHTS = (0.03, 0.3, 3.0, 30.0)  # of a branch's mean diagonal, relative to that of the others
GAIN = 0.01  # of the error: what a further branch has to take away
STARTS = 3  # networks that further branches are tried beside
MAX_BRANCHES = 3
ROUGHLY = 2  # every so many of the pixels tell which branches are worth trying on all
WORTH = 12  # of them; with 8, of every third pixel, worse ones were chosen on two of six images


class Search:
    """Errors of weighted sums of networks; weights are of kernels scaled to a mean of one."""

    def __init__(self, samples: HeldOut, smallest: float, progress: Progress | None):
        self.samples, self._smallest, self._progress = samples, smallest, progress
        self._few = samples.thinned(ROUGHLY)
        self.errors: dict[tuple[frozenset, float], tuple[float, float]] = {}
        self._matrices: dict[Sequential, Float[np.ndarray, "n s s"]] = {}
        self._scales: dict[Sequential, float] = {}

    def add(self, network, table):
        """Have a network, of whose kernel this is the table, among those to choose from."""
        matrices = np.asarray(between(table, self.samples.points), np.float32)
        self._scales[network] = float(np.mean(matrices[:, -1, -1], dtype=np.float64))
        self._matrices[network] = matrices / np.float32(self._scales[network])

    def run(self, candidates, ridges):
        """Each candidate alone, then grown from the best; what is chosen gets every ridge."""
        for network in candidates:
            for ridge in ridges:
                self.error({network: 1.0}, ridge)
        grown = [(self.grow(branches, ridge), ridge) for branches, ridge in self.best(STARTS)]
        least = min(self.error(*pair) for pair in grown)
        # Of those within a percent of the best, one of the fewest branches.
        near = [pair for pair in grown if (1 - GAIN) * self.error(*pair) <= least]
        branches, _ = min(near, key=lambda pair: (len(pair[0]), self.error(*pair)))
        return branches, min(ridges, key=lambda ridge: self.error(branches, ridge))

    def error(self, branches, ridge):
        """Geometric mean of a sum's two errors, each of which is computed once."""
        key = (frozenset(branches.items()), ridge)
        if key not in self.errors:
            self.errors[key] = self._errors(branches, ridge, 1)
            if self._progress:
                self._progress("choosing a network", len(self.errors), None)
        return math.prod(self.errors[key]) ** 0.5

    def _errors(self, branches, ridge, step):
        """The two errors, of every so many of the pixels."""
        samples = self.samples if step == 1 else self._few
        parts = [np.float32(w) * self._matrices[its][::step] for its, w in branches.items()]
        total, scale = functools.reduce(np.add, parts), sum(branches.values())
        if not samples.regular(total, (self._smallest - ridge) * scale):
            return math.inf, math.inf
        return samples.errors(total, ridge * scale)

    def ranked(self):
        """All that was tried, best first."""
        return sorted(self.errors.items(), key=lambda item: math.prod(item[1]))

    def best(self, count):
        """The best so far: branches and ridge, each set of branches once."""
        found: dict[frozenset, float] = {}
        for (branches, ridge), _ in self.ranked():
            found.setdefault(branches, ridge)
        return [(dict(branches), ridge) for branches, ridge in list(found.items())[:count]]

    def grow(self, branches, ridge):
        """Add the branch that helps most, as long as one does."""
        while len(branches) < MAX_BRANCHES:
            total = sum(branches.values())
            larger = [
                {**branches, network: weight * total}
                for network in self._matrices
                if network not in branches
                for weight in WEIGHTS
            ]
            larger.sort(key=lambda each: math.prod(self._errors(each, ridge, ROUGHLY)))
            best = min(larger[:WORTH], key=lambda each: self.error(each, ridge), default=branches)
            if not self.error(best, ridge) < (1 - GAIN) * self.error(branches, ridge):
                break
            branches = best
        return branches

    def network(self, branches) -> Network:
        """The network whose kernel the sum is, up to a factor."""
        if len(branches) == 1:
            return next(iter(branches))
        weights = {network: w / self._scales[network] for network, w in branches.items()}
        largest = max(weights.values())
        ordered = sorted(weights, key=lambda network: -branches[network])
        return Parallel(ordered, [weights[network] / largest for network in ordered])
