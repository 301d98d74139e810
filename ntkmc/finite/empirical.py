"""Kernels of networks of finite width: what the infinite-width kernels are the limits of."""

import functools
import math

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jaxtyping import Array, Float

from ntkmc import memory
from ntkmc.architecture import (
    GroupConv,
    LiftingConv,
    Network,
    Role,
    check,
    weighted_branches,
)
from ntkmc.architecture.base import spelled
from ntkmc.finite.network import FiniteNetwork, ParallelNetwork, from_architecture
from ntkmc.solvers.result import Progress

KINDS = ("nngp", "ntk")


def empirical_kernel(
    module: FiniteNetwork | ParallelNetwork,
    features: Float[Array | np.ndarray, "..."],
    kind: str = "ntk",
) -> Float[Array, "n n"]:
    r"""Kernel of one network between all pixels of its output, row by row of the image.

    Of several images, between the pixels of all: first those of the first. A network that ends in a
    vector has one value an image, and this is their Gram matrix.

    .. math:: \mathrm{NTK}(x, x') = \frac{1}{o} \sum_k
              \frac{\partial f_k(x)}{\partial \theta} \cdot
              \frac{\partial f_k(x')}{\partial \theta}, \qquad
              \mathrm{NNGP}(x, x') = \frac{1}{o} \sum_k f_k(x) f_k(x'),

    over the o channels of the output. As the width grows the first goes to the infinite-width
    kernel for almost every draw of the weights, the second in the mean over draws (or over many
    channels of the output).

    Parameters
    ----------
    module : FiniteNetwork or ParallelNetwork
    features : (h, w, c) or (images, h, w, c)
        The feature prior, or whatever else the images are.
    kind : "ntk" or "nngp"

    Raises
    ------
    ImportError
        Without neural-tangents (see CONTRIBUTING), whose structured derivatives are used: the
        tangent kernel without the n x parameters Jacobian (Novak, Sohl-Dickstein and Schoenholz,
        "Fast finite width neural tangent kernel", 2022).
    NotEnoughMemoryError
        Predicted before anything is allocated.
    """
    _check_kind(kind)
    graph, weights = nnx.split(module)
    if kind == "ntk":
        _require_memory(module, features)
    apart = _are_apart(module, features)
    return _kernel(graph, weights, jnp.asarray(features), module.axes, kind, apart)


def sample_kernels(
    network: Network,
    width: int,
    features: Float[Array | np.ndarray, "..."],
    kind: str = "ntk",
    draws: int = 100,
    seed: int = 0,
    progress: Progress | None = None,
    axes: int = 2,
) -> Float[np.ndarray, "draws n n"]:
    """Kernels of independently drawn networks under the NTK parameterization.

    Parameters
    ----------
    network : Sequential or Parallel
    width : int
        Of each of them. The NNGP is taken over as many channels of the output.
    features : (h, w, c) or (images, h, w, c)
        The feature prior, or whatever else the images are, the same for all.
    kind : "ntk" or "nngp"
    draws : int
    seed : int
        Draw i of one seed is the same network for any number of draws.
    progress : callable, optional
        Is called with a stage, the draws done and their number.
    axes : int
        Of an image: the features of a volume are (d, h, w, c).

    Returns
    -------
    (draws, n, n) array, n values in the order of `empirical_kernel`.
    """
    _check_kind(kind)
    if draws < 1:
        raise ValueError(f"draws was {draws}; pass at least 1")
    out_channels = width if kind == "nngp" else 1
    *sides, channels = features.shape[-axes - 1 :]

    def draw(key):
        return from_architecture(
            network,
            width,
            channels,
            out_channels,
            shape=tuple(sides),
            axes=axes,
            rngs=nnx.Rngs(params=key),
        )

    if kind == "ntk":
        _require_memory(nnx.eval_shape(lambda: draw(jax.random.key(0))), features)

    # One draw after the other: over a stack of weights XLA makes grouped convolutions of ours,
    # which take much longer.
    @jax.jit
    def kernel_of_draw(key):
        module = draw(key)
        apart = _are_apart(module, features)
        return _kernel(*nnx.split(module), jnp.asarray(features), axes, kind, apart)

    kernels = []
    root = jax.random.key(seed)
    for number in range(draws):
        kernels.append(np.asarray(kernel_of_draw(jax.random.fold_in(root, number))))
        if progress is not None:
            progress(f"{kind}, width {width}", number + 1, draws)
    return np.stack(kernels)


@functools.partial(jax.jit, static_argnames=("graph", "axes", "kind", "apart"))
def _kernel(graph, weights, features, axes, kind, apart):
    # Not at the top: all else in this package does without neural-tangents.
    from ntkmc._neural_tangents import neural_tangents as nt

    def function(weights, features):
        output = nnx.merge(graph, weights)(features)
        images = (len(output),) if apart else ()
        return output.reshape(*images, -1, output.shape[-1])

    if features.ndim == axes + 1:
        features = features[None]
    if kind == "nngp":
        kernel = nt.empirical_nngp_fn(function, trace_axes=(-1,))(features, None, weights)
    else:
        kernel = nt.empirical_ntk_fn(
            function,
            trace_axes=(-1,),
            # As many times faster as there are images.
            vmap_axes=0 if apart else None,
            implementation=nt.NtkImplementation.STRUCTURED_DERIVATIVES,
        )(features, None, weights)
    if apart:  # (images, images, places, places)
        kernel = kernel.swapaxes(1, 2)
        kernel = kernel.reshape(kernel.shape[0] * kernel.shape[1], -1)
    return kernel


def _are_apart(module, features):
    """Whether there are several images, none of whose outputs depend on another's pixels."""
    return features.ndim == module.axes + 2 and all(
        part.norm is None for branch in module.parts for part in branch.convolutions
    )


def _check_kind(kind):
    if kind not in KINDS:
        raise ValueError(f"kind was {kind!r}; pass 'ntk' or 'nngp'")


def _require_memory(module, features):
    memory.require(
        predicted_bytes(module, features.shape),
        f"the tangent kernel of a network of {spelled(features.shape[-module.axes - 1 : -1])} "
        "pixels",
        "pass smaller or fewer images, or a smaller width",
    )


def predicted_bytes(module: FiniteNetwork | ParallelNetwork, shape: tuple[int, ...]) -> int:
    """Bytes that the tangent kernel needs at its largest moment, for features of this shape.

    The derivative of every output by every value in the network, 2.2 times in float32 (measured: 8
    and 16 pixels square, width 256 and 512). For a group convolution also the filters in all
    orientations, 1.05 times (2 and 4 images of 6 x 6 pixels, C4, width 512).
    """
    axes = module.axes
    images, sides = shape[: -axes - 1], shape[-axes - 1 : -1]
    size = check(module.network, sides, axes=axes)[-1]
    outputs = math.prod(images) * math.prod(size) * module.out_channels
    values, filters = 0, 0
    for (_, branch), branch_module in zip(
        weighted_branches(module.network), module.parts, strict=True
    ):
        sizes = check(branch, sides, axes=axes)
        places = [
            (layer, size)
            for layer, size in zip(branch, sizes, strict=True)
            if layer.role is Role.LINEAR
        ]
        for part, (layer, size) in zip(branch_module.convolutions, places, strict=True):
            orientations = 1
            if isinstance(layer, LiftingConv | GroupConv):
                orientations = len(layer.point_group)
                filters += orientations * math.prod(part.kernel.shape)
            values += math.prod(size) * orientations * module.width
    return 10 * outputs * values + 5 * filters
