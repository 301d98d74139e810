"""The kernel recursion over all pairs of pixels, in float64 NumPy: what fast kernels must equal."""

import itertools
import math

import numpy as np

from ntkmc.architecture import Conv, Downsample, Erf, Identity, LeakyRelu, Relu, Upsample


def _axis_matrix(layer, axis, side, circular):
    """The layer's linear map along one axis, (side_out, side_in)."""
    factor = layer.factor if isinstance(layer.factor, int) else layer.factor[axis]
    if isinstance(layer, Downsample):
        return np.eye(side)[::factor]
    out = side * factor
    if layer.method == "nearest":
        return np.eye(side)[np.arange(out) // factor]
    matrix = np.zeros((out, side))
    for i in range(out):
        source = (i + 0.5) / factor - 0.5
        if layer.method == "bilinear_align_corners":
            source = i * (side - 1) / (out - 1)
        low = math.floor(source)
        for x, weight in ((low, 1 - (source - low)), (low + 1, source - low)):
            matrix[i, x % side if circular else min(max(x, 0), side - 1)] += weight
    return matrix


def _resample(kernel, layer, circular):
    axes = kernel.ndim // 2
    for axis in range(2 * axes):
        matrix = _axis_matrix(layer, axis % axes, kernel.shape[axis], circular)
        kernel = np.moveaxis(np.tensordot(matrix, kernel, axes=(1, axis)), 0, axis)
    return kernel


def _convolve(kernel, layer):
    axes = kernel.ndim // 2
    sizes = layer.filter_size
    sizes = (sizes,) * axes if isinstance(sizes, int) else sizes
    reach = [(size // 2, size // 2) for size in 2 * sizes]
    mode = {"circular": "wrap", "same": "constant", "reflect": "reflect"}[layer.padding]
    padded = np.pad(kernel, reach, mode=mode)
    total = np.zeros_like(kernel)
    for tap in itertools.product(*map(range, sizes)):
        moved = [slice(s, s + n) for s, n in zip(2 * tap, kernel.shape, strict=True)]
        total += padded[tuple(moved)]
    return total / math.prod(sizes)


def _activate(nngp, layer):
    shape = nngp.shape[: nngp.ndim // 2]
    var = np.diagonal(nngp.reshape(math.prod(shape), -1)).reshape(shape)
    va, vb = var.reshape(shape + (1,) * len(shape)), var
    if isinstance(layer, Identity):
        return nngp, np.ones_like(nngp)
    if isinstance(layer, Erf):
        root = np.sqrt((1 + 2 * va) * (1 + 2 * vb))
        return 2 / np.pi * np.arcsin(2 * nngp / root), 4 / np.pi / np.sqrt(root**2 - 4 * nngp**2)
    slope = 0.0 if isinstance(layer, Relu) else layer.negative_slope
    assert isinstance(layer, Relu | LeakyRelu)
    scale = np.sqrt(va * vb)
    c = np.clip(nngp / np.where(scale > 0, scale, 1), -1, 1)
    same = np.eye(var.size).reshape(nngp.shape) > 0
    c[same] = 1  # equal by construction
    theta = np.arccos(c)
    k1 = (np.sin(theta) + (np.pi - theta) * c) / np.pi
    k0 = (np.pi - theta) / np.pi
    a, b = 2 * slope / (1 + slope**2), (1 - slope) ** 2 / (1 + slope**2)
    return scale * (a * c + b * k1), a + b * k0


def grid_kernels(network, shape, same, different):
    """NNGP and NTK as arrays of the shape twice, (H, W, H, W), without using periodicity."""
    pixels = math.prod(shape)
    covariance = np.full((pixels, pixels), float(different))
    np.fill_diagonal(covariance, same)
    return kernels_of(network, covariance.reshape(*shape, *shape))


def kernels_of(network, covariance):
    """NNGP and NTK of that shape from the input's covariance, (H, W, H, W) or of other axes."""
    nngp, ntk = covariance, np.zeros_like(covariance)
    for layer in network:
        if isinstance(layer, Conv):
            nngp = _convolve(nngp, layer)
            ntk = _convolve(ntk, layer) + nngp
            step = (slice(None, None, layer.stride),) * nngp.ndim
            nngp, ntk = nngp[step], ntk[step]
        elif isinstance(layer, Downsample | Upsample):
            nngp, ntk = (_resample(k, layer, network.is_circular) for k in (nngp, ntk))
        else:
            nngp, slope = _activate(nngp, layer)
            ntk = ntk * slope
    return nngp, ntk
