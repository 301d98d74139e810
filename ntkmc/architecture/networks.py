"""Standard networks, by name."""

from collections.abc import Callable

from ntkmc.architecture.layers import (
    ArchitectureError,
    ByAxis,
    Conv,
    Downsample,
    Layer,
    LeakyRelu,
    Relu,
    Sequential,
    Upsample,
)
from ntkmc.architecture.parallel import Network, weighted_branches


def autoencoder(
    levels: ByAxis,
    convs_per_level: int = 2,
    negative_slope: float = 0.01,
    filter_size: ByAxis = 3,
    upsampling: str = "nearest",
    padding: str = "circular",
) -> Sequential:
    """The convolutional autoencoder that inpaints images.

    On the way down, ``levels`` times: ``convs_per_level`` times (convolution, activation), then
    subsampling by 2. On the way up, ``levels`` times: upsampling by 2, then ``convs_per_level``
    times (convolution, activation), with no activation after the very last convolution. With one
    convolution a level, one more (convolution, activation) sits at the bottom.

    Parameters
    ----------
    levels : int or tuple of int
        How many times the image is halved. A pixel is filled in from those at most ``2**levels``
        away, so a hole wider than that is filled in its middle with an average of the whole image.
        One for each axis where they differ, as for slices that are far apart or for frames: an axis
        with fewer levels is halved in the last of them, at the bottom.
    convs_per_level : int
        Two is the network of the large-hole experiments; one is that of the paper's notebook, whose
        kernel is singular for want of an activation after the last upsampling.
    negative_slope : float
        Of the leaky ReLU; 0 gives a ReLU.
    filter_size : int or tuple of int
        Side of every filter, odd; one for each axis where they differ.
    upsampling : {"nearest", "bilinear", "bilinear_align_corners"}
    padding : {"circular", "same", "reflect"}

    References
    ----------
    Radhakrishnan, Stefanakis, Belkin and Uhler, "Simple, fast, and flexible framework for matrix
    completion with infinite width neural networks", PNAS 2022, section 5 and appendix M.
    """
    by_axis = tuple(levels) if isinstance(levels, tuple | list) else (levels,)
    whole = all(isinstance(n, int) and not isinstance(n, bool) and n >= 0 for n in by_axis)
    if not whole or max(by_axis, default=0) < 1:
        raise ArchitectureError(
            f"autoencoder: levels was {levels!r}; pass a whole number that is at least 1, or one "
            "for each axis"
        )
    if not isinstance(convs_per_level, int) or convs_per_level < 1 or convs_per_level is True:
        raise ArchitectureError(
            f"autoencoder: convs_per_level was {convs_per_level!r}; pass a whole number that is at "
            "least 1"
        )
    deepest = max(by_axis)
    factors = [
        tuple(2 if deepest - n <= level else 1 for n in by_axis) if len(by_axis) > 1 else 2
        for level in range(deepest)
    ]
    activation = Relu() if negative_slope == 0 else LeakyRelu(negative_slope)
    step: list[Layer] = [Conv(filter_size, padding=padding), activation]
    convolutions = step * convs_per_level
    down = [layer for each in factors for layer in (*convolutions, Downsample(each))]
    bottom = step if convs_per_level == 1 else []
    ups = (Upsample(each, upsampling) for each in reversed(factors))
    up = [layer for each in ups for layer in (each, *convolutions)]
    return Sequential([*down, *bottom, *up[:-1]])


def pointwise(depth: int) -> Sequential:
    """Convolutions of one tap, with ``depth`` ReLUs between them: what pixels show, one by one.

    The network on features of patches, see `ntkmc.kernels.PatchKernel`.
    """
    if not isinstance(depth, int) or isinstance(depth, bool) or depth < 0:
        raise ArchitectureError(
            f"pointwise: depth was {depth!r}; pass a whole number that is at least 0"
        )
    return Sequential([Conv(1), *([Relu(), Conv(1)] * depth)])


def describe(network: Network) -> str:
    """A network in a line: a standard one by its arguments, another by its number of layers."""
    described = [(weight, _describe(branch)) for weight, branch in weighted_branches(network)]
    if len(described) == 1:
        return described[0][1]
    return " + ".join(f"{weight:.2g} x {text}" for weight, text in described)


def _describe(network: Sequential) -> str:
    ups = [layer for layer in network if isinstance(layer, Upsample)]
    convolutions = [layer for layer in network if isinstance(layer, Conv)]
    slopes = [getattr(layer, "negative_slope", 0.0) for layer in network]
    if ups and convolutions:
        first = convolutions[0]
        axes = range(ups[0].axes or 1)
        halved = [sum(isinstance(x.along(axis), Upsample) for x in ups) for axis in axes]
        levels = tuple(halved) if ups[0].axes else halved[0]
        guess = (levels, len(convolutions) // (2 * len(ups)), max(slopes), first.filter_size)
        if guess[1] and network == autoencoder(*guess, ups[0].method, first.padding):
            return (
                f"autoencoder({' x '.join(map(str, halved))} levels, {guess[1]} convolution(s), "
                f"slope {guess[2]:g}, {ups[0].method})"
            )
    return f"{len(network)} layers"


NETWORKS: dict[str, Callable[..., Sequential]] = {
    "autoencoder": autoencoder,
    "pointwise": pointwise,
}
