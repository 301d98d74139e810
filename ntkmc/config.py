"""Configurations: YAML, checked against a schema, with ``key=value`` overrides.

A schema is a subclass of ``Config``. Everything that is wrong with a configuration is said in one
line, which names the file, the key and, where one is near, the key that was meant.
"""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import pydantic
import yaml

from ntkmc import _spelling


class ConfigError(ValueError):
    """A configuration that cannot be read or does not fit its schema."""


class Config(pydantic.BaseModel):
    """Base of all schemas: unknown keys are refused, and nothing changes after validation."""

    model_config = pydantic.ConfigDict(extra="forbid", frozen=True, validate_default=True)

    def to_yaml(self) -> str:
        """The resolved configuration: every key, defaults too, as ``read`` reads it."""
        return yaml.safe_dump(self.model_dump(mode="json"), sort_keys=False, width=100)


Schema = TypeVar("Schema", bound=Config)


def read(path: str | Path, overrides: Iterable[str] = ()) -> dict[str, Any]:
    """The mapping in a YAML file, with overrides such as ``"solver.ridge=1e-3"`` put into it.

    A value is read as YAML, and the keys on the way to it are made where they do not exist.
    """
    try:
        tree = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror or error}") from None
    except yaml.YAMLError as error:
        raise ConfigError(f"{path}: not YAML: {_one_line(error)}") from None
    if not isinstance(tree, dict):
        raise ConfigError(f"{path}: {tree!r} is not a mapping of keys to values")
    for override in overrides:
        _override(tree, override)
    return tree


def validate(schema: type[Schema], tree: dict[str, Any], source: str | Path) -> Schema:
    """``tree`` as an instance of ``schema``; ``source`` is named where it does not fit.

    Raises
    ------
    ConfigError
    """
    try:
        return schema.model_validate(tree)
    except pydantic.ValidationError as errors:
        problems = "; ".join(_problem(schema, error) for error in errors.errors())
        raise ConfigError(f"{source}: {problems}") from None


def _override(tree: dict[str, Any], override: str) -> None:
    path, separator, text = override.partition("=")
    keys = path.split(".")
    if not separator or not all(keys):
        raise ConfigError(f"override {override!r}: write key=value, or outer.inner=value")
    try:
        value = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ConfigError(f"override {override!r}: not YAML: {_one_line(error)}") from None
    for depth, key in enumerate(keys[:-1]):
        tree = tree.setdefault(key, {})
        if not isinstance(tree, dict):
            place = ".".join(keys[: depth + 1])
            raise ConfigError(f"override {override!r}: {place} is {tree!r}, which has no keys")
    tree[keys[-1]] = value


def _problem(schema: type[Config], error: Any) -> str:
    location: Sequence[str | int] = error["loc"]
    key = ".".join(str(part) for part in location)
    if error["type"] == "extra_forbidden":
        siblings = _keys_beside(schema, location)
        return f"unknown key {key!r}; {_spelling.nearest(location[-1], siblings)}"
    if error["type"] == "missing":
        return f"{key} is missing"
    message = error["msg"].removeprefix("Value error, ")
    message = message[:1].lower() + message[1:]
    return f"{key} was {error['input']!r}: {message}" if key else message


def _keys_beside(schema: type[Config], location: Sequence[str | int]) -> list[str]:
    fields = schema.model_fields
    for part in location[:-1]:
        inner = fields[str(part)].annotation
        if not (isinstance(inner, type) and issubclass(inner, Config)):
            return []
        fields = inner.model_fields
    return list(fields)


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())
