"""Classes by kernel regression, and how sure the share of right ones is."""

import numbers
from dataclasses import dataclass

import numpy as np
import scipy.stats
from jaxtyping import Float, Int

from ntkmc.solvers import KernelFactor, SingularKernelError, best_ridge
from ntkmc.solvers.result import check_ridge, larger_ridge


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
        ValueError : labels are not whole numbers from 0 to `classes` - 1, the kernel does not fit
            them or is not finite, constant or plainly not positive semidefinite, or the ridge is no
            number >= 0.
        SingularKernelError : a larger ridge is needed.
        """
        kernel, labels = np.asarray(kernel), np.asarray(labels)
        _check_labels(labels, classes)
        if kernel.shape != (len(labels),) * 2:
            raise ValueError(
                f"kernel has shape {kernel.shape} for {len(labels)} labels; pass the kernel "
                "between their examples"
            )
        _check_finite("kernel", kernel)
        if ridge != "loo":
            if not isinstance(ridge, numbers.Real):
                raise ValueError(f"ridge was {ridge!r}; pass a number >= 0, or 'loo'")
            check_ridge(float(ridge))
        indicators = np.eye(classes)[labels]
        means = indicators.mean(axis=0)
        given, kernel = kernel.dtype, kernel.astype(np.float64)
        columns = kernel.mean(axis=0)
        centred = kernel - columns - columns[:, None] + columns.mean()
        size = float(np.diagonal(centred).mean())
        rounding = np.finfo(np.result_type(given, np.float16)).eps * abs(kernel).max()
        if abs(size) <= rounding:
            raise ValueError(
                f"the kernel of {len(labels)} examples is constant to rounding: it tells no two of "
                "them apart; pass examples that differ, or another kernel"
            )
        if size < 0:
            raise ValueError(
                "the kernel is not positive semidefinite: its diagonal is smaller than what is "
                "beside it, as of distances; pass a kernel"
            )
        centred += size
        if isinstance(ridge, str):
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
        """Scores of q new ones, whose kernel with the n old ones is `cross`.

        Raises
        ------
        ValueError : there is no column for each of the old ones, or `cross` is not finite.
        """
        if cross.ndim != 2 or cross.shape[1] != len(self.columns):
            raise ValueError(
                f"cross has shape {cross.shape}; pass a row for each new example and a column for "
                f"each of the {len(self.columns)} that were fitted"
            )
        _check_finite("cross", cross)
        centred = cross - cross.mean(axis=1, keepdims=True) - self.columns + self._constant
        return centred @ self.weights + self.means

    def predict(self, cross: Float[np.ndarray, "q n"]) -> Int[np.ndarray, " q"]:
        """The class of each: that of the largest score."""
        return self.scores(cross).argmax(axis=1)


def _check_labels(labels: np.ndarray, classes: int) -> None:
    if not isinstance(classes, numbers.Integral) or classes < 2:
        raise ValueError(f"classes was {classes!r}; pass how many there are, at least 2")
    if labels.ndim != 1 or labels.dtype.kind not in "iu" or not labels.size:
        raise ValueError(
            f"labels are {labels.dtype} of shape {labels.shape}; pass a whole number for each "
            f"example, from 0 to {classes - 1}"
        )
    if labels.min() < 0 or labels.max() >= classes:
        raise ValueError(
            f"labels go from {labels.min()} to {labels.max()}, and classes was {classes}; pass "
            f"labels from 0 to {classes - 1}"
        )


def _check_finite(name: str, kernel: np.ndarray) -> None:
    if not np.isfinite(kernel).all():
        row, column = np.argwhere(~np.isfinite(kernel))[0]
        raise ValueError(f"{name}[{row}, {column}] is {kernel[row, column]}; pass finite numbers")


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

    Raises
    ------
    ValueError : there are fewer, values are not finite or `confidence` is not between 0 and 1.
    """
    draws, tiles = values.shape
    if draws < 2 or tiles < 2:
        raise ValueError(f"values are {draws} x {tiles}; pass at least two draws and two tiles")
    if not 0 < confidence < 1:
        raise ValueError(
            f"confidence was {confidence}; pass a number between 0 and 1, such as 0.95"
        )
    _check_finite("values", values)
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

    Raises
    ------
    ValueError : there are fewer labels than `size`.
    """
    if not 0 <= size <= len(labels):
        raise ValueError(f"size was {size}; pass a number from 0 to {len(labels)}, that of labels")
    rng = np.random.default_rng(seed)
    turn = np.empty(len(labels), np.int64)
    for label in np.unique(labels):
        its = np.flatnonzero(labels == label)
        turn[rng.permutation(its)] = np.arange(len(its))
    return np.lexsort((rng.random(len(labels)), turn))[:size]
