"""Every experiment by its name: its schema, its function, and the table it prints."""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, NamedTuple

from ntkmc import _spelling
from ntkmc.config import Config, ConfigError, read, validate
from ntkmc.experiments import (
    calibration,
    cmap,
    cmap_config,
    cmap_report,
    finite_width,
    histology,
    histology_config,
    histology_report,
    identity_prior,
    imputers,
    inpainting,
    kernel_convergence,
    kernel_heatmaps,
    reconstruction,
    tables,
    volumes,
    volumes_config,
    volumes_report,
)
from ntkmc.experiments.comparison import Table, comparison_table


class Experiment(NamedTuple):
    """What ``ntkmc run`` needs to know of an experiment.

    ``run`` takes a configuration, a results folder and a progress callback; ``table`` makes of what
    it returns the columns and rows to print.
    """

    name: str
    schema: type[Config]
    run: Callable[..., Any]
    table: Callable[[Any], Table] = comparison_table


EXPERIMENTS = {
    experiment.name: experiment
    for experiment in (
        Experiment("inpainting", inpainting.InpaintingConfig, inpainting.run),
        Experiment(
            "kernel_convergence",
            kernel_convergence.ConvergenceConfig,
            kernel_convergence.run,
            kernel_convergence.table,
        ),
        Experiment(
            "finite_width",
            finite_width.FiniteWidthConfig,
            finite_width.run,
            finite_width.table,
        ),
        Experiment(
            "kernel_heatmaps",
            kernel_heatmaps.HeatmapsConfig,
            kernel_heatmaps.run,
            kernel_heatmaps.table,
        ),
        Experiment(
            "identity_prior",
            identity_prior.IdentityConfig,
            identity_prior.run,
            identity_prior.table,
        ),
        Experiment(
            "reconstruction",
            reconstruction.ReconstructionConfig,
            reconstruction.run,
            reconstruction.table,
        ),
        Experiment(
            "calibration",
            calibration.CalibrationConfig,
            calibration.run,
            calibration.table,
        ),
        Experiment("tables", tables.TablesConfig, tables.run, tables.table),
        Experiment("imputers", imputers.ImputersConfig, imputers.run, imputers.table),
        Experiment(
            "histology", histology_config.HistologyConfig, histology.run, histology_report.table
        ),
        Experiment("cmap", cmap_config.CmapConfig, cmap.run, cmap_report.table),
        Experiment("volumes", volumes_config.VolumesConfig, volumes.run, volumes_report.table),
    )
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
