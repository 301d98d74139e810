"""A convolution of functions on a group of symmetries of the pixel grid."""

from collections.abc import Sequence

from ntkmc._neural_tangents import neural_tangents as nt
from ntkmc.groups import make_window
from ntkmc.stax import _group_layers


@nt.stax.layer
@nt.stax.supports_masking(remask_kernel=False)
def GroupConv(
    out_chan: int,
    filter_shape: Sequence[int],
    strides: Sequence[int] | None = None,
    padding: str = "VALID",
    group: str = "C4",
    W_std: float = 1.0,
    b_std: float | None = None,
    parameterization: str = "ntk",
):
    r"""Convolve what `LiftingConv` or another `GroupConv` put out, over pixels and orientations.

    .. math:: y(t r) = \frac{\sigma_w}{\sqrt{|S| |P| c}} \sum_{s \in S, p \in P} w(s p)\,
              x\bigl((t + r s)\, r p\bigr) + \sigma_b b, \qquad
              K'_{tr, t'r'} = \frac{\sigma_w^2}{|S| |P|} \sum_{s, p}
              K_{(t + rs)\, rp,\; (t' + r's)\, r'p} + \sigma_b^2

    with r and p in the point group P and c channels; filters reach over all of P.

    Parameters
    ----------
    out_chan, filter_shape, strides, padding, W_std, b_std, parameterization
        As in `LiftingConv`.
    group : {"C1", "C2", "C4", "D1", "D2", "D4"}
        That of the `LiftingConv`. Inputs tell how many elements they have, not which: C4 and D2,
        or C2 and D1, cannot be told apart.

    Returns
    -------
    (init_fn, apply_fn, kernel_fn)
        Inputs (batch, height, width, order, channels) become
        (batch, height', width', order, out_chan).

    Raises
    ------
    ValueError
        As `LiftingConv`; and for inputs without an axis for the group, or with one of another
        length.

    Notes
    -----
    The kernel costs what \|P| convolutions cost and not \|P|^2 sums over P, as it depends on
    r' r^-1 alone; but all \|P|^2 pairs are kept, as neural-tangents' other layers expect.

    References
    ----------
    As `LiftingConv`.
    """
    window = make_window("GroupConv", filter_shape, strides, padding, group)
    return _group_layers.convolution_fns(
        "GroupConv", False, window, out_chan, W_std, b_std, parameterization
    )
