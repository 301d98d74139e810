"""Group convolutions of arrays, as sums with weights.

Images are (n, h, w, c), and functions of translations and group elements (n, h, w, order, c): the
value at [:, y, x, r] belongs to the element t r of the plane's symmetry group, t = (y, x).
"""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from ntkmc.groups import missing
from ntkmc.groups.windows import Window


def lift(
    x: Float[Array | np.ndarray, "n h w c"], weights: Float[Array, "k l c d"], window: Window
) -> Float[Array, "n i j order d"]:
    r"""From images to functions on the group.

    .. math:: y(t r)_d = \sum_{s, c} w(s)_{c d}\, x(t + r s)_c

    NaN everywhere for an image with a pixel that is NaN or infinite.
    """
    group = window.group
    x = jnp.asarray(x)
    x = missing.spread(x, missing.missing_images(x))
    filters = jnp.stack([group.act(weights, r) for r in range(len(group))], axis=-2)
    return _convolve(x, filters, window)


def convolve(
    x: Float[Array | np.ndarray, "n h w order c"],
    weights: Float[Array, "order k l c d"],
    window: Window,
) -> Float[Array, "n i j order d"]:
    r"""From functions on the group to functions on the group.

    .. math:: y(t r)_d = \sum_{s, p, c} w(s p)_{c d}\, x\bigl((t + r s)\, r p\bigr)_c
    """
    group = window.group
    filters = []
    for r in range(len(group)):
        # The weight of x at s q is that of the offset r^-1 s and the element r^-1 q.
        turned = group.act(weights, r, axes=(1, 2))
        filters.append(turned[group.product[group.inverse[r]]])
    stacked = jnp.moveaxis(jnp.stack(filters, axis=-2), 0, 2)  # (k, l, order, c, order, d)
    return _convolve(
        jnp.asarray(x).reshape(*x.shape[:3], -1),
        stacked.reshape(*stacked.shape[:2], -1, *stacked.shape[4:]),
        window,
    )


def _convolve(
    x: Float[Array, "n h w c"], filters: Float[Array, "k l c order d"], window: Window
) -> Float[Array, "n i j order d"]:
    window.outputs((x.shape[1], x.shape[2]))
    for axis in (0, 1):
        x = pad(x, (axis + 1,), axis, window)
    y = jax.lax.conv_general_dilated(
        x,
        filters.reshape(*filters.shape[:3], -1),
        window.strides,
        "VALID",
        dimension_numbers=("NHWC", "HWIO", "NHWC"),
    )
    return y.reshape(*y.shape[:3], *filters.shape[3:])


def pad(x: jax.Array, along: Sequence[int], axis: int, window: Window) -> jax.Array:
    """Continue an array beyond the edges, on all axes of `along`: rows (0) or columns (1)."""
    edges = [(0, 0)] * x.ndim
    for place in along:
        edges[place] = window.edges(axis, x.shape[place])
    if not any(map(any, edges)):
        return x
    return jnp.pad(x, edges, "wrap" if window.padding == "CIRCULAR" else "constant")
