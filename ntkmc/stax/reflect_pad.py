"""Mirrors an image at its edges."""

import numpy as np

from ntkmc._neural_tangents import neural_tangents as nt
from ntkmc.stax import _resampling


@nt.stax.layer
@nt.stax.supports_masking(remask_kernel=False)
def ReflectPad(width: int, batch_axis: int = 0, channel_axis: int = -1):
    r"""Continue the inputs beyond both ends of every spatial axis by their mirror image.

    .. math:: y_i = x_{|i - w|} \text{ or its counterpart at the other end}, \qquad
              K'(i, i') = K(m(i), m(i')),

    where m(i) is the pixel that output i repeats; the pixel at the edge itself is not repeated, as
    in ``numpy.pad(mode="reflect")``. ``Conv(..., padding="VALID")`` behind it is the convolution
    with reflecting padding that neural-tangents does not have.

    Parameters
    ----------
    width : int
        Pixels to add at each end: a side of length n becomes n + 2 width.
    batch_axis, channel_axis : int
        The axes of the inputs that are not spatial; there may be any number of others.

    Returns
    -------
    (init_fn, apply_fn, kernel_fn)
        Without weights: the inputs (batch, height, width, channels) become
        (batch, height + 2 width, width + 2 width, channels).

    Raises
    ------
    ValueError
        If ``width`` is no whole number or negative; and later, for an input with a side that is
        not longer than ``width``.
    """
    width = _resampling.require_whole("ReflectPad", "width", width, 0)

    def axis_map(side: int) -> _resampling.AxisMap:
        if side <= width:
            raise ValueError(
                f"ReflectPad: width was {width} and the inputs have a side of {side} pixel(s); "
                f"pass inputs with longer sides, or a width that is at most {side - 1}"
            )
        return _resampling.AxisMap(np.pad(np.arange(side), width, mode="reflect")[:, None])

    # See NearestUpsample: a pixel and its mirror image are correlated.
    diagonal = nt.stax.Diagonal(input=nt.stax.Bool.YES, output=nt.stax.Bool.NO)
    return _resampling.layer_fns("ReflectPad", axis_map, batch_axis, channel_axis, diagonal)
