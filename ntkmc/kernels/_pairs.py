"""Pairs of positions along one axis that a periodic kernel can tell apart, and their maps.

Along one axis a pair is a position x and an offset d = x' - x. After upsampling by a total factor
P the kernel depends on the phase x mod P, and on d up to a radius R; beyond it the two positions
have never met, and only their phases modulo Q matter (Q = 1 while the variance is the same
everywhere, Q = P once an interpolation has made it depend on the phase). Reflecting the axis
changes nothing, so only the upper half of the phases is kept: the pair (p, d) is the pair (P - 1 -
p, -d).

So a pair is one *row*: near rows (p, d) first, then far rows (q, d mod Q). A kernel on the grid is
an array indexed by a row for each axis, and a linear layer is L T L' with L a sparse map from rows
to rows for each axis. Layers are here as they are `along` one axis.
"""

import dataclasses
import functools
import math
from collections.abc import Iterable

import numpy as np

from ntkmc.architecture import Conv, Identity, Upsample
from ntkmc.architecture.base import one_an_axis


@dataclasses.dataclass(frozen=True)
class Pairs:
    """Rows of one axis: phases mod `period`, offsets to `radius`, far phases mod `far_period`."""

    period: int = 1
    radius: int = 0
    far_period: int = 1

    @property
    def half(self) -> int:
        """How many phases are kept; they are the last ones."""
        return -(-self.period // 2)

    @property
    def far_half(self) -> int:
        return -(-self.far_period // 2)

    @property
    def near(self) -> int:
        """How many near rows there are."""
        return self.half * (2 * self.radius + 1)

    @property
    def rows(self) -> int:
        return self.near + self.far_half * self.far_period

    @property
    def side(self) -> int:
        """The shortest circular axis on which offsets up to the radius are all different."""
        return -(-(2 * self.radius + 1) // self.period) * self.period

    def row(self, x, d, xp=np):
        """Row of the pair (x, x + d); `xp` is numpy or jax.numpy."""
        return xp.where(abs(d) <= self.radius, self._near_row(x, d, xp), self.far_row(x, d, xp))

    def _near_row(self, x, d, xp):
        p = x % self.period
        mirrored = p < self.period - self.half
        p = xp.where(mirrored, self.period - 1 - p, p) - (self.period - self.half)
        return p * (2 * self.radius + 1) + xp.where(mirrored, -d, d) + self.radius

    def far_row(self, x, d, xp=np):
        """Row of a pair with these phases that is too far apart to have met."""
        q = x % self.far_period
        mirrored = q < self.far_period - self.far_half
        q = xp.where(mirrored, self.far_period - 1 - q, q) - (self.far_period - self.far_half)
        return self.near + q * self.far_period + xp.where(mirrored, -d, d) % self.far_period

    def members(self) -> tuple[np.ndarray, np.ndarray]:
        """One pair (x, d) of each row; the far ones are really far apart."""
        phases = np.arange(self.period - self.half, self.period)
        offsets = np.arange(-self.radius, self.radius + 1)
        far_phases = np.arange(self.far_period - self.far_half, self.far_period)
        beyond = self.far_period * (self.radius // self.far_period + 1)
        far_offsets = beyond + np.arange(self.far_period)
        x = np.concatenate(
            [np.repeat(phases, offsets.size), np.repeat(far_phases, far_offsets.size)]
        )
        d = np.concatenate([np.tile(offsets, phases.size), np.tile(far_offsets, far_phases.size)])
        return x, d


@dataclasses.dataclass(frozen=True)
class RowMap:
    """A sparse linear map of rows: new[r] = sum_k weights[r, k] * old[index[r, k]]."""

    index: np.ndarray
    weights: np.ndarray


def position_taps(layer, x: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
    """Positions before a linear layer that position `x` after it reads, and their weights."""
    match layer:
        case Identity():
            return [(x, np.ones(x.shape))]
        case Conv(filter_size=int(size)):
            reach = size // 2
            return [(x + a, np.full(x.shape, 1 / size)) for a in range(-reach, reach + 1)]
        case Upsample(factor=int(factor), method="nearest"):
            return [(x // factor, np.ones(x.shape))]
        case Upsample(factor=int(factor), method="bilinear"):
            source = (2 * x + 1 - factor) / (
                2 * factor
            )  # centres of pixels meet: half-pixel convention
            low = np.floor(source).astype(int)
            return [(low, 1 - (source - low)), (low + 1, source - low)]
    raise TypeError(f"layer was {layer!r}; expected Conv, Upsample or Identity")


def after(layer, pairs: Pairs) -> Pairs:
    """The pairs that a kernel tells apart after a linear layer."""
    if not isinstance(layer, Upsample):
        return pairs
    (factor,) = one_an_axis(layer.factor, 1)
    period = factor * pairs.period
    if layer.method == "nearest":
        far = 1 if pairs.far_period == 1 else period
        return Pairs(period, factor * (pairs.radius + 1) - 1, far)
    # The farthest pair that still reads two positions within the old radius.
    x = np.arange(period)[:, None]
    d = np.arange(factor * (pairs.radius + 3))[None, :]
    used_a = [(t, w > 0) for t, w in position_taps(layer, x + 0 * d)]
    used_b = [(t, w > 0) for t, w in position_taps(layer, x + d)]
    met = np.zeros(used_a[0][0].shape, bool)
    for a, in_a in used_a:
        for b, in_b in used_b:
            met |= in_a & in_b & (abs(b - a) <= pairs.radius)
    return Pairs(period, int(np.nonzero(met.any(axis=0))[0].max()), period)


def of_layers(layers: Iterable) -> Pairs:
    """The pairs after all of a network's layers."""
    return functools.reduce(lambda pairs, layer: after(layer, pairs), layers, Pairs())


def joined(several: Iterable[Pairs]) -> Pairs:
    """Pairs that tell apart whatever one of these does."""
    several = tuple(several)
    return Pairs(
        math.lcm(*(pairs.period for pairs in several)),
        max(pairs.radius for pairs in several),
        math.lcm(*(pairs.far_period for pairs in several)),
    )


def row_map(layer, old: Pairs, new: Pairs) -> RowMap:
    """How the rows of `new` are made of the rows of `old`.

    A convolution moves both positions of a pair by the same tap (its weights at different taps are
    independent), an upsampling is the same fixed linear map on either side.
    """
    x, d = new.members()
    taps_a = position_taps(layer, x)
    if isinstance(layer, Conv):
        index = [old.row(a, d) for a, _ in taps_a]
        weights = [w for _, w in taps_a]
    else:
        taps_b = position_taps(layer, x + d)
        index = [old.row(a, b - a) for a, _ in taps_a for b, _ in taps_b]
        weights = [wa * wb for _, wa in taps_a for _, wb in taps_b]
    return RowMap(np.stack(index, axis=1).astype(np.int32), np.stack(weights, axis=1))
