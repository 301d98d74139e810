"""Refuses a network that has no kernel, or that cannot take an image of a given size."""

from ntkmc.architecture.layers import LAYERS, ArchitectureError, Layer, Role, Sequential, Shape
from ntkmc.architecture.parallel import Network, Parallel


def check(network: Network, shape: Shape, *, image_to_image: bool = False) -> tuple[Shape, ...]:
    """Walk the network with an image of ``shape`` and refuse what cannot work.

    Parameters
    ----------
    network : Sequential or Parallel
    shape : (int, int)
        Height and width of the image in pixels.
    image_to_image : bool
        Whether the output must be as large as the input, as inpainting needs.

    Returns
    -------
    tuple of (int, int)
        The size after each layer; the last is the output's. Of parallel networks, those of the
        first branch.

    Raises
    ------
    ArchitectureError
        Naming the position (from 0) and the layer, if: a subsampling or a stride does not divide
        the sides; an activation is not given Gaussian values, because no convolution precedes it or
        stands between it and the activation before; a layer is of an unknown type; there is no
        convolution, or an activation follows the last one (the output would have many channels); or
        ``image_to_image`` and the output differs in size; or branches differ in theirs.
    """
    if isinstance(network, Parallel):
        return _check_branches(network, shape, image_to_image)
    if not isinstance(network, Sequential):
        raise ArchitectureError(f"network was {network!r}; pass a Sequential or a Parallel")
    height, width = _image_shape(shape)
    sizes = []
    size, source = (height, width), None
    for position, layer in enumerate(network):
        source = _check_gaussian(position, layer, source)
        try:
            size = layer.output_shape(size)
        except ArchitectureError as error:
            raise ArchitectureError(
                f"{_place(position, layer)}: {error}; {_advice(network, (height, width))}"
            ) from None
        sizes.append(size)
    _check_readout(network)
    if image_to_image and size != (height, width):
        raise ArchitectureError(
            f"the network turns {height} x {width} into {size[0]} x {size[1]}, and an image is to "
            "become one of the same size; pass as much upsampling as subsampling"
        )
    return tuple(sizes)


def _check_branches(network: Parallel, shape: Shape, image_to_image: bool) -> tuple[Shape, ...]:
    sizes = []
    for number, branch in enumerate(network.branches):
        try:
            sizes.append(check(branch, shape, image_to_image=image_to_image))
        except ArchitectureError as error:
            raise ArchitectureError(f"branch {number}: {error}") from None
        if sizes[-1][-1] != sizes[0][-1]:
            raise ArchitectureError(
                f"branch {number} makes {sizes[-1][-1]} of an image of {tuple(shape)} and branch 0 "
                f"{sizes[0][-1]}; pass branches with outputs of one size, which can be added"
            )
    return sizes[0]


def _place(position: int, layer: Layer) -> str:
    return f"layer {position} ({layer!r})"


def _image_shape(shape: Shape) -> Shape:
    try:
        height, width = (int(side) for side in shape)
    except (TypeError, ValueError):
        raise ArchitectureError(f"shape was {shape!r}; pass (height, width)") from None
    if height < 1 or width < 1:
        raise ArchitectureError(f"shape was {shape!r}; pass two positive sides")
    return height, width


def _check_gaussian(position: int, layer: Layer, source: Role | None) -> Role | None:
    """The role of the layer that values now come from: ``None`` is the network's input."""
    if type(layer) not in LAYERS.values():
        known = ", ".join(known.__name__ for known in LAYERS.values())
        raise ArchitectureError(
            f"{_place(position, layer)}: no kernel is known for this layer; pass one of {known}"
        )
    if layer.role is Role.ACTIVATION and source is not Role.LINEAR:
        before = "precedes it" if source is None else "stands between it and the activation before"
        raise ArchitectureError(
            f"{_place(position, layer)}: no convolution {before}, and the kernel of an activation "
            "is known for Gaussian values only; put a Conv before it"
        )
    return source if layer.role is Role.PASSIVE else layer.role


def _check_readout(network: Sequential) -> None:
    roles = [layer.role for layer in network]
    if Role.LINEAR not in roles:
        raise ArchitectureError("the network has no convolution; pass one that ends in a Conv")
    last = len(roles) - 1 - roles[::-1].index(Role.LINEAR)
    if Role.ACTIVATION in roles[last:]:
        position = last + roles[last:].index(Role.ACTIVATION)
        raise ArchitectureError(
            f"{_place(position, network[position])}: an activation follows the last convolution, "
            "and the output must be a convolution's, which has one channel; end in a Conv"
        )


def _advice(network: Sequential, shape: Shape) -> str:
    multiple = network.side_multiple
    if shape[0] % multiple or shape[1] % multiple:
        return f"pass sides that are a multiple of {multiple} (they were {shape[0]} x {shape[1]})"
    return f"pass a larger image (it was {shape[0]} x {shape[1]})"
