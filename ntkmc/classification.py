"""Classes by kernel regression, and how sure the share of right ones is."""

from dataclasses import dataclass

import numpy as np
import scipy.stats
from jaxtyping import Float, Int

from ntkmc.solvers import KernelFactor, SingularKernelError, best_ridge
from ntkmc.solvers.result import larger_ridge


@dataclass(frozen=True)
class KernelClassifier:
    r"""Kernel regression of k classes' indicators, less their means.

    Scores of a new x are

    .. math:: f(x) = \bar y + K'(x, X) (K' + \mathrm{ridge}\, \overline{K'_{ii}}\, I)^{-1}
              (Y - \bar y),

    where row i of :math:`Y` has a one for the class of i and zeros for the others; its class is
    that of the largest score. :math:`K'` is the kernel of features less their means over X, and of
    one more that is constant, as large as the others together:

    .. math:: K'(x, x') = \langle \phi(x) - \bar\phi, \phi(x') - \bar\phi \rangle + s,
              \qquad s = \overline{\lVert \phi(x_i) - \bar\phi \rVert^2}

    A kernel between images without negative values is nearly constant, and a large ridge would
    leave of it what all images share: with a few tiles of each class, all would be of one class.

    Attributes
    ----------
    weights : (n, k), what K'(x, X) is multiplied with.
    means : (k,), the share of each class.
    ridge : relative to the mean of the diagonal of K'.
    columns : (n,), the means of the columns of K(X, X).
    """

    weights: Float[np.ndarray, "n k"]
    means: Float[np.ndarray, " k"]
    ridge: float
    columns: Float[np.ndarray, " n"]
    _constant: float

    @classmethod
    def fit(
        cls,
        kernel: Float[np.ndarray, "n n"],
        labels: Int[np.ndarray, " n"],
        classes: int,
        ridge: float | str = "loo",
    ) -> "KernelClassifier":
        """Regress on n labels.

        Parameters
        ----------
        kernel : (n, n), symmetric and positive semidefinite.
        labels : (n,), from 0 to `classes` - 1.
        classes : k.
        ridge : at least 0; or "loo", the one between 1e-6 and 30 whose leave-one-out errors have
            the least sum of squares over all classes (with all means as they are).

        Raises
        ------
        ValueError : the kernel does not fit the labels or is not finite.
        SingularKernelError : a larger ridge is needed.
        """
        indicators = np.eye(classes)[labels]
        means = indicators.mean(axis=0)
        given, kernel = kernel.dtype, kernel.astype(np.float64)
        columns = kernel.mean(axis=0)
        centred = kernel - columns - columns[:, None] + columns.mean()
        size = float(np.diagonal(centred).mean())
        centred += size
        if isinstance(ridge, str):
            if ridge != "loo":
                raise ValueError(f"ridge was {ridge!r}; pass a number >= 0, or 'loo'")
            ridge = best_ridge(centred, (indicators - means).T)
        try:
            factor = KernelFactor.of(centred, ridge * 2 * size)  # the constant is one half
        except SingularKernelError:
            raise SingularKernelError(
                f"the kernel of {len(labels)} examples, {given} numbers, is singular to rounding, "
                f"as it is where two are equal: pass a larger ridge (it was {ridge:g}; try "
                f"{larger_ridge(ridge):g}), or a kernel in float64"
            ) from None
        weights = factor.solve(indicators - means)
        return cls(weights, means, ridge, columns, float(columns.mean()) + size)

    def scores(self, cross: Float[np.ndarray, "q n"]) -> Float[np.ndarray, "q k"]:
        """Scores of q new ones, whose kernel with the n old ones is `cross`."""
        centred = cross - cross.mean(axis=1, keepdims=True) - self.columns + self._constant
        return centred @ self.weights + self.means

    def predict(self, cross: Float[np.ndarray, "q n"]) -> Int[np.ndarray, " q"]:
        """The class of each: that of the largest score."""
        return self.scores(cross).argmax(axis=1)


@dataclass(frozen=True)
class Interval:
    """A mean and where it may be."""

    mean: float
    low: float
    high: float


def crossed_interval(values: Float[np.ndarray, "draws tiles"], confidence: float) -> Interval:
    r"""Mean of values for each draw of a training set and each test tile, and its t interval.

    It is an interval for other draws *and* other tiles. With :math:`s_d^2` the variance of the
    means of draws and :math:`s_t^2` that of the means of tiles, the mean's own is taken to be
    :math:`v = s_d^2 / D + s_t^2 / T`, in which what belongs to neither is counted twice, with
    Satterthwaite's degrees of freedom
    :math:`v^2 / (s_d^4 / (D^2 (D - 1)) + s_t^4 / (T^2 (T - 1)))`.

    Parameters
    ----------
    values : such as one where a prediction is right and zero where it is wrong, or the difference
        of two of these; at least two draws and two tiles.
    confidence : such as 0.95.
    """
    draws, tiles = values.shape
    if draws < 2 or tiles < 2:
        raise ValueError(f"values are {draws} x {tiles}; pass at least two draws and two tiles")
    parts = np.array(
        [values.mean(axis=1).var(ddof=1) / draws, values.mean(axis=0).var(ddof=1) / tiles]
    )
    mean, variance = float(values.mean()), float(parts.sum())
    if variance == 0:
        return Interval(mean, mean, mean)
    freedom = variance**2 / (parts**2 / (draws - 1, tiles - 1)).sum()
    half = float(scipy.stats.t.ppf((1 + confidence) / 2, freedom)) * np.sqrt(variance)
    return Interval(mean, mean - half, mean + half)


def nested_orders(labels: Int[np.ndarray, " n"], size: int, seed: int) -> Int[np.ndarray, " size"]:
    """Tiles for training, of which the first m are the smaller training set of m tiles.

    Each class is put into a random order, and classes take turns, themselves in random order each
    time: every training set has as many of each class, to one, as long as there are any left.
    """
    rng = np.random.default_rng(seed)
    turn = np.empty(len(labels), np.int64)
    for label in np.unique(labels):
        its = np.flatnonzero(labels == label)
        turn[rng.permutation(its)] = np.arange(len(its))
    return np.lexsort((rng.random(len(labels)), turn))[:size]
