"""The papers' experiments: a schema and a function for each, which ``ntkmc run`` finds by name."""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NamedTuple

from ntkmc import _spelling
from ntkmc.config import Config, ConfigError, read, validate
from ntkmc.experiments import inpainting
from ntkmc.experiments.comparison import Comparison


class Experiment(NamedTuple):
    """What ``ntkmc run`` needs to know of an experiment."""

    name: str
    schema: type[Config]
    run: Callable[..., list[Comparison]]


EXPERIMENTS = {
    experiment.name: experiment
    for experiment in (Experiment("inpainting", inpainting.InpaintingConfig, inpainting.run),)
}


def load(path: str | Path, overrides: Iterable[str] = ()) -> tuple[Experiment, Config]:
    """The experiment that a configuration file names, and the configuration.

    Raises
    ------
    ConfigError
        If the file cannot be read, names no known experiment or does not fit its schema.
    """
    tree = read(path, overrides)
    name = tree.get("experiment")
    if name not in EXPERIMENTS:
        raise ConfigError(
            f"{path}: experiment was {name!r}; {_spelling.nearest(name, EXPERIMENTS)}"
        )
    experiment = EXPERIMENTS[name]
    return experiment, validate(experiment.schema, tree, path)
