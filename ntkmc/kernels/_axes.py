"""The linear layers of a network, as sparse maps of the positions along one axis.

A position is 0 to side - 1, or *outside*: zero padding is one more position, index `side`, whose
pixels are always zero. A layer that leaves it where it is needs no other case for padding.
"""

import dataclasses

import numpy as np

from ntkmc.architecture import Conv, Downsample, Identity, Sequential, Upsample
from ntkmc.architecture.layers import Layer


@dataclasses.dataclass(frozen=True)
class AxisMap:
    """What each new position reads: old positions and weights, both (new, taps).

    A convolution is *shared*: weights at different taps are independent, so the two pixels of a
    covariance move together. An interpolation is not: it is a fixed map on either side.
    """

    positions: np.ndarray
    weights: np.ndarray
    old: int
    shared: bool

    @property
    def new(self) -> int:
        """How many positions there are after it, outside included."""
        return len(self.positions)

    def select(self, kept: np.ndarray) -> "AxisMap":
        """Reading these of the positions after this map."""
        return dataclasses.replace(self, positions=self.positions[kept], weights=self.weights[kept])

    def read_from(self, kept: np.ndarray, old: int) -> "AxisMap":
        """Reading these of `old` positions, then this map."""
        return dataclasses.replace(self, positions=kept[self.positions], old=old)

    def taps(self, xs: np.ndarray, others: np.ndarray) -> tuple[np.ndarray, ...]:
        """Old pairs (x, x') that the new pairs of `xs` and `others` read, and weights.

        Three arrays, (pairs, taps).
        """
        a, b = self.positions[xs], self.positions[others]
        if self.shared:
            return a, b, self.weights[xs]
        a, b = np.broadcast_arrays(a[:, :, None], b[:, None, :])
        weights = self.weights[xs][:, :, None] * self.weights[others][:, None, :]
        return tuple(part.reshape(len(xs), -1) for part in (a, b, weights))


@dataclasses.dataclass(frozen=True)
class Step:
    """Linear layers, then at most one activation: what the recursion does in one go.

    `trained` says whether the linear layers are a convolution, whose weights have tangents.
    """

    axes: tuple[AxisMap, AxisMap]
    trained: bool
    activation: Layer | None = None


def has_outside(network: Sequential) -> bool:
    """Whether zero padding makes the outside of the image matter."""
    return any(
        isinstance(layer, Conv) and layer.padding == "same" and layer.filter_size != 1
        for layer in network
    )


def steps(network: Sequential, shape: tuple[int, ...]) -> list[Step]:
    """Group the layers of a network into steps, for images of `shape` that it accepts.

    Reading pixels (subsampling, nearest upsampling) commutes with an activation. So a subsampling
    joins the step before it, whose other outputs are then never computed, and an upsampling the
    step after it.
    """
    outside, circular = has_outside(network), network.is_circular
    sides, found, pending = shape, [], _identity(shape, outside)

    def close(axes, trained):
        joined = [m.read_from(p, n) for m, (p, n) in zip(axes, pending, strict=True)]
        found.append(Step((joined[0], joined[1]), trained))

    for layer in network:
        if isinstance(layer, Conv) or _interpolates(layer):
            along = [layer.along(axis) for axis in range(len(sides))]
            maps = [_axis_map(x, n, outside, circular) for x, n in zip(along, sides, strict=True)]
            close(maps, isinstance(layer, Conv))
            sides = layer.output_shape(sides)
            pending = _identity(sides, outside)
        elif isinstance(layer, Downsample | Upsample):
            kept = [_reading(layer.along(axis), n, outside) for axis, n in enumerate(sides)]
            sides = layer.output_shape(sides)
            if isinstance(layer, Downsample) and found and _is_identity(pending):
                axes = [m.select(k) for m, k in zip(found[-1].axes, kept, strict=True)]
                found[-1] = dataclasses.replace(found[-1], axes=(axes[0], axes[1]))
                pending = _identity(sides, outside)
            else:
                pending = [(p[k], n) for k, (p, n) in zip(kept, pending, strict=True)]
        elif not isinstance(layer, Identity):
            found[-1] = dataclasses.replace(found[-1], activation=layer)
    if not _is_identity(pending):
        close([_identity_map(n + outside) for n in sides], False)
    return found


def _interpolates(layer):
    return isinstance(layer, Upsample) and layer.method != "nearest"


def _identity(sides, outside):
    return [(np.arange(n + outside), n + outside) for n in sides]


def _is_identity(reading):
    return all(len(p) == n and (p == np.arange(n)).all() for p, n in reading)


def _identity_map(n):
    return AxisMap(np.arange(n)[:, None], np.ones((n, 1)), n, shared=True)


def _reading(layer, side, outside):
    """The position that each position after a subsampling or nearest upsampling reads."""
    match layer:
        case Downsample(int(factor)):
            inside: np.ndarray = np.arange(0, side, factor)
        case Upsample(int(factor)):
            inside = np.arange(side * factor) // factor
        case _:
            inside = np.arange(side)
    return np.append(inside, [side] * outside).astype(int)


def _axis_map(layer, side, outside, circular):
    if isinstance(layer, Identity):
        return _identity_map(side + outside)
    if isinstance(layer, Conv):
        positions = _convolution(layer, side)
        weights = np.full(positions.shape, 1 / positions.shape[1])
    else:
        low, share = _interpolation(layer, side)
        positions = np.stack([low, low + 1], axis=1)
        positions = positions % side if circular else positions.clip(0, side - 1)
        weights = np.stack([1 - share, share], axis=1)
    if outside:
        taps = positions.shape[1]
        positions = np.concatenate([positions, np.full((1, taps), side)])
        weights = np.concatenate([weights, np.full((1, taps), 1 / taps)])
    return AxisMap(positions, weights, side + outside, shared=isinstance(layer, Conv))


def _convolution(layer, side):
    reach = layer.filter_size // 2
    x = np.arange(0, side, layer.stride)[:, None] + np.arange(-reach, reach + 1)
    if layer.padding == "circular":
        return x % side
    if layer.padding == "reflect":
        return side - 1 - abs(side - 1 - abs(x))
    return np.where((x >= 0) & (x < side), x, side)


def _interpolation(layer, side):
    """The position below each new one, and the share of the position above."""
    x = np.arange(side * layer.factor)
    if layer.method == "bilinear":
        source = (2 * x + 1 - layer.factor) / (2 * layer.factor)
    else:
        source = x * (side - 1) / (side * layer.factor - 1)
    low = np.floor(source).astype(int)
    return low, source - low
