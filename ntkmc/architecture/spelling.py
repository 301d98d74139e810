"""How a network is written in YAML, and read back.

A layer is its name and its fields, ``{conv: {filter_size: 3}}``; one whose fields all have defaults
can be its bare name, ``relu``. A network is a list of layers, or the name and the arguments of a
standard one, ``{autoencoder: {levels: 6}}``.
"""

import dataclasses
from typing import Any

import yaml

from ntkmc import _spelling
from ntkmc.architecture.layers import LAYERS, ArchitectureError, Layer, Sequential
from ntkmc.architecture.networks import NETWORKS

_NAMES = {layer: name for name, layer in LAYERS.items()}


def to_dict(network: Layer | Sequential) -> dict[str, Any] | str | list:
    """A layer or a network as plain lists, dictionaries, numbers and strings.

    Every field is written, defaults too: what is read back does not depend on later defaults.
    """
    if isinstance(network, Sequential):
        return [to_dict(layer) for layer in network]
    if type(network) not in _NAMES:
        raise ArchitectureError(f"{network!r} has no spelling; pass one of {', '.join(LAYERS)}")
    name, fields = _NAMES[type(network)], dataclasses.asdict(network)
    return {name: fields} if fields else name


def from_dict(spelling: Any) -> Layer | Sequential:
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
    return _spelling.with_defaults(spelling, {**LAYERS, **NETWORKS})


def to_yaml(network: Layer | Sequential) -> str:
    """``to_dict`` as YAML, a layer a line."""
    return yaml.safe_dump(to_dict(network), sort_keys=False, default_flow_style=None, width=100)


def from_yaml(text: str) -> Layer | Sequential:
    """``from_dict`` of YAML. Raises ArchitectureError also where the text is not YAML."""
    try:
        spelling = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ArchitectureError(f"not YAML: {error}") from None
    return from_dict(spelling)


def _read(spelling: Any, place: str) -> Layer | Sequential:
    if isinstance(spelling, list):
        return Sequential([_read(entry, f"{place}[{i}]") for i, entry in enumerate(spelling)])
    return _spelling.make(spelling, {**LAYERS, **NETWORKS}, place, ArchitectureError)
