"""How a network is written in YAML, and read back.

A layer is its name and its fields, ``{conv: {filter_size: 3}}``; one whose fields all have defaults
can be its bare name, ``relu``. A network is a list of layers, or the name and the arguments of a
standard one, ``{autoencoder: {levels: 6}}``.
"""

import dataclasses
import difflib
import inspect
from collections.abc import Callable, Collection
from typing import Any

import yaml

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
    if isinstance(spelling, str):
        name, arguments = spelling, None
    elif isinstance(spelling, dict) and len(spelling) == 1:
        ((name, arguments),) = spelling.items()
    else:
        raise ArchitectureError(
            f"{place}: {spelling!r} is not a layer; write its name, or {{name: {{field: value}}}}"
        )
    maker = {**LAYERS, **NETWORKS}.get(name)
    if maker is None:
        raise ArchitectureError(
            f"{place}: unknown layer {name!r}; {_nearest(name, [*LAYERS, *NETWORKS])}"
        )
    _check_arguments(maker, arguments, f"{place} ({name})")
    try:
        return maker(**(arguments or {}))
    except ArchitectureError as error:
        raise ArchitectureError(f"{place}: {error}") from None


def _check_arguments(maker: Callable, arguments: Any, place: str) -> None:
    arguments = {} if arguments is None else arguments
    if not isinstance(arguments, dict):
        raise ArchitectureError(f"{place}: {arguments!r} has no names; write {{field: value}}")
    parameters = inspect.signature(maker).parameters
    for key in arguments:
        if key not in parameters:
            raise ArchitectureError(f"{place}: unknown key {key!r}; {_nearest(key, parameters)}")
    for key, parameter in parameters.items():
        if parameter.default is parameter.empty and key not in arguments:
            raise ArchitectureError(f"{place}: {key} is missing")


def _nearest(name: Any, known: Collection[str]) -> str:
    close = difflib.get_close_matches(str(name), known, n=1)
    choices = f"known: {', '.join(known)}" if known else "it takes none"
    return f"did you mean {close[0]!r}? ({choices})" if close else choices
