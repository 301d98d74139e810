"""Keeps every so many pixels."""

import numpy as np

from ntkmc._neural_tangents import neural_tangents as nt
from ntkmc.stax import _resampling


@nt.stax.layer
@nt.stax.supports_masking(remask_kernel=False)
def Subsample(factor: int, batch_axis: int = 0, channel_axis: int = -1):
    r"""Keep the pixels whose coordinates are 0 modulo ``factor`` on every spatial axis.

    .. math:: y_i = x_{f i}, \qquad K'(i, i') = K(f i, f i'),

    which is a stride of ``factor`` apart from its convolution: behind ``Conv(..., padding="SAME")``
    the filter stays centred on the pixels that are kept, which a strided ``Conv`` of
    neural-tangents does not see to (a 3 x 3 filter of stride 2 covers the pixels 0, 1, 2 of an even
    side, not -1, 0, 1).

    Parameters
    ----------
    factor : int
        A side of length n becomes ceil(n / factor).
    batch_axis, channel_axis : int
        The axes of the inputs that are not spatial; there may be any number of others.

    Returns
    -------
    (init_fn, apply_fn, kernel_fn)
        Without weights: the inputs (batch, height, width, channels) become
        (batch, ceil(height / factor), ceil(width / factor), channels).

    Raises
    ------
    ValueError
        If ``factor`` is no whole number that is at least 1.

    References
    ----------
    Radhakrishnan et al., PNAS 2022, SI appendix L, corollary "Downsampling through Strided
    Convolution" (for a factor of 2).
    """
    factor = _resampling.require_whole("Subsample", "factor", factor, 1)

    def axis_map(side: int) -> _resampling.AxisMap:
        return _resampling.AxisMap(np.arange(0, side, factor)[:, None])

    return _resampling.layer_fns("Subsample", axis_map, batch_axis, channel_axis)
