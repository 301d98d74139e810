"""Kernels of networks of finite width: what the infinite-width kernels are the limits of."""

import functools
import math

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jaxtyping import Array, Float

from ntkmc import memory
from ntkmc.architecture import Conv, Network, check, weighted_branches
from ntkmc.finite.network import FiniteNetwork, ParallelNetwork, from_architecture
from ntkmc.solvers.result import Progress

KINDS = ("nngp", "ntk")


def empirical_kernel(
    module: FiniteNetwork | ParallelNetwork,
    features: Float[Array | np.ndarray, "h w c"],
    kind: str = "ntk",
) -> Float[Array, "n n"]:
    r"""Kernel of one network between all pixels of its output, row by row of the image.

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
    features : (h, w, c)
        The feature prior.
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
    return _kernel(graph, weights, jnp.asarray(features), kind)


def sample_kernels(
    network: Network,
    width: int,
    features: Float[Array | np.ndarray, "h w c"],
    kind: str = "ntk",
    draws: int = 100,
    seed: int = 0,
    progress: Progress | None = None,
) -> Float[np.ndarray, "draws n n"]:
    """Kernels of independently drawn networks under the NTK parameterization.

    Parameters
    ----------
    network : Sequential or Parallel
    width : int
        Of each of them. The NNGP is taken over as many channels of the output.
    features : (h, w, c)
        The feature prior, the same for all.
    kind : "ntk" or "nngp"
    draws : int
    seed : int
        Draw i of one seed is the same network for any number of draws.
    progress : callable, optional
        Is called with a stage, the draws done and their number.

    Returns
    -------
    (draws, n, n) array, n pixels in the order of the flattened image.
    """
    _check_kind(kind)
    if draws < 1:
        raise ValueError(f"draws was {draws}; pass at least 1")
    out_channels = width if kind == "nngp" else 1

    def draw(key):
        return from_architecture(
            network, width, features.shape[-1], out_channels, rngs=nnx.Rngs(params=key)
        )

    if kind == "ntk":
        _require_memory(nnx.eval_shape(lambda: draw(jax.random.key(0))), features)

    # One draw after the other: over a stack of weights XLA makes grouped convolutions of ours,
    # which take much longer.
    @jax.jit
    def kernel_of_draw(key):
        return _kernel(*nnx.split(draw(key)), jnp.asarray(features), kind)

    kernels = []
    root = jax.random.key(seed)
    for number in range(draws):
        kernels.append(np.asarray(kernel_of_draw(jax.random.fold_in(root, number))))
        if progress is not None:
            progress(f"{kind}, width {width}", number + 1, draws)
    return np.stack(kernels)


@functools.partial(jax.jit, static_argnames=("graph", "kind"))
def _kernel(graph, weights, features, kind):
    # Not at the top: all else in this package does without neural-tangents.
    from ntkmc._neural_tangents import neural_tangents as nt

    def function(weights, features):
        output = nnx.merge(graph, weights)(features[None])
        return output.reshape(-1, output.shape[-1])

    if kind == "nngp":
        return nt.empirical_nngp_fn(function, trace_axes=(-1,))(features, None, weights)
    return nt.empirical_ntk_fn(
        function,
        trace_axes=(-1,),
        implementation=nt.NtkImplementation.STRUCTURED_DERIVATIVES,
    )(features, None, weights)


def _check_kind(kind):
    if kind not in KINDS:
        raise ValueError(f"kind was {kind!r}; pass 'ntk' or 'nngp'")


def _require_memory(module, features):
    memory.require(
        predicted_bytes(module, features.shape),
        f"the tangent kernel of a network of {features.shape[0]} x {features.shape[1]} pixels",
        "pass a smaller image or a smaller width",
    )


def predicted_bytes(module: FiniteNetwork | ParallelNetwork, shape: tuple[int, ...]) -> int:
    """Bytes that the tangent kernel needs at its largest moment, for features of this shape.

    The derivative of every output by every value in the network, 2.2 times in float32 (measured: 8
    and 16 pixels square, width 256 and 512).
    """
    image = (shape[0], shape[1])
    values = sum(
        height * width * module.width
        for _, branch in weighted_branches(module.network)
        for layer, (height, width) in zip(branch, check(branch, image), strict=True)
        if isinstance(layer, Conv)
    )
    return 10 * math.prod(check(module.network, image)[-1]) * module.out_channels * values
