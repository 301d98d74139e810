"""Interpolates linearly between pixels."""

import numpy as np

from ntkmc._neural_tangents import neural_tangents as nt
from ntkmc.stax import _resampling

BOUNDARIES = ("edge", "circular")


@nt.stax.layer
@nt.stax.supports_masking(remask_kernel=False)
def BilinearUpsample(
    factor: int,
    align_corners: bool = False,
    boundary: str = "edge",
    batch_axis: int = 0,
    channel_axis: int = -1,
):
    r"""Enlarge every spatial axis by ``factor`` with linear interpolation.

    Output i of an axis of length n stands at the position p(i) in units of input pixels, and

    .. math:: y_i = (1 - w_i) x_{\lfloor p(i) \rfloor} + w_i x_{\lfloor p(i) \rfloor + 1}, \qquad
              w_i = p(i) - \lfloor p(i) \rfloor,

    on each axis in turn. The two conventions in use are

    - half-pixel: :math:`p(i) = (i + 1/2) / f - 1/2`, so that pixels are squares and the image's
      outline stays where it was: PyTorch's default, ``jax.image.resize`` and
      ``stax.ImageResize(..., "bilinear")``;
    - aligned corners: :math:`p(i) = i (n - 1) / (f n - 1)`, so that the first and the last pixel
      keep their values: the one of the paper's SI appendix L.

    Parameters
    ----------
    factor : int
        A side of length n becomes factor * n.
    align_corners : bool
        Which convention; the name is PyTorch's.
    boundary : {"edge", "circular"}
        What the half-pixel convention reads beyond the border: the border's pixel again, or the
        pixel at the opposite border, so that the layer commutes with circular shifts of the input.
        Aligned corners read nothing beyond it.
    batch_axis, channel_axis : int
        The axes of the inputs that are not spatial; there may be any number of others.

    Returns
    -------
    (init_fn, apply_fn, kernel_fn)
        Without weights: the inputs (batch, height, width, channels) become
        (batch, factor * height, factor * width, channels). The kernel needs the covariances between
        different pixels, as that of ``stax.ImageResize`` does, and asks for them.

    Raises
    ------
    ValueError
        For a ``factor`` that is no whole number or below 1, for another ``boundary``, and for a
        circular boundary with aligned corners, which a torus does not have.

    References
    ----------
    Radhakrishnan et al., PNAS 2022, SI appendix L, corollary 1 "Bilinear Upsampling" (aligned
    corners, a factor of 2; its X and Y are meant to be [u_r - i, i - l_r] and [u_c - j, j - l_c]).
    """
    factor = _resampling.require_whole("BilinearUpsample", "factor", factor, 1)
    if not isinstance(align_corners, bool | np.bool_):
        raise ValueError(
            f"BilinearUpsample: align_corners was {align_corners!r}; pass True or False"
        )
    if boundary not in BOUNDARIES:
        raise ValueError(
            f"BilinearUpsample: boundary was {boundary!r}; pass one of {', '.join(BOUNDARIES)}"
        )
    if align_corners and boundary == "circular":
        raise ValueError(
            "BilinearUpsample: boundary was 'circular' with align_corners=True, and a torus has no "
            "corners; pass align_corners=False, or boundary='edge'"
        )

    def axis_map(side: int) -> _resampling.AxisMap:
        i = np.arange(factor * side)
        if align_corners:
            # Whole parts in integers: in floating point the last pixel may land below side - 1.
            low, remainder = np.divmod(i * (side - 1), max(factor * side - 1, 1))
            weight = remainder / max(factor * side - 1, 1)
        else:
            # (i + 1/2) / f - 1/2 = (2 i + 1 - f) / (2 f)
            low, remainder = np.divmod(2 * i + 1 - factor, 2 * factor)
            weight = remainder / (2 * factor)
        index = np.stack([low, low + 1], axis=1)
        index = index % side if boundary == "circular" else np.clip(index, 0, side - 1)
        return _resampling.AxisMap(index, np.stack([1 - weight, weight], axis=1))

    diagonal = nt.stax.Diagonal(input=nt.stax.Bool.NO, output=nt.stax.Bool.NO)
    return _resampling.layer_fns("BilinearUpsample", axis_map, batch_axis, channel_axis, diagonal)
