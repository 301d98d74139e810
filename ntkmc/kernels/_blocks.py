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

# Windows overlap, so they take several times the memory of the images; more images than fit go one
# after another.
WINDOW_BYTES = 2**29


def _window(pairs: Pairs) -> tuple[int, np.ndarray, np.ndarray]:
    """Length of a window, positions of its upper half, and of their mirror images."""
    length = pairs.period + 2 * pairs.radius
    upper = np.arange(length - -(-length // 2), length)
    return length, upper, length - 1 - upper


def folded_shape(pairs: Pairs, axes: int) -> tuple[int, int, int]:
    """Shape of what `fold_table` returns."""
    return 2**axes, pairs.half**axes, len(_window(pairs)[1]) ** axes


@functools.partial(jax.jit, static_argnames="pairs")
def fold_table(near, pairs: Pairs):
    """A matrix a sector (even-even, even-odd, odd-even, odd-odd) from near rows of kernel less far.

    (sectors, phases, window), phases and places of a window in row-major order.
    """
    _, upper, lower = _window(pairs)
    phases = np.arange(pairs.period - pairs.half, pairs.period)[:, None]

    def rows(window):
        d = window[None, :] - pairs.radius - phases
        return np.where(abs(d) <= pairs.radius, pairs.row(phases, d), pairs.near).ravel()

    padded = jnp.pad(
        near, (0, 1)
    )  # a window reaches beyond the radius of most of its phases: zeros there
    up, down, axes = rows(upper), rows(lower), near.ndim
    sectors = []
    for signs in itertools.product((1, -1), repeat=axes):
        part = padded
        for axis, sign in enumerate(signs):
            before = (slice(None),) * axis
            part = part[(*before, up)] + sign * part[(*before, down)]
        part = part.reshape((pairs.half, upper.size) * axes)
        order = (*range(0, 2 * axes, 2), *range(1, 2 * axes, 2))
        sectors.append(part.transpose(order).reshape(pairs.half**axes, -1))
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
    n, *sides = images.shape
    axes = len(sides)
    blocks = [side // pairs.period for side in sides]
    windows = images
    for axis in range(axes):
        windows = _fold(windows, 3 * axis + 1, pairs)
    # Signs, of the last axis first; n; and for each axis the block and the place in its window.
    signs, places = range(axes)[::-1], range(axes + 2, 3 * axes + 1, 2)
    order = (*signs, *places, axes, *range(axes + 1, 3 * axes, 2))
    windows = windows.transpose(order).reshape(len(folded), folded.shape[2], -1)
    product = jnp.matmul(folded, windows, precision=jax.lax.Precision.HIGHEST)
    product = product.reshape(*(2,) * axes, *(pairs.half,) * axes, n, *blocks)
    for _ in range(axes):  # the first sign that is left, and the phase that is its
        product = _unfold(product, axes - 1, pairs)
    order = (axes, *(at for axis in range(axes) for at in (axes + 1 + axis, axis)))
    return product.transpose(order).reshape(images.shape)


@functools.partial(jax.jit, static_argnames="pairs")
def near_matvec(folded, images, pairs: Pairs):
    """Near part of the kernel times images (n, *sides), in the kernel's dtype."""
    images = images.astype(folded.dtype)
    n, *sides = images.shape
    blocks = math.prod(side // pairs.period for side in sides)
    window_bytes = len(folded) * folded.shape[2] * blocks * folded.dtype.itemsize
    group = max(1, WINDOW_BYTES // window_bytes)
    if n <= group:
        return _multiply(folded, images, pairs)
    one = functools.partial(_multiply, folded, pairs=pairs)
    return jax.lax.map(lambda image: one(image[None])[0], images, batch_size=group)
