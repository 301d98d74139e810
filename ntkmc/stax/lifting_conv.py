"""A convolution from images to functions on a group of symmetries of the pixel grid."""

from collections.abc import Sequence

from ntkmc._neural_tangents import neural_tangents as nt
from ntkmc.groups import make_window
from ntkmc.stax import _group_layers


@nt.stax.layer
@nt.stax.supports_masking(remask_kernel=False)
def LiftingConv(
    out_chan: int,
    filter_shape: Sequence[int],
    strides: Sequence[int] | None = None,
    padding: str = "VALID",
    group: str = "C4",
    W_std: float = 1.0,
    b_std: float | None = None,
    parameterization: str = "ntk",
):
    r"""Convolve images with a filter in every orientation that a point group P gives it.

    .. math:: y(t r) = \frac{\sigma_w}{\sqrt{|S| c}} \sum_{s \in S} w(s)\, x(t + r s) + \sigma_b b,
              \qquad K'_{tr, t'r'} = \frac{\sigma_w^2}{|S|} \sum_{s \in S}
              K_{t + rs,\, t' + r's} + \sigma_b^2,

    with r in P, c channels, and t and s counted from the centres of the image and of the filter S.
    To turn the image turns the output and permutes its orientations: it is the first layer of an
    equivariant network. `GroupConv` goes on, elementwise layers and `FanInSum` stand between, and
    `GroupPool` ends it.

    Parameters
    ----------
    out_chan : int
        Channels of the output, for each orientation.
    filter_shape : (int, int)
        Odd sides; the same for C4 and D4, which exchange rows and columns.
    strides : (int, int), optional
        1 by default. Sides for which the outputs are not placed symmetrically are refused: a stride
        of 2 needs odd ones.
    padding : {"VALID", "SAME", "CIRCULAR"}
    group : {"C1", "C2", "C4", "D1", "D2", "D4"}
        See `ntkmc.groups.point_group`. Images must be square for C4 and D4; the others map any
        rectangle to itself, and images and filters may be rectangles.
    W_std, b_std : float
        Standard deviations of weights and biases; ``b_std=None`` for no biases.
    parameterization : {"ntk", "standard"}
        As in ``stax.Conv``.

    Returns
    -------
    (init_fn, apply_fn, kernel_fn)
        Images (batch, height, width, channels) become (batch, height', width', order, out_chan).
        For neural-tangents the orientations are a third spatial axis: ``stax.AvgPool((2, 2, 1))``
        pools pixels, ``stax.GlobalAvgPool()`` pixels and orientations, and kernels are
        (batch1, batch2, height', height', width', width', order, order).

    Raises
    ------
    ValueError
        For arguments other than those above; and later, for inputs that are no images, that the
        group does not map to themselves, that have other channels than the weights, that are
        masked, or that hold NaN or infinite values.

    Notes
    -----
    Values are not known under ``jax.jit`` and in ``nt.batch``. There an image with a pixel that is
    NaN or infinite raises nothing: its outputs, and all of the kernel between it and any image, are
    NaN.

    References
    ----------
    Cohen and Welling, "Group equivariant convolutional networks", 2016; for the kernel, Misof,
    Kessel and Gerken, "Equivariant neural tangent kernels", arXiv:2406.06504. Its tangent kernel
    begins with 0 below this layer, so that these weights count once.
    """
    window = make_window("LiftingConv", filter_shape, strides, padding, group)
    return _group_layers.convolution_fns(
        "LiftingConv", True, window, out_chan, W_std, b_std, parameterization
    )
