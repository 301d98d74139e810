"""What the layers with a point group share: their weights, their checks, their part of a kernel."""

import math
import numbers
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ntkmc._neural_tangents import neural_tangents as nt
from ntkmc._random import normal
from ntkmc.groups import Window, missing
from ntkmc.groups.convolution import convolve, lift
from ntkmc.stax import _group_kernels
from ntkmc.stax._resampling import LayerFns, require_whole

PARAMETERIZATIONS = ("ntk", "standard")


def convolution_fns(
    layer: str,
    lifts: bool,
    window: Window,
    out_chan: int,
    W_std: float,
    b_std: float | None,
    parameterization: str,
) -> LayerFns:
    """Functions of the convolution from images (``lifts``) or from functions on the group."""
    out_chan = require_whole(layer, "out_chan", out_chan, 1)
    require_std(layer, "W_std", W_std)
    if b_std is not None:
        require_std(layer, "b_std", b_std)
    if parameterization not in PARAMETERIZATIONS:
        raise ValueError(
            f"{layer}: parameterization was {parameterization!r}; "
            f"pass one of {', '.join(map(repr, PARAMETERIZATIONS))}"
        )
    is_ntk = parameterization == "ntk"
    summed = math.prod(window.filter_shape) * (1 if lifts else len(window.group))
    forward, average = (
        (lift, _group_kernels.lifted) if lifts else (convolve, _group_kernels.convolved)
    )
    check_inputs = _require_images if lifts else _require_functions

    def output_shape(shape):
        check_inputs(layer, shape, window)
        try:
            rows, columns = window.outputs((int(shape[1]), int(shape[2])))
        except ValueError as error:
            raise ValueError(f"{layer}: {error}") from None
        return shape[0], rows, columns, len(window.group), out_chan

    def init_fn(rng, input_shape):
        shape = output_shape(input_shape)
        for_weights, for_biases = jax.random.split(rng)
        order = () if lifts else (len(window.group),)
        channels = input_shape[-1]
        weights = normal(for_weights, (*order, *window.filter_shape, channels, out_chan))
        biases = None if b_std is None else normal(for_biases, (out_chan,))
        return shape, (weights, biases) if is_ntk else scaled(weights, biases)

    def scaled(weights, biases):
        scale = W_std / math.sqrt(summed * weights.shape[-2])
        return scale * weights, None if b_std is None else b_std * biases

    def apply_fn(params, inputs, **kwargs):
        weights, biases = params
        output_shape(inputs.shape)
        channels = weights.shape[-2]
        if inputs.shape[-1] != channels:
            raise ValueError(
                f"{layer}: the inputs have shape {inputs.shape} and the weights were made for "
                f"{channels} channels; pass inputs with as many, or call init_fn with this shape"
            )
        if lifts:
            require_finite(layer, inputs)
        if is_ntk:
            weights, biases = scaled(weights, biases)
        outputs = forward(inputs, weights, window)
        return outputs if biases is None else outputs + biases

    @nt.stax.requires(
        batch_axis=0,
        channel_axis=-1,
        diagonal_spatial=nt.stax.Diagonal(input=nt.stax.Bool.YES, output=nt.stax.Bool.NO),
    )
    def kernel_fn(k, **kwargs):
        output_shape(k.shape1)
        output_shape(k.shape2)
        k = in_order(without_missing(layer, k) if lifts else k)
        bias = 0 if b_std is None else b_std**2

        def covariance(mat, batch_ndim):
            return None if mat is None else W_std**2 * average(mat, batch_ndim, window) + bias

        nngp, ntk = covariance(k.nngp, 2), k.ntk
        if ntk is not None:
            # From the weights below, which are none where the NTK is a scalar, and from these.
            below = 0 if ntk.ndim == 0 else W_std**2 * average(ntk, 2, window)
            if is_ntk:
                ntk = below + nngp
            else:
                fan_in = summed * k.shape1[-1]
                ntk = below + fan_in * average(k.nngp, 2, window) + (b_std is not None)
        cov_ndim = 1 if k.diagonal_batch else 2
        return k.replace(
            cov1=covariance(k.cov1, cov_ndim),
            cov2=covariance(k.cov2, cov_ndim),
            nngp=nngp,
            ntk=ntk,
            is_gaussian=True,
            is_input=False,
            channel_axis=4,
        )

    return init_fn, apply_fn, kernel_fn, refuse_masks(layer)


def in_order(k):
    """The kernel with its spatial axes in their own order, which convolutions reverse."""
    return k.reverse() if k.is_reversed and not k.diagonal_spatial else k


def refuse_masks(layer: str) -> Callable:
    """A mask function for `supports_masking`: without one masks would be ignored."""

    def mask_fn(mask, input_shape):
        raise ValueError(
            f"{layer}: mask_constant was passed, and masked pixels are not supported here; "
            "pass images without any"
        )

    return mask_fn


def require_std(layer: str, name: str, value: Any) -> None:
    """Refuse what is no standard deviation."""
    number = isinstance(value, numbers.Real) and not isinstance(value, bool)
    if not number or not 0 <= value < math.inf:
        raise ValueError(f"{layer}: {name} was {value!r}; pass a number that is at least 0")


def require_finite(layer: str, *arrays: jax.Array | np.ndarray | None) -> None:
    """Refuse missing pixels, where values are known."""
    if missing.is_known(*arrays):
        raise ValueError(
            f"{layer}: the inputs hold values that are NaN or infinite; "
            "fill in or drop such pixels first"
        )


def without_missing(layer: str, k):
    """The kernel of images, NaN for those with missing pixels; refused where values are known."""
    require_finite(layer, k.cov1, k.cov2)

    def missing_of(cov):  # from the variances of the pixels
        if not k.diagonal_batch:
            cov = jnp.moveaxis(jnp.diagonal(cov, axis1=0, axis2=1), -1, 0)
        return missing.missing_images(cov)

    def pairs(left, right):
        return left[:, None] | right[None, :]

    first = missing_of(k.cov1)
    second = first if k.cov2 is None else missing_of(k.cov2)

    def own(cov, images):
        if cov is None:
            return None
        return missing.spread(cov, images if k.diagonal_batch else pairs(images, images))

    return k.replace(
        cov1=own(k.cov1, first),
        cov2=own(k.cov2, second),
        nngp=missing.spread(k.nngp, pairs(first, second)),
    )


def _require_images(layer: str, shape: Sequence[int], window: Window) -> None:
    if len(shape) != 4:
        raise ValueError(
            f"{layer}: the inputs have shape {tuple(shape)}; "
            "pass images, (batch, height, width, channels)"
        )


def _require_functions(layer: str, shape: Sequence[int], window: Window) -> None:
    if len(shape) != 5:
        raise ValueError(
            f"{layer}: the inputs have shape {tuple(shape)}, and not "
            "(batch, height, width, group elements, channels); put a LiftingConv before it"
        )
    if shape[3] != len(window.group):
        raise ValueError(
            f"{layer}: group was {window.group}, of {len(window.group)} elements, and the inputs "
            f"have {shape[3]}; pass the group of the layers before"
        )
