r"""Kernels between the rows of a table, of networks over two priors of what a row is.

The prior "values" is the row itself: its features, a constant, and a feature of the row's own for
what is not known of it. The prior "thresholds" embeds each value by steps,
:math:`\operatorname{sign}(x_k - t)` for all thresholds t in the range of feature k. The inner
product of two rows is then a constant less the city-block distance
:math:`L = \sum_k w_k |x_k - x'_k|`: rows are compared feature by feature, as trees compare them.

On each of them there is a network with one hidden layer of ReLU units (its tangent kernel), and on
the thresholds one of sines, :math:`\cos(v \cdot \phi + b)` with Gaussian v and uniform b, whose
NNGP kernel is :math:`\exp(-\gamma |\phi - \phi'|^2)` (Rahimi and Recht, "Random features for
large-scale kernel machines", 2007): the exponential of the city-block distance.

What is missing of a row was filled in, and is known to an error :math:`s_k` only. For that the
prior of a row has coordinates of its own, which no other row shares; they make its correlation with
all others smaller.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from ntkmc.architecture import Relu
from ntkmc.kernels.dense_ntk import kernel_of_gap

TOGETHER = 8
"""The number of features is a multiple of this."""

FAMILIES = ("values", "thresholds", "exponential")

_CONSTANT = 5.0  # squared, of the prior "values", beside features of mean square one
_RANGE = 0.6  # rows so much of all ranges apart are orthogonal; positive definite from 1/2 on
_LENGTH = 0.15  # of the exponential, in the same unit
_SHARE = 0.5  # of an error that counts as distance
# Below it, or the rounding, two rows are the same: the derivative there is that of neither side.
_SAME = 1e-12


class Rows(NamedTuple):
    """Rows of a table, for their kernels.

    Attributes
    ----------
    x : (m, f), features of mean square about one.
    error : (m, f), the standard deviation of what was filled in, zero where it was observed.
    """

    x: Float[Array | np.ndarray, "m f"]
    error: Float[Array | np.ndarray, "m f"]


class Sides(NamedTuple):
    """What the kernels between two sets of rows are made of.

    Attributes
    ----------
    near : (m, n), inner products, or city-block distances.
    left, right : (m,) and (n,), squared norms, or the share of a row that is known.
    length : the distance at which thresholds make rows orthogonal, or forgotten; 1 for "values".
    """

    near: Float[Array, "m n"]
    left: Float[Array, " m"]
    right: Float[Array, " n"]
    length: Float[Array, ""]


def sides(
    family: str,
    one: Rows,
    other: Rows,
    weights: Float[Array | np.ndarray, " f"],
    span: Float[Array | np.ndarray, " f"],
) -> Sides:
    """Compare two sets of rows; `span` is the range of each feature."""
    a, b = jnp.asarray(one.x * weights), jnp.asarray(other.x * weights)
    if family == "values":
        left, right = (
            jnp.sum(jnp.square(rows.x * weights) + jnp.square(rows.error * weights), axis=1)
            + _CONSTANT
            for rows in (one, other)
        )
        return Sides(a @ b.T + _CONSTANT, left, right, jnp.ones((), a.dtype))
    total = weights @ span
    length = (_RANGE if family == "thresholds" else _LENGTH) * jnp.where(total > 0, total, 1)
    left, right = (jnp.exp(-_SHARE / length * (rows.error @ weights)) for rows in (one, other))
    return Sides(_distance(a, b), left, right, length)


def _distance(a, b):
    """City-block; some features at a time in one pass over the result, which is large."""

    def add(total, some):
        return total + sum(abs(x[:, None] - y) for x, y in zip(*some, strict=True)), None

    parts = [side.T.reshape(-1, TOGETHER, len(side)) for side in (a, b)]
    return jax.lax.scan(add, jnp.zeros((len(a), len(b)), a.dtype), parts)[0]


def kernel(family: str, its: Sides, same: Bool[Array | np.ndarray, "#m #n"]) -> Float[Array, "m n"]:
    """The kernel, (m, n), of what was compared; `same` where a row meets itself."""
    size, gap, _ = _gap(family, its, same)
    if family == "exponential":
        return jnp.exp(-its.near / its.length) * size
    return size * _ntk(gap)


def kernel_and_slopes(
    family: str, its: Sides, same: Bool[Array | np.ndarray, "#m #n"]
) -> tuple[Float[Array, "m n"], Float[Array, "m n"], Float[Array, "m n"]]:
    """The kernel, and its derivatives with respect to `near` and, of "values", to `left`."""
    size, gap, inside = _gap(family, its, same)
    if family == "exponential":
        value = jnp.exp(-its.near / its.length) * size
        return value, -value / its.length, jnp.zeros_like(value)
    value, slope = jax.jvp(_ntk, (gap,), (inside.astype(gap.dtype),))
    if family == "values":
        return size * value, -slope, (size * value + its.near * slope) / (2 * its.left[:, None])
    known = jnp.where(same, 1, its.left[:, None] * its.right)
    return value, slope * known / its.length, jnp.zeros_like(value)


def _gap(family, its, same):
    """What the kernel is multiplied by, one less the correlation, and whether that is a number."""
    pair = its.left[:, None] * its.right
    if family == "exponential":
        return jnp.where(same, 1, pair), None, None
    if family == "values":
        size = jnp.sqrt(pair)
        gap = jnp.where(same, 0, 1 - its.near / size)
    else:
        size = jnp.ones((), its.near.dtype)
        gap = 1 - (1 - its.near / its.length) * jnp.where(same, 1, pair)
    least = max(_SAME, 8 * float(jnp.finfo(gap.dtype).eps))
    return size, jnp.clip(gap, least, 2 - least), (gap > least) & (gap < 2 - least)


def _ntk(gap):
    return kernel_of_gap(gap, 2 - gap, 1, Relu(), "ntk")


def diagonal(family: str, its: Sides) -> Float[Array, " m"]:
    """The kernel of each of the first rows with itself."""
    if family == "values":
        return 2 * its.left
    return jnp.full_like(its.left, 1 if family == "exponential" else 2)


def replaced(
    family: str,
    its: Sides,
    old: Float[Array, " m"],
    new: Float[Array, " m"],
    other: Float[Array, " n"],
) -> Sides:
    """The same, after the first rows' values of one feature were replaced; all weighted."""
    if family == "values":
        near = its.near + (new - old)[:, None] * other
        return its._replace(near=near, left=its.left + new * new - old * old)
    change = jnp.abs(new[:, None] - other) - jnp.abs(old[:, None] - other)
    return its._replace(near=its.near + change)
