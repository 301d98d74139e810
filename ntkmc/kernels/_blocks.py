"""The near part of a periodic kernel as matrix products over image blocks.

An output block of P x P pixels reads a window of (P + 2R) x (P + 2R) pixels around it, through the
same matrix for every block. That matrix commutes with reflecting block and window along either
axis, so on the even and odd halves it falls apart into four blocks, sectors, of a quarter of the
rows and of the columns each: a quarter of the arithmetic and of the memory. Of a volume it is an
eighth, of a signal half.
"""

import functools
import itertools
import math

import jax
import jax.numpy as jnp
import numpy as np

from ntkmc.kernels._pairs import Pairs
from ntkmc.kernels._recursion import Axes

# Windows overlap, so they take several times the memory of the images; more images than fit go one
# after another.
WINDOW_BYTES = 2**29


def _window(pairs: Pairs) -> tuple[int, np.ndarray, np.ndarray]:
    """Length of a window, positions of its upper half, and of their mirror images."""
    length = pairs.period + 2 * pairs.radius
    upper = np.arange(length - -(-length // 2), length)
    return length, upper, length - 1 - upper


def folded_shape(pairs: Axes) -> tuple[int, int, int]:
    """Shape of what `fold_table` returns."""
    windows = math.prod(len(_window(each)[1]) for each in pairs)
    return 2 ** len(pairs), math.prod(each.half for each in pairs), windows


@functools.partial(jax.jit, static_argnames="pairs")
def fold_table(near, pairs: Axes):
    """A matrix a sector (even-even, even-odd, odd-even, odd-odd) from near rows of kernel less far.

    (sectors, phases, window), phases and places of a window in row-major order.
    """
    padded = jnp.pad(
        near, (0, 1)
    )  # a window reaches beyond the radius of most of its phases: zeros there
    rows, axes = [_window_rows(each) for each in pairs], len(pairs)
    halves = [side for each in pairs for side in (each.half, len(_window(each)[1]))]
    order = (*range(0, 2 * axes, 2), *range(1, 2 * axes, 2))
    sectors = []
    for signs in itertools.product((1, -1), repeat=axes):
        part = padded
        for axis, (sign, (up, down)) in enumerate(zip(signs, rows, strict=True)):
            before = (slice(None),) * axis
            part = part[(*before, up)] + sign * part[(*before, down)]
        part = part.reshape(halves).transpose(order)
        sectors.append(part.reshape(math.prod(each.half for each in pairs), -1))
    return jnp.stack(sectors)


def _window_rows(pairs: Pairs):
    """Rows of each kept phase and place of the upper half of a window, and of the mirror image."""
    _, upper, lower = _window(pairs)
    phases = np.arange(pairs.period - pairs.half, pairs.period)[:, None]

    def rows(window):
        d = window[None, :] - pairs.radius - phases
        return np.where(abs(d) <= pairs.radius, pairs.row(phases, d), pairs.near).ravel()

    return rows(upper), rows(lower)


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
    n, *sides = images.shape
    axes = len(sides)
    blocks = [side // each.period for side, each in zip(sides, pairs, strict=True)]
    windows = images
    for axis, each in enumerate(pairs):
        windows = _fold(windows, 3 * axis + 1, each)
    # Signs, of the last axis first; n; and for each axis the block and the place in its window.
    signs, places = range(axes)[::-1], range(axes + 2, 3 * axes + 1, 2)
    order = (*signs, *places, axes, *range(axes + 1, 3 * axes, 2))
    windows = windows.transpose(order).reshape(len(folded), folded.shape[2], -1)
    product = jnp.matmul(folded, windows, precision=jax.lax.Precision.HIGHEST)
    product = product.reshape(*(2,) * axes, *(each.half for each in pairs), n, *blocks)
    for each in pairs:  # the first sign that is left, and the phase that is its
        product = _unfold(product, axes - 1, each)
    order = (axes, *(at for axis in range(axes) for at in (axes + 1 + axis, axis)))
    return product.transpose(order).reshape(images.shape)


@functools.partial(jax.jit, static_argnames="pairs")
def near_matvec(folded, images, pairs: Axes):
    """Near part of the kernel times images (n, *sides), in the kernel's dtype."""
    images = images.astype(folded.dtype)
    n, *sides = images.shape
    blocks = math.prod(side // each.period for side, each in zip(sides, pairs, strict=True))
    window_bytes = len(folded) * folded.shape[2] * blocks * folded.dtype.itemsize
    group = max(1, WINDOW_BYTES // window_bytes)
    if n <= group:
        return _multiply(folded, images, pairs)
    one = functools.partial(_multiply, folded, pairs=pairs)
    return jax.lax.map(lambda image: one(image[None])[0], images, batch_size=group)
