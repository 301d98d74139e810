"""What the methods of the drug-response experiment made of its folds, and how good that is."""

import dataclasses

import numpy as np

from ntkmc.experiments.cmap_config import CmapConfig
from ntkmc.response_metrics import METRICS, Scores, TTest, corrected_t_test
from ntkmc.responses import Responses


@dataclasses.dataclass(frozen=True)
class Outcome:
    """What one method made of one fold.

    Attributes
    ----------
    method, seed, fold : whose it is.
    scores : of the held-out profiles.
    dense : (n,), True for profiles of dense cell lines.
    drug, cell : (n,), places of their drugs and cell lines.
    profiles : (n, genes), as they were imputed, float32; None of seeds that are not saved.
    covered : share of held-out entries within their 90 % intervals; NaN where there are none.
    seconds : wall-clock time, compilation included.
    """

    method: str
    seed: int
    fold: int
    scores: Scores
    dense: np.ndarray
    drug: np.ndarray
    cell: np.ndarray
    profiles: np.ndarray | None
    covered: float
    seconds: float


@dataclasses.dataclass(frozen=True)
class Results:
    """Outcomes of all methods, seeds and folds, and what they were imputed from.

    Attributes
    ----------
    config : CmapConfig
    imputed, reference : the profiles that were imputed, and those of the reference cell line.
    outcomes : in the order of seeds, folds and methods.
    test_to_train : profiles in a fold over those it was trained on.
    """

    config: CmapConfig
    imputed: Responses
    reference: Responses
    outcomes: tuple[Outcome, ...]
    test_to_train: float

    @property
    def methods(self) -> list[str]:
        """Names, in the order of the configuration."""
        return list(self.config.methods)

    def of(self, method: str, seed: int | None = None) -> list[Outcome]:
        """The outcomes of a method, of one seed or of all."""
        return [one for one in self.outcomes if one.method == method and seed in (None, one.seed)]

    def pooled(self, method: str, seed: int, subset: str = "all") -> Scores | None:
        """Scores of all folds of a seed together, as SI appendix H takes them.

        None where no profile is in the subset.
        """
        scores = Scores.joined([_of_subset(one, subset) for one in self.of(method, seed)])
        return scores if len(scores.products) else None

    def mean(self, method: str, metric: str, subset: str = "all") -> float:
        """Mean over seeds of a measure of all folds; NaN where no profile is in the subset."""
        scored = [self.pooled(method, seed, subset) for seed in self.config.seeds]
        if any(scores is None for scores in scored):
            return float("nan")
        return float(np.mean([getattr(scores, METRICS[metric]) for scores in scored]))

    def by_fold(self, method: str, metric: str, subset: str = "all") -> np.ndarray:
        """(seeds, folds), of a measure; NaN where a fold has no profile in the subset."""

        def measure(one):
            scores = _of_subset(one, subset)
            return getattr(scores, METRICS[metric]) if len(scores.products) else np.nan

        return np.array(
            [[measure(one) for one in self.of(method, seed)] for seed in self.config.seeds]
        )

    def errors(self, method: str) -> np.ndarray:
        """(drugs, cells), mean squared error of a profile, and over seeds; NaN where unimputed."""
        shape = self.imputed.number_of_drugs, self.imputed.number_of_cells
        sums, counts = np.zeros(shape), np.zeros(shape)
        for one in self.of(method):
            sums[one.drug, one.cell] += one.scores.errors / one.scores.genes
            counts[one.drug, one.cell] += 1
        return np.where(counts > 0, sums / np.maximum(counts, 1), np.nan)

    def winners(self) -> np.ndarray:
        """(drugs, cells), place of the method of least error; -1 where nothing was imputed."""
        errors = np.stack([self.errors(method) for method in self.methods])
        known = np.isfinite(errors).all(axis=0)
        return np.where(known, np.where(known, errors, 0).argmin(axis=0), -1)

    def test(self, better: str, other: str, metric: str) -> TTest:
        """SI appendix I: whether one method is better than another one."""
        difference = self.by_fold(better, metric) - self.by_fold(other, metric)
        return corrected_t_test(difference, self.test_to_train)

    def coverage(self) -> float:
        """Share of held-out entries within our 90 % intervals; NaN where none were computed."""
        covered = [one.covered for one in self.of(self.config.ours)]
        covered = [share for share in covered if np.isfinite(share)]
        return float(np.mean(covered)) if covered else float("nan")


def _of_subset(outcome: Outcome, subset: str) -> Scores:
    if subset == "all":
        return outcome.scores
    return outcome.scores.take(outcome.dense if subset == "dense" else ~outcome.dense)
