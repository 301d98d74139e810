"""The pairs of pixels of two images, laid out so that a convolution is a box filter.

A convolution averages a kernel over the *same* offset on both sides: it never mixes pairs (t, t')
of different distances t' - t. Along one axis, for one distance d modulo a period, the pairs stand
on a *line*: consecutive slots hold (t, t'), (t + 1, t' + 1), ... Those with t' - t = d come first,
those with t' - t = d - period after them, with room between them for what a filter reads beyond
either's ends. So every layer, of any padding and stride, is the plain filter without padding, with
slots s o, ..., s o + size - 1 of the line before read for slot o.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Int

from ntkmc.architecture import ArchitectureError
from ntkmc.kernels._gram_plan import Window


@dataclass(frozen=True)
class Lines:
    """For each level of a network, which pair of places each slot holds.

    Attributes
    ----------
    a, b : for each level, (distances, slots): t, and t'. A place that is none of the image is
        given as its number of places.
    """

    a: tuple[Int[np.ndarray, "_ _"], ...]
    b: tuple[Int[np.ndarray, "_ _"], ...]

    def none_apart(self) -> "Lines":
        """Only the lines of the pairs t = t'."""
        return Lines(tuple(side[:1] for side in self.a), tuple(side[:1] for side in self.b))


def lines(sides: tuple[int, ...], windows: tuple[Window, ...]) -> Lines:
    """Lines along one axis: each pair of the last level's places stands in one slot.

    Parameters
    ----------
    sides : places of the image, and after each window.
    windows : what each level reads of the one before.

    Raises
    ------
    ArchitectureError
        If windows that read the opposite edge are mixed with others, or their strides do not divide
        the side.
    """
    scales = [1]  # of places between this level and the last
    for window in reversed(windows):
        scales.insert(0, scales[0] * window.stride)
    edges = {window.edge for window in windows if window.size > 1}
    if "wrap" in edges:
        return _on_circle(_period_of_wrapped(sides, edges, scales), sides, windows, scales)
    circle = _on_circle(_period_of_zeros(sides, windows, scales), sides, windows, scales)
    apart = _apart(sides, windows, scales)
    # Zeros between the ends may be shared on a circle; a filter without padding needs none.
    return circle if "none" not in edges and _slots(circle) <= _slots(apart) else apart


def _slots(made: Lines) -> int:
    return sum(side.size for side in made.a[1:])


def _period_of_wrapped(sides, edges, scales):
    if edges != {"wrap"}:
        raise ArchitectureError(
            "circular convolutions are mixed with other paddings, which the Gram builder has no "
            "reading of; pass one padding, or read the network with ntkmc.stax.from_architecture"
        )
    if any(side != sides[-1] * scale for side, scale in zip(sides, scales, strict=True)):
        raise ArchitectureError(
            f"strides turn a side of {sides[0]} into {sides[-1]}, and circular convolutions need "
            "strides that divide it; pass other sides, or strides of 1"
        )
    return sides[-1]


def _period_of_zeros(sides, windows, scales):
    """The shortest circle on which no filter reads across the gap."""
    period = sides[-1]
    for window, before, after, scale in zip(windows, sides, sides[1:], scales, strict=False):
        beyond = (after - 1) * window.stride - window.before + window.size - before
        needed = before + max(window.before, beyond, 0)
        period = max(period, -(-needed // scale))
    return period


def _on_circle(period, sides, windows, scales) -> Lines:
    start, length = 0, period
    starts, lengths = [0], [period]
    for window in reversed(windows):
        start, length = (
            start * window.stride - window.before,
            (length - 1) * window.stride + window.size,
        )
        starts.insert(0, start)
        lengths.insert(0, length)
    distance = np.arange(period)[:, None]
    pairs = []
    for side, scale, start, length in zip(sides, scales, starts, lengths, strict=True):
        t = np.broadcast_to(start + np.arange(length), (period, length))
        pairs.append((t % (period * scale), (t + distance * scale) % (period * scale), side))
    return _inside(pairs)


def _apart(sides, windows, scales) -> Lines:
    period = sides[-1]
    # The first part has `period - d` pairs at the last level, and at another one `scale` times as
    # many and `more`; it is given `room` slots (of the last level) more than it needs there.
    more, starts = [0], [(0, 1)]  # the second part begins at the place x + y (period - d)
    for window in reversed(windows):
        more.insert(0, more[0] * window.stride + window.size - window.stride)
        x, y = starts[0]
        starts.insert(0, (x * window.stride - window.before, y * window.stride))
    room = max(-(-extra // scale) for extra, scale in zip(more, scales, strict=True))
    d = np.arange(period)[:, None]
    first = period - d
    pairs = []
    for side, scale, extra, (x, y) in zip(sides, scales, more, starts, strict=True):
        slot = np.arange((period + room) * scale + extra)
        begins = (first + room) * scale
        is_first = slot < begins
        t = np.where(is_first, x + slot, x + y * first + slot - begins)
        shifted = t + np.where(is_first, d, d - period) * scale
        unused = is_first & (slot >= first * scale + extra)
        pairs.append((np.where(unused, -1, t), shifted, side))
    return _inside(pairs)


def _inside(pairs) -> Lines:
    a: list[np.ndarray] = []
    b: list[np.ndarray] = []
    for t, shifted, side in pairs:
        for places, made in ((t, a), (shifted, b)):
            made.append(np.where((places >= 0) & (places < side), places, side).astype(np.int32))
    return Lines(tuple(a), tuple(b))
