"""Objects by name and arguments, ``{name: {argument: value}}``, as configurations spell them."""

import difflib
import inspect
from collections.abc import Callable, Collection, Mapping
from typing import Any


def split(spelling: Any, place: str, error: type[ValueError] = ValueError) -> tuple[str, dict]:
    """Name and arguments of ``name`` or ``{name: {argument: value}}``."""
    if isinstance(spelling, str):
        return spelling, {}
    if not isinstance(spelling, dict) or len(spelling) != 1:
        raise error(f"{place}: {spelling!r} is neither a name nor {{name: {{argument: value}}}}")
    ((name, arguments),) = spelling.items()
    if not isinstance(arguments, dict | None):
        raise error(f"{place} ({name}): {arguments!r} has no names; write {{argument: value}}")
    return name, arguments or {}


def make(
    spelling: Any,
    makers: Mapping[str, Callable],
    place: str,
    error: type[ValueError] = ValueError,
) -> Any:
    """What ``spelling`` names among ``makers``, called with its arguments.

    Raises
    ------
    error
        Naming the place, for an unknown name or argument (with the nearest known one), a missing
        argument, or whatever ValueError the maker raises.
    """
    name, arguments = split(spelling, place, error)
    if name not in makers:
        raise error(f"{place}: unknown name {name!r}; {nearest(name, makers)}")
    parameters = inspect.signature(makers[name]).parameters
    for key in arguments:
        if key not in parameters:
            raise error(f"{place} ({name}): unknown key {key!r}; {nearest(key, parameters)}")
    for key, parameter in parameters.items():
        if parameter.default is parameter.empty and key not in arguments:
            raise error(f"{place} ({name}): {key} is missing")
    try:
        return makers[name](**arguments)
    except ValueError as refusal:
        raise error(f"{place}: {refusal}") from None


def with_defaults(spelling: Any, makers: Mapping[str, Callable]) -> dict[str, dict]:
    """A spelling that ``make`` accepts, with every argument written."""
    name, arguments = split(spelling, "spelling")
    bound = inspect.signature(makers[name]).bind(**arguments)
    bound.apply_defaults()
    return {name: dict(bound.arguments)}


def nearest(name: Any, known: Collection[str]) -> str:
    """``did you mean 'a'? (known: a, b)``, for the end of a message."""
    close = difflib.get_close_matches(str(name), known, n=1)
    choices = f"known: {', '.join(known)}" if known else "it takes none"
    return f"did you mean {close[0]!r}? ({choices})" if close else choices
