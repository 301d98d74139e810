"""Kernels of group convolutional networks by definition, in NumPy and float64.

All pairs of group elements are kept and no symmetry is used. A kernel is an array
(images, images, points, points); a point is a place of a grid and a matrix r, or a place alone
before the lifting. Places are counted in half pixels from the centre of the grid, where matrices
act on them.
"""

import itertools
import math

import numpy as np


class Grid:
    """Places (y, x) of an image of these sides, with one of the matrices each, or none."""

    def __init__(self, shape, matrices=()):
        self.shape = shape
        places = [(2 * y - shape[0] + 1, 2 * x - shape[1] + 1) for y, x in np.ndindex(*shape)]
        self.points = list(itertools.product(places, matrices or [None]))
        self.number = {point: i for i, point in enumerate(self.points)}


def initial(x):
    """(images, h, w, c): the mean product of channels, a tangent kernel of zero."""
    flat = np.asarray(x, np.float64).reshape(len(x), -1, x.shape[-1])
    nngp = np.einsum("ipc,jqc->ijpq", flat, flat) / x.shape[-1]
    return Grid(x.shape[1:3]), nngp, np.zeros_like(nngp)


def convolution(grid, kernels, matrices, filter_shape, stride, padding, W_std, b_std, standard=0):
    """Mean over s and p of K_(t + r s, r p), (t' + r' s, r' p); without p if the input has none.

    `standard` is the number of channels summed over, in the standard parameterization.
    """
    nngp, ntk = kernels
    lost = [k - 1 if padding == "VALID" else 0 for k in filter_shape]
    shape = tuple(math.ceil((n - gone) / stride) for n, gone in zip(grid.shape, lost, strict=True))
    out = Grid(shape, matrices)
    offsets = [tuple(2 * i - k + 1 for i, k in zip(s, filter_shape, strict=True))
               for s in np.ndindex(*filter_shape)]  # fmt: skip
    elements = matrices if grid.points[0][1] else [None]
    read = np.array(
        [
            [_read(grid, place, stride, r, s, p, padding) for s in offsets for p in elements]
            for place, r in out.points
        ]
    )

    def mean(kernel):
        outside = np.pad(kernel, ((0, 0), (0, 0), (0, 1), (0, 1)))  # point -1: zeros
        return sum(outside[:, :, tap[:, None], tap[None, :]] for tap in read.T) / read.shape[1]

    below = W_std**2 * mean(ntk)
    after = W_std**2 * mean(nngp) + (b_std or 0) ** 2
    own = standard * read.shape[1] * mean(nngp) + (b_std is not None) if standard else after
    return out, (after, below + own)


def _read(grid, place, stride, r, s, p, padding):
    """The number of the point (t + r s) (r p), or -1 outside of the image."""
    (a, b), (c, d) = r
    turned = (a * s[0] + b * s[1], c * s[0] + d * s[1])
    at = tuple(stride * t + u for t, u in zip(place, turned, strict=True))
    if padding == "CIRCULAR":
        at = tuple((t + n - 1) % (2 * n) - n + 1 for t, n in zip(at, grid.shape, strict=True))
    matrix = None if p is None else _times(r, p)
    return grid.number.get((at, matrix), -1)


def _times(r, p):
    return tuple(tuple(int(n) for n in row) for row in np.array(r) @ np.array(p))


def relu(kernels):
    """max(x, 0). A value and itself have the correlation 1, exactly."""
    nngp, ntk = kernels
    scale = _scales(nngp)
    c = np.clip(nngp / scale, -1, 1)
    same = np.arange(nngp.shape[-1])
    for image in range(len(nngp)):
        c[image, image, same, same] = 1
    angle = np.arctan2(np.sqrt(1 - c**2), c)
    slope = (np.pi - angle) / (2 * np.pi)
    return scale * (np.sin(angle) / (2 * np.pi) + slope * c), ntk * slope


def erf(kernels):
    """The error function."""
    nngp, ntk = kernels
    variances = np.einsum("iipp->ip", nngp)
    wide = 1 + 2 * variances
    products = wide[:, None, :, None] * wide[None, :, None, :]
    return (
        2 / np.pi * np.arcsin(2 * nngp / np.sqrt(products)),
        ntk * 4 / np.pi / np.sqrt(products - 4 * nngp**2),
    )


def _scales(nngp):
    deviations = np.sqrt(np.einsum("iipp->ip", nngp))
    return deviations[:, None, :, None] * deviations[None, :, None, :]


def points_last(kernel):
    """neural-tangents' (n, n, H, H', W, W', [R, R']) as (images, images, points, points)."""
    kernel = np.asarray(kernel)
    axes = range(2, kernel.ndim, 2), range(3, kernel.ndim, 2)
    sides = [math.prod(kernel.shape[i] for i in side) for side in axes]
    return kernel.transpose(0, 1, *axes[0], *axes[1]).reshape(*kernel.shape[:2], *sides)
