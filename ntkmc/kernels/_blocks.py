"""The near part of a periodic kernel as matrix products over image blocks.

An output block of P x P pixels reads a window of (P + 2R) x (P + 2R) pixels around it, through the
same matrix for every block. That matrix commutes with reflecting block and window along either
axis, so on the even and odd halves it falls apart into four blocks of a quarter of the rows and of
the columns each: a quarter of the arithmetic and of the memory.
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np

from ntkmc.kernels._pairs import Pairs

# Windows overlap, so they take several times the memory of the images; more images than fit go one
# after another.
WINDOW_BYTES = 2**29


def _window(pairs: Pairs) -> tuple[int, np.ndarray, np.ndarray]:
    """Length of a window, positions of its upper half, and of their mirror images."""
    length = pairs.period + 2 * pairs.radius
    upper = np.arange(length - -(-length // 2), length)
    return length, upper, length - 1 - upper


def folded_shape(pairs: Pairs) -> tuple[int, int, int]:
    """Shape of what `fold_table` returns."""
    return 4, pairs.half**2, len(_window(pairs)[1]) ** 2


@functools.partial(jax.jit, static_argnames="pairs")
def fold_table(near, pairs: Pairs):
    """Four matrices (even-even, even-odd, odd-even, odd-odd) from near rows of kernel minus far."""
    _, upper, lower = _window(pairs)
    phases = np.arange(pairs.period - pairs.half, pairs.period)[:, None]

    def rows(window):
        d = window[None, :] - pairs.radius - phases
        return np.where(abs(d) <= pairs.radius, pairs.row(phases, d), pairs.near).ravel()

    padded = jnp.pad(
        near, (0, 1)
    )  # a window reaches beyond the radius of most of its phases: zeros there
    up, down = rows(upper), rows(lower)
    sectors = []
    for sign_y in (1, -1):
        half = (padded[up] + sign_y * padded[down]).T
        for sign_x in (1, -1):
            both = (half[up] + sign_x * half[down]).T.reshape(
                pairs.half, upper.size, pairs.half, -1
            )
            sectors.append(both.transpose(0, 2, 1, 3).reshape(pairs.half**2, -1))
    return jnp.stack(sectors)


def _fold(images, axis, pairs):
    """Turn an axis into (block, upper half of its window); the even and odd part in front."""
    _, upper, lower = _window(pairs)
    side = images.shape[axis]
    starts = np.arange(0, side, pairs.period)[:, None] - pairs.radius
    up = jnp.take(images, (starts + upper) % side, axis=axis)
    down = jnp.take(images, (starts + lower) % side, axis=axis)
    # The centre of an odd window is its own mirror image: count it once.
    share = np.ones(upper.size)
    share[upper == lower] = 0.5
    share = share.reshape((-1,) + (1,) * (up.ndim - axis % images.ndim - 2)).astype(images.dtype)
    return jnp.stack([(up + down) * share, up - down])


def _unfold(parts, axis, pairs):
    """Phases of a block from the even and odd parts (first axis) of their upper half."""
    even, odd = parts
    upper, lower = (even + odd) / 2, (even - odd) / 2
    mirrored = jnp.flip(lower, axis)
    if pairs.period % 2:  # the centre is in both halves
        mirrored = jax.lax.slice_in_dim(mirrored, 0, pairs.half - 1, axis=axis)
    return jnp.concatenate([mirrored, upper], axis=axis)


def _multiply(folded, images, pairs):
    n, height, width = images.shape
    blocks_y, blocks_x = height // pairs.period, width // pairs.period
    windows = _fold(
        _fold(images, 1, pairs), 4, pairs
    )  # x sign, y sign, n, block y, wy, block x, wx
    windows = windows.transpose(1, 0, 4, 6, 2, 3, 5).reshape(4, folded.shape[2], -1)
    product = jnp.matmul(folded, windows, precision=jax.lax.Precision.HIGHEST)
    product = product.reshape(2, 2, pairs.half, pairs.half, n, blocks_y, blocks_x)
    out = _unfold(_unfold(product, 1, pairs), 1, pairs)  # first the sign and phase of y, then of x
    return out.transpose(2, 3, 0, 4, 1).reshape(n, height, width)


@functools.partial(jax.jit, static_argnames="pairs")
def near_matvec(folded, images, pairs: Pairs):
    """Near part of the kernel times images (n, H, W), in the kernel's dtype."""
    images = images.astype(folded.dtype)
    n, height, width = images.shape
    window_bytes = 4 * folded.shape[2] * (height * width // pairs.period**2) * folded.dtype.itemsize
    group = max(1, WINDOW_BYTES // window_bytes)
    if n <= group:
        return _multiply(folded, images, pairs)
    one = functools.partial(_multiply, folded, pairs=pairs)
    return jax.lax.map(lambda image: one(image[None])[0], images, batch_size=group)
