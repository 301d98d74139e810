"""How a network is written in YAML, and read back.

A layer is its name and its fields, ``{conv: {filter_size: 3}}`` or, where they differ by axis,
``{conv: {filter_size: [1, 3, 3]}}``; one whose fields all have defaults can be its bare name,
``relu``. A network is a list of layers, or the name and the arguments of a
standard one, ``{autoencoder: {levels: 6}}``. Networks side by side are
``{parallel: {branches: [network, ...], weights: [number, ...]}}``.
"""

import dataclasses
from collections.abc import Callable
from typing import Any

import yaml

from ntkmc import _spelling
from ntkmc.architecture.layers import LAYERS, ArchitectureError, Layer, Sequential
from ntkmc.architecture.networks import NETWORKS
from ntkmc.architecture.parallel import Network, Parallel

_NAMES = {layer: name for name, layer in LAYERS.items()}


def to_dict(network: Layer | Network) -> Any:
    """A layer or a network as plain lists, dictionaries, numbers and strings.

    Every field is written, defaults too: what is read back does not depend on later defaults.
    """
    if isinstance(network, Sequential):
        return [to_dict(layer) for layer in network]
    if isinstance(network, Parallel):
        branches = [to_dict(branch) for branch in network.branches]
        return {"parallel": {"branches": branches, "weights": list(network.weights)}}
    if type(network) not in _NAMES:
        raise ArchitectureError(f"{network!r} has no spelling; pass one of {', '.join(LAYERS)}")
    name, fields = _NAMES[type(network)], dataclasses.asdict(network)
    return {name: fields} if fields else name


def from_dict(spelling: Any) -> Layer | Network:
    """The layer or the network that ``to_dict`` gave, or that was written by hand.

    Raises
    ------
    ArchitectureError
        For an unknown layer, network or argument, with its position and the nearest known name.
    """
    return _read(spelling, "network")


def resolve(spelling: Any) -> Any:
    """A spelling with its defaults written out, which keeps the name of a standard network."""
    from_dict(spelling)
    if isinstance(spelling, list):
        return [resolve(entry) for entry in spelling]
    if _is_parallel(spelling):
        # The branches keep their names; the weights are those that were read.
        branches = [resolve(branch) for branch in spelling["parallel"]["branches"]]
        read = to_dict(from_dict(spelling))
        return {"parallel": {**read["parallel"], "branches": branches}}
    return _spelling.with_defaults(spelling, {**LAYERS, **NETWORKS})


def to_yaml(network: Layer | Network) -> str:
    """``to_dict`` as YAML, a layer a line."""
    return yaml.safe_dump(to_dict(network), sort_keys=False, default_flow_style=None, width=100)


def from_yaml(text: str) -> Layer | Network:
    """``from_dict`` of YAML. Raises ArchitectureError also where the text is not YAML."""
    try:
        spelling = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ArchitectureError(f"not YAML: {error}") from None
    return from_dict(spelling)


def network_from_dict(spelling: Any) -> Network:
    """``from_dict`` for a network: a single layer becomes a ``Sequential`` of it."""
    return _as_network(from_dict(spelling))


def _as_network(described: Layer | Network) -> Network:
    return described if isinstance(described, Parallel) else Sequential([described])


def _is_parallel(spelling: Any) -> bool:
    return isinstance(spelling, dict) and list(spelling) == ["parallel"]


def _read(spelling: Any, place: str) -> Layer | Network:
    if isinstance(spelling, list):
        # A Sequential says itself which of its entries is no layer.
        entries: list[Any] = [_read(entry, f"{place}[{i}]") for i, entry in enumerate(spelling)]
        return Sequential(entries)
    if _is_parallel(spelling):
        _, arguments = _spelling.split(spelling, place, ArchitectureError)
        branches = arguments.get("branches")
        if not isinstance(branches, list):
            raise ArchitectureError(f"{place} (parallel): branches was {branches!r}; pass a list")
        read = [
            _as_network(_read(branch, f"{place}.branches[{i}]"))
            for i, branch in enumerate(branches)
        ]
        spelling = {"parallel": {**arguments, "branches": read}}
    if isinstance(spelling, dict):  # what differs by axis is a list in YAML
        name, arguments = _spelling.split(spelling, place, ArchitectureError)
        each = {key: tuple(v) if isinstance(v, list) else v for key, v in arguments.items()}
        spelling = {name: each}
    makers: dict[str, Callable] = {**LAYERS, **NETWORKS, "parallel": Parallel}
    return _spelling.make(spelling, makers, place, ArchitectureError)
