"""Refuses a network that has no kernel, or that cannot take an image of a given size."""

from ntkmc.architecture.base import ArchitectureError, Domain, Layer, Role, Shape, spelled
from ntkmc.architecture.group_layers import GroupConv, LiftingConv
from ntkmc.architecture.layers import LAYERS, Sequential
from ntkmc.architecture.parallel import Network, Parallel, weighted_branches

_BETWEEN = {  # what is given, what is taken: what belongs between them
    (Domain.IMAGE, Domain.GROUP): "put a LiftingConv before it",
    (Domain.IMAGE, Domain.VECTOR): "put a Flatten or GlobalAvgPool before it",
    (Domain.GROUP, Domain.IMAGE): "put a GroupPool before it",
    (Domain.GROUP, Domain.VECTOR): "put a GroupPool, then Flatten or GlobalAvgPool before it",
    (Domain.VECTOR, Domain.IMAGE): "put it before the pixels are flattened or pooled",
    (Domain.VECTOR, Domain.GROUP): "put it before the pixels are flattened or pooled",
}


def check(
    network: Network, shape: Shape, *, image_to_image: bool = False, axes: int = 2
) -> tuple[Shape, ...]:
    """Walk the network with an image of ``shape`` and refuse what cannot work.

    Parameters
    ----------
    network : Sequential or Parallel
    shape : tuple of int
        Sides of the image in pixels: height and width.
    image_to_image : bool
        Whether the output must be as large as the input, as inpainting needs.
    axes : int
        How many sides there are; what reads a network for signals or volumes, too, has not two.

    Returns
    -------
    tuple of tuple of int
        The size after each layer; the last is the output's. Vectors have the size (1, 1). Of
        parallel networks, those of the first branch.

    Raises
    ------
    ArchitectureError
        Naming the position (from 0) and the layer, if: `check_structure` refuses the network; a
        subsampling or a stride does not divide the sides; a point group does not map the image, or
        the places of the outputs, to themselves; or ``image_to_image`` and the output differs in
        size or is no image; or branches differ in theirs.
    """
    domain = check_structure(network)
    if isinstance(network, Parallel):
        return _check_branches(network, shape, image_to_image, axes)
    given = size = _image_shape(shape, axes)
    sizes = []
    for position, layer in enumerate(network):
        try:
            size = layer.output_shape(size)
        except ArchitectureError as error:
            # Group convolutions say themselves which sides would do, and so do axes.
            said = isinstance(layer, LiftingConv | GroupConv) or layer.axes not in (None, axes)
            advice = "" if said else f"; {_advice(network, given)}"
            raise ArchitectureError(f"{_place(position, layer)}: {error}{advice}") from None
        sizes.append(size)
    if image_to_image and domain is Domain.VECTOR:
        raise ArchitectureError(
            "the network turns an image into a vector, and it is to become an image of the same "
            "size; pass one without Flatten and GlobalAvgPool"
        )
    if image_to_image and size != given:
        raise ArchitectureError(
            f"the network turns {spelled(given)} into {spelled(size)}, and an image is to become "
            "one of the same size; pass as much upsampling as subsampling"
        )
    return tuple(sizes)


def _check_branches(network: Parallel, shape, image_to_image, axes) -> tuple[Shape, ...]:
    sizes = []
    for number, branch in enumerate(network.branches):
        try:
            sizes.append(check(branch, shape, image_to_image=image_to_image, axes=axes))
        except ArchitectureError as error:
            raise ArchitectureError(f"branch {number}: {error}") from None
        if sizes[-1][-1] != sizes[0][-1]:
            raise ArchitectureError(
                f"branch {number} makes {sizes[-1][-1]} of an image of {tuple(shape)} and branch 0 "
                f"{sizes[0][-1]}; pass branches with outputs of one size, which can be added"
            )
    return sizes[0]


def _check_structures(network: Parallel) -> Domain:
    domains = []
    for number, branch in enumerate(network.branches):
        try:
            domains.append(check_structure(branch))
        except ArchitectureError as error:
            raise ArchitectureError(f"branch {number}: {error}") from None
        if domains[-1] is not domains[0]:
            raise ArchitectureError(
                f"branch {number} ends in {domains[-1].value} and branch 0 in {domains[0].value}; "
                "pass branches whose outputs can be added"
            )
    return domains[0]


def check_structure(network: Network) -> Domain:
    """Refuse a network that cannot work at any size.

    Returns
    -------
    Domain
        What it ends in, pixels or a vector.

    Raises
    ------
    ArchitectureError
        Naming the position (from 0) and the layer, if: a layer is of an unknown type; a layer does
        not take what the one before it gives; a `LiftingConv` is not first, or a `GroupConv` has
        another group, which would not be equivariant; an activation is not given Gaussian values,
        because no layer with weights precedes it or stands between it and the activation before;
        there is no layer with weights, or an activation follows the last one (the output would have
        many channels); there is no `GroupPool` after a `LiftingConv`; or parallel networks do not
        all end in the same.
    """
    if isinstance(network, Parallel):
        return _check_structures(network)
    if not isinstance(network, Sequential):
        raise ArchitectureError(f"network was {network!r}; pass a Sequential or a Parallel")
    source, domain, group = None, Domain.IMAGE, None
    for position, layer in enumerate(network):
        source = _check_gaussian(position, layer, source)
        domain = _check_domain(position, layer, domain)
        if isinstance(layer, LiftingConv | GroupConv):
            group = _check_group(position, layer, group)
    _check_readout(network)
    if domain is Domain.GROUP:
        raise ArchitectureError(
            "the network ends in values for each element of the group; add a GroupPool"
        )
    return domain


def require_images(network: Network, reading: str) -> None:
    """Refuse layers of other things than images, for a reading that has no others.

    Raises
    ------
    ArchitectureError
        Naming the position (from 0), the layer and the reading.
    """
    places = [place for _, branch in weighted_branches(network) for place in enumerate(branch)]
    for position, layer in places:
        if {layer.takes, layer.gives} - {None, Domain.IMAGE}:
            raise ArchitectureError(
                f"{_place(position, layer)}: {reading} has layers from images to images only; "
                "pass a network of those, or read this one with ntkmc.stax.from_architecture"
            )


def _place(position: int, layer: Layer) -> str:
    return f"layer {position} ({layer!r})"


def _image_shape(shape: Shape, axes: int) -> Shape:
    wanted = "(height, width)" if axes == 2 else f"{axes} sides"
    try:
        sides = tuple(int(side) for side in shape)
    except (TypeError, ValueError):
        sides = ()
    if len(sides) != axes:
        raise ArchitectureError(f"shape was {shape!r}; pass {wanted}")
    if min(sides) < 1:
        raise ArchitectureError(f"shape was {shape!r}; pass positive sides")
    return sides


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
            "is known for Gaussian values only; put a Conv or Dense before it"
        )
    return source if layer.role is Role.PASSIVE else layer.role


def _check_domain(position: int, layer: Layer, given: Domain) -> Domain:
    """What values are indexed by after a layer."""
    if layer.takes is not None and layer.takes is not given:
        raise ArchitectureError(
            f"{_place(position, layer)}: it takes values of {layer.takes.value} and is given "
            f"values of {given.value}; {_BETWEEN[given, layer.takes]}"
        )
    return layer.gives or given


def _check_group(position: int, layer: LiftingConv | GroupConv, group: str | None) -> str:
    """The group that the network is equivariant under."""
    if isinstance(layer, LiftingConv) and position > 0:
        raise ArchitectureError(
            f"{_place(position, layer)}: other layers precede it, which the group would have to "
            "respect; put it first"
        )
    if group is not None and layer.group != group:
        raise ArchitectureError(
            f"{_place(position, layer)}: its group is {layer.group}, and the image was lifted to "
            f"{group}; pass group={group!r}"
        )
    return layer.group


def _check_readout(network: Sequential) -> None:
    roles = [layer.role for layer in network]
    if Role.LINEAR not in roles:
        raise ArchitectureError("the network has no convolution; pass one that ends in a Conv")
    last = len(roles) - 1 - roles[::-1].index(Role.LINEAR)
    if Role.ACTIVATION in roles[last:]:
        position = last + roles[last:].index(Role.ACTIVATION)
        raise ArchitectureError(
            f"{_place(position, network[position])}: an activation follows the last convolution, "
            "and the output must be a convolution's, which has one channel; end in a Conv or Dense"
        )


def _advice(network: Sequential, shape: Shape) -> str:
    multiple = network.side_multiple
    if any(side % multiple for side in shape):
        return f"pass sides that are a multiple of {multiple} (they were {spelled(shape)})"
    return f"pass a larger image (it was {spelled(shape)})"
