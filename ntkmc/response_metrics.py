"""How close imputed profiles are to the measured ones, and whether one method is closer.

The three measures of SI appendix H and the test of appendix I. Profiles are rows here and columns
there.
"""

import dataclasses
from collections.abc import Sequence

import numpy as np
import scipy.stats
from jaxtyping import Float

Profiles = Float[np.ndarray, "n genes"]
PerProfile = Float[np.ndarray, " n"]


@dataclasses.dataclass(frozen=True)
class Scores:
    """What all measures need to know of each profile: parts are scored one by one, then joined.

    Attributes
    ----------
    products, estimates, truths : (n,), sums over genes of product and squares.
    estimate_sums, truth_sums : (n,), sums over genes.
    errors : (n,), sums of squared differences.
    genes : how many there are.
    """

    products: PerProfile
    estimates: PerProfile
    truths: PerProfile
    estimate_sums: PerProfile
    truth_sums: PerProfile
    errors: PerProfile
    genes: int

    @classmethod
    def of(cls, truth: Profiles, estimate: Profiles) -> "Scores":
        """Score imputed profiles.

        Raises
        ------
        ValueError
            If the two differ in shape, are empty or are not finite.
        """
        _check(truth, estimate)
        return cls(
            np.einsum("ng,ng->n", truth, estimate),
            np.einsum("ng,ng->n", estimate, estimate),
            np.einsum("ng,ng->n", truth, truth),
            estimate.sum(axis=1),
            truth.sum(axis=1),
            np.sum((estimate - truth) ** 2, axis=1),
            truth.shape[1],
        )

    @classmethod
    def joined(cls, parts: Sequence["Scores"]) -> "Scores":
        """Of the profiles of all parts."""
        columns = zip(*(part.columns() for part in parts), strict=True)
        return cls._of_columns(list(map(np.concatenate, columns)), parts[0].genes)

    def take(self, chosen: np.ndarray) -> "Scores":
        """Of some profiles, by place or by mask."""
        return self._of_columns([column[chosen] for column in self.columns()], self.genes)

    @classmethod
    def _of_columns(cls, columns: list[np.ndarray], genes: int) -> "Scores":
        names = [field.name for field in dataclasses.fields(cls)[:-1]]
        return cls(**dict(zip(names, columns, strict=True)), genes=genes)

    def columns(self) -> tuple[PerProfile, ...]:
        """All that is one a profile, in the order of the attributes."""
        fields = dataclasses.fields(self)[:-1]
        return tuple(getattr(self, field.name) for field in fields)

    @property
    def pearson_r(self) -> float:
        r"""Product of all entries over the norms, without means: the paper's "Pearson r value".

        .. math:: \frac{\langle \hat Y, Y \rangle}{\|\hat Y\| \|Y\|}

        `correlation` is Pearson's coefficient. Zero where all estimates are.
        """
        return _ratio(self.products.sum(), self.estimates.sum() * self.truths.sum())

    @property
    def correlation(self) -> float:
        """Pearson's correlation of all entries, which the paper's own programs compute.

        Nearly `pearson_r` for log fold changes, whose mean is near zero.
        """
        count = self.genes * len(self.products)
        means = self.estimate_sums.sum() / count, self.truth_sums.sum() / count
        return _ratio(
            self.products.sum() - count * means[0] * means[1],
            (self.estimates.sum() - count * means[0] ** 2)
            * (self.truths.sum() - count * means[1] ** 2),
        )

    @property
    def correlation_p(self) -> float:
        r"""Probability of such a `correlation`, or one further from zero, if there were none.

        As ``scipy.stats.pearsonr`` has it, two-sided: (r + 1) / 2 of N independent normal entries
        has a beta distribution with both parameters N / 2 - 1. Genes of a profile are not
        independent, so that it is far too small; it is 0 below the least double, and NaN for
        fewer than three entries.
        """
        shape = self.genes * len(self.products) / 2 - 1
        if shape <= 0:
            return float("nan")
        tail = scipy.stats.beta.cdf(-abs(self.correlation), shape, shape, loc=-1, scale=2)
        return float(min(1.0, 2 * tail))

    @property
    def mean_r2(self) -> float:
        r"""Mean over profiles of the share of variance explained.

        .. math:: \frac1n \sum_i \Big( 1 - \frac{\sum_j (\hat y_{ij} - y_{ij})^2}
                  {\sum_j (y_{ij} - \bar y_i)^2} \Big),

        :math:`\bar y_i` the mean over genes of profile i (of which the paper prints the sum).
        """
        return float(np.mean(1 - self.errors / (self.truths - self.truth_sums**2 / self.genes)))

    @property
    def mean_cosine(self) -> float:
        """Mean over profiles of the cosine between imputed and measured; 0 where one is zero."""
        norms = np.sqrt(self.estimates * self.truths)
        return float(np.mean(np.where(norms > 0, self.products / np.where(norms > 0, norms, 1), 0)))

    @property
    def mean_of_three(self) -> float:
        """Mean of `pearson_r`, `mean_r2` and `mean_cosine`."""
        return (self.pearson_r + self.mean_r2 + self.mean_cosine) / 3


METRICS = {
    "Pearson r": "pearson_r",
    "mean R2": "mean_r2",
    "mean cosine": "mean_cosine",
    "mean of the three": "mean_of_three",
}
"""Attributes of `Scores`: those of appendix H, at most 1, and their mean."""


@dataclasses.dataclass(frozen=True)
class TTest:
    """Of the differences of two methods in repeated cross-validation.

    Attributes
    ----------
    difference : mean over folds and rounds; positive where the first method is better.
    t, degrees : the statistic, and of freedom.
    p : probability of such a t, or a larger one, if the two were equally good.
    """

    difference: float
    t: float
    degrees: int
    p: float


def corrected_t_test(differences: Float[np.ndarray, "rounds folds"], test_to_train: float) -> TTest:
    r"""One-sided corrected t-test of repeated k-fold cross-validation (SI appendix I).

    .. math:: t = \frac{\bar d}{\sqrt{\big( \frac{1}{kr} + \frac{n_2}{n_1} \big) \hat\sigma^2}},

    with :math:`\bar d` and :math:`\hat\sigma^2` the mean and the (unbiased) variance of the kr
    differences, against Student's distribution with kr - 1 degrees of freedom. The second term is
    for the training sets that folds share.

    Parameters
    ----------
    differences : (rounds, folds), of a measure that is larger for a better method.
    test_to_train : n_2 / n_1, profiles in a fold over those it is trained on: 1/9 with ten folds.

    References
    ----------
    Bouckaert and Frank, "Evaluating the replicability of significance tests for comparing learning
    algorithms", PAKDD 2004, section 3.3.
    """
    count = differences.size
    if count < 2:
        raise ValueError(f"there is {count} difference; pass those of at least two folds")
    if not test_to_train >= 0:
        raise ValueError(f"test_to_train was {test_to_train}; pass profiles tested over trained on")
    mean = float(differences.mean())
    error = float(np.sqrt((1 / count + test_to_train) * differences.var(ddof=1)))
    with np.errstate(divide="ignore", invalid="ignore"):
        t = float(np.divide(mean, error)) if mean or error else 0.0
    return TTest(mean, t, count - 1, float(scipy.stats.t.sf(t, count - 1)))


def _ratio(product, squares):
    return float(product / np.sqrt(squares)) if squares > 0 else 0.0


def _check(truth, estimate):
    if truth.shape != estimate.shape or truth.ndim != 2 or not truth.size:
        raise ValueError(
            f"truth is {truth.shape} and estimate {estimate.shape}; pass profiles (n, genes) of "
            "one shape"
        )
    for name, profiles in (("truth", truth), ("estimate", estimate)):
        if not np.isfinite(profiles).all():
            raise ValueError(f"{name} is not finite everywhere; compare what was imputed")
