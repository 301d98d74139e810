"""The observed pixels whose surroundings look most like those of others, within a window."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Bool, Float, Int

from ntkmc import memory
from ntkmc.priors.patches import binomial_window
from ntkmc.solvers.conditional import batch_size

BLOCK = 16  # pixels looked at in one go for each system solved in one: 7 MB of distances on a CPU


def most_similar(
    image: Float[np.ndarray, "H W C"],
    mask: Bool[np.ndarray, "H W"],
    targets: Int[np.ndarray, "t 2"],
    passed_over: Int[np.ndarray, "t m"],
    count: int,
    width: int,
    reach: int,
) -> Int[np.ndarray, "t count"]:
    """The observed pixels of least patch distance to each target, of those within a disc around it.

    The distances of all pixels to those one offset away are one difference of the image, squared
    and averaged over the window of `PatchPrior`, the middle left out: no list of patches is made.

    Parameters
    ----------
    image : completed.
    mask : True where observed.
    targets : rows and columns; a pixel may be there twice, with the same passed over.
    passed_over : of each target, indices of observed pixels (in row-major order, their number for
        none) that are not looked for, because they are neighbours already.
    count : how many.
    width : q, side of the patches.
    reach : radius of the disc, in pixels.

    Returns
    -------
    Indices of observed pixels in row-major order, most similar first; their number for none.

    Raises
    ------
    NotEnoughMemoryError : predicted before it is allocated.
    """
    height, breadth, _ = image.shape
    offsets = _disc(reach)
    rows = max(1, min(height, BLOCK * batch_size() // breadth))
    memory.require(
        4 * (3 * image.size + 3 * len(offsets) * rows * breadth) + 8 * len(targets) * count,
        f"looking for similar pixels in an image of {height} x {breadth}",
        "crop the image, or use a smaller window",
    )
    n = int(mask.sum())
    place = np.full(mask.shape, n, np.int32)
    place[mask] = np.arange(n)
    margin = width // 2
    around = [(margin, margin), (margin, margin)]
    mirrored = np.pad(image.astype(np.float32), [*around, (0, 0)], mode="reflect")
    beyond = [(reach, reach), (reach, reach)]
    planes = jnp.asarray(np.pad(mirrored, [*beyond, (0, 0)]).transpose(2, 0, 1))
    places = jnp.asarray(np.pad(place, beyond, constant_values=n))
    taken = np.full((height, breadth, passed_over.shape[1]), len(offsets), np.int32)
    taken[tuple(targets.T)] = _offset_numbers(np.argwhere(mask), passed_over, targets, offsets)
    found = np.empty((len(targets), count), np.int32)
    for start in range(0, height, rows):
        top = min(start, height - rows)
        near = np.asarray(
            _nearest(planes, places, taken[top : top + rows], offsets, top, count, width, n)
        )
        inside = (targets[:, 0] >= top) & (targets[:, 0] < top + rows)
        found[inside] = near[targets[inside, 0] - top, targets[inside, 1]]
    return found


def _disc(reach):
    """Offsets within the radius, the centre left out."""
    rows, columns = np.mgrid[-reach : reach + 1, -reach : reach + 1]
    square = rows**2 + columns**2
    inside = (square > 0) & (square <= reach**2)
    return np.stack([rows[inside], columns[inside]], axis=1).astype(np.int32)


def _offset_numbers(observed, passed_over, targets, offsets):
    """Which offset leads from each target to those passed over; their number where none does."""
    reach = int(offsets.max())
    number = np.full((2 * reach + 3,) * 2, len(offsets), np.int32)
    number[offsets[:, 0] + reach + 1, offsets[:, 1] + reach + 1] = np.arange(len(offsets))
    apart = observed.take(passed_over, 0, mode="clip") - targets[:, None]
    apart = np.clip(apart, -reach - 1, reach + 1) + reach + 1
    return np.where(passed_over < len(observed), number[apart[..., 0], apart[..., 1]], len(offsets))


@functools.partial(jax.jit, static_argnames=("count", "width"))
def _nearest(planes, places, taken, offsets, top, count, width, absent):
    """Of a block of rows: indices of the observed pixels of least distance, (rows, W, count)."""
    rows, breadth, _ = taken.shape
    reach = (places.shape[1] - breadth) // 2
    margin = width // 2
    window = jnp.asarray(binomial_window(width), planes.dtype)
    tall, broad = rows + 2 * margin, breadth + 2 * margin
    middle = jax.lax.dynamic_slice(planes, (0, top + reach, reach), (len(planes), tall, broad))

    def distance(_, offset):
        row, column = top + reach + offset[0], reach + offset[1]
        shifted = jax.lax.dynamic_slice(planes, (0, row, column), middle.shape)
        square = jnp.sum((middle - shifted) ** 2, axis=0)
        own = square[margin : margin + rows, margin : margin + breadth]
        square = sum(w * square[i : i + rows] for i, w in enumerate(window))
        square = sum(w * square[:, i : i + breadth] for i, w in enumerate(window))
        there = jax.lax.dynamic_slice(places, (row, column), (rows, breadth))
        square = square - window[margin] ** 2 * own
        return None, jnp.where(there < absent, square, jnp.inf)

    squares = jax.lax.scan(distance, None, offsets)[1].reshape(len(offsets), -1).T
    each = jnp.arange(len(squares))[:, None]
    squares = squares.at[each, taken.reshape(len(squares), -1)].set(jnp.inf, mode="drop")
    least, number = jax.lax.top_k(-squares, count)
    row, column = top + reach + each // breadth, reach + each % breadth
    near = places[row + offsets[number, 0], column + offsets[number, 1]]
    return jnp.where(jnp.isfinite(least), near, absent).reshape(rows, breadth, count)
