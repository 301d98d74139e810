r"""The recursion of a group convolution for every form in which neural-tangents keeps a kernel.

A kernel has, besides its batch axes, (H, H', W, W') after an image and (H, H', W, W', R, R') after
a function on the group, or (H, W) and (H, W, R) where only its diagonal is kept. By definition

.. math:: K'_{tr, t'r'} = \frac{1}{|S| |P|} \sum_{s \in S, p \in P}
                          K_{(t + rs)\, rp,\; (t' + r's)\, r'p}

and the sum over p is :math:`A_d(u, u') = \frac{1}{|P|} \sum_q K_{uq, u'dq}` of
:math:`d = r' r^{-1}` alone. P maps the filter S to itself, so that rs may be called s:

.. math:: K'_{tr, t'r'} = \frac{1}{|S|} \sum_{s \in S} A_d(t + s, t' + ds),

the same for all r and r' of one d. With both sides turned to meet, :math:`t' = du`, that is the box
filter of a plain convolution: \|P| of them instead of \|P|^2 sums over \|P|.
"""

from collections.abc import Sequence

import jax
import jax.numpy as jnp

from ntkmc.groups import Window
from ntkmc.groups.convolution import pad


def lifted(mat: jax.Array, batch_ndim: int, window: Window) -> jax.Array:
    """After a lifting convolution: the mean over the offsets, and new axes for the group."""
    order = len(window.group)
    if mat.ndim == batch_ndim + 2:
        means = box_mean(mat, batch_ndim, window)
        return jnp.broadcast_to(means[..., None], (*means.shape, order))
    return _with_all_pairs([mat] * order, batch_ndim, window)


def convolved(mat: jax.Array, batch_ndim: int, window: Window) -> jax.Array:
    """After a group convolution: the mean over offsets and elements."""
    order = len(window.group)
    if mat.ndim == batch_ndim + 3:
        return lifted(mat.mean(-1), batch_ndim, window)
    # Not one entry of each sum, though all are equal between layers of this kind: whatever else
    # stands between them, this is the definition.
    elements = jnp.arange(order)
    return _with_all_pairs(
        [mat[..., elements, window.group.product[d]].mean(-1) for d in range(order)],
        batch_ndim,
        window,
    )


def _with_all_pairs(components: Sequence[jax.Array], batch_ndim: int, window: Window) -> jax.Array:
    """The kernel between all pairs of elements, from A_d for each d."""
    group = window.group
    right = (batch_ndim + 1, batch_ndim + 3)
    means = []
    for d, component in enumerate(components):
        met = group.act(component, int(group.inverse[d]), right)
        means.append(group.act(box_mean(met, batch_ndim, window), d, right))
    return jnp.stack(means, axis=-1)[..., group.relative]


def box_mean(mat: jax.Array, batch_ndim: int, window: Window) -> jax.Array:
    """Mean over the offsets of a filter, the same on both sides of a kernel.

    Whatever the group does to the kernel it does to this mean, to the last bit: terms that are
    exchanged by a reflection are added to each other first, and rows and columns take turns where
    they are exchanged. So the variance of a turned image is the turned variance, and correlations
    that are 1 stay 1, where the derivative of a dual activation has an infinite slope.
    """
    sides = (mat.ndim - batch_ndim) // 2  # of the kernel: 1 where the diagonal is kept, else 2
    axes = [range(batch_ndim + sides * axis, batch_ndim + sides * (axis + 1)) for axis in (0, 1)]
    total = _sum(_sum(mat, axes[0], 0, window), axes[1], 1, window)
    if window.group.exchanges_sides:
        total = (total + _sum(_sum(mat, axes[1], 1, window), axes[0], 0, window)) / 2
    return total / (window.filter_shape[0] * window.filter_shape[1])


def _sum(mat: jax.Array, axes: Sequence[int], axis: int, window: Window) -> jax.Array:
    """Sum over the offsets along the rows (0) or columns (1), on all of `axes` at once."""
    size, stride = window.filter_shape[axis], window.strides[axis]
    padded = pad(mat, axes, axis, window)

    def shifted(offset):
        index = [slice(None)] * padded.ndim
        for along in axes:
            index[along] = slice(offset, padded.shape[along] - size + 1 + offset, stride)
        return padded[tuple(index)]

    middle = size // 2
    total = shifted(middle)
    for reach in range(1, middle + 1):
        total = total + (shifted(middle - reach) + shifted(middle + reach))
    return total
