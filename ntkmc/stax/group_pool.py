"""The mean over the orientations of what group convolutions put out."""

from ntkmc._neural_tangents import neural_tangents as nt
from ntkmc.stax import _group_layers


@nt.stax.layer
@nt.stax.supports_masking(remask_kernel=False)
def GroupPool():
    r"""Average over a point group P: an image again, which turns as the network's input turns.

    .. math:: y(t) = \frac{1}{|P|} \sum_r x(t r), \qquad
              K'(t, t') = \frac{1}{|P|^2} \sum_{r, r'} K_{tr, t'r'}

    With ``stax.GlobalAvgPool()`` behind it the output is invariant under P.

    Returns
    -------
    (init_fn, apply_fn, kernel_fn)
        Without weights: (batch, height, width, order, channels) becomes
        (batch, height, width, channels). The kernel needs covariances between different pixels,
        and asks for them.

    Raises
    ------
    ValueError
        For inputs without an axis for the group.
    """

    def check(shape):
        if len(shape) != 5:
            raise ValueError(
                f"GroupPool: the inputs have shape {tuple(shape)}, and not "
                "(batch, height, width, group elements, channels); put a LiftingConv before it, "
                "and pixels are pooled or flattened behind it"
            )

    def init_fn(rng, input_shape):
        check(input_shape)
        return (*input_shape[:3], input_shape[4]), ()

    def apply_fn(params, inputs, **kwargs):
        check(inputs.shape)
        return inputs.mean(3)

    # Orientations are correlated, and a kernel keeps the diagonals of all its axes or of none.
    @nt.stax.requires(
        batch_axis=0,
        channel_axis=-1,
        diagonal_spatial=nt.stax.Diagonal(input=nt.stax.Bool.NO, output=nt.stax.Bool.NO),
    )
    def kernel_fn(k, **kwargs):
        check(k.shape1)
        k = _group_layers.in_order(k)

        def pool(mat):
            # None for no second batch; and a scalar for the NTK before the first weights.
            return mat if mat is None or mat.ndim == 0 else mat.mean((-2, -1))

        return k.replace(
            cov1=pool(k.cov1),
            cov2=pool(k.cov2),
            nngp=pool(k.nngp),
            ntk=pool(k.ntk),
            channel_axis=3,
        )

    return init_fn, apply_fn, kernel_fn, _group_layers.refuse_masks("GroupPool")
