"""Repeats every pixel."""

import numpy as np

from ntkmc._neural_tangents import neural_tangents as nt
from ntkmc.stax import _resampling


@nt.stax.layer
@nt.stax.supports_masking(remask_kernel=False)
def NearestUpsample(factor: int, batch_axis: int = 0, channel_axis: int = -1):
    r"""Repeat every pixel ``factor`` times on every spatial axis.

    .. math:: y_i = x_{\lfloor i / f \rfloor}, \qquad
              K'(i, i') = K(\lfloor i / f \rfloor, \lfloor i' / f \rfloor),

    as ``torch.nn.Upsample(mode="nearest")`` and ``stax.ImageResize(..., "nearest")`` do when the
    size is multiplied by a whole number.

    Parameters
    ----------
    factor : int
        A side of length n becomes factor * n.
    batch_axis, channel_axis : int
        The axes of the inputs that are not spatial; there may be any number of others.

    Returns
    -------
    (init_fn, apply_fn, kernel_fn)
        Without weights: the inputs (batch, height, width, channels) become
        (batch, factor * height, factor * width, channels).

    Raises
    ------
    ValueError
        If ``factor`` is no whole number that is at least 1.

    References
    ----------
    Radhakrishnan et al., PNAS 2022, SI appendix L, corollary "Nearest Neighbor Upsampling" (for a
    factor of 2).
    """
    factor = _resampling.require_whole("NearestUpsample", "factor", factor, 1)

    def axis_map(side: int) -> _resampling.AxisMap:
        return _resampling.AxisMap(np.arange(factor * side)[:, None] // factor)

    # Variances are enough to have variances; but copies of one pixel are correlated, so variances
    # are not enough for a layer that mixes pixels, even if those of its inputs were uncorrelated.
    diagonal = nt.stax.Diagonal(input=nt.stax.Bool.YES, output=nt.stax.Bool.NO)
    return _resampling.layer_fns("NearestUpsample", axis_map, batch_axis, channel_axis, diagonal)
