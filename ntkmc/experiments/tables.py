"""Completing a table of which entries are hidden, against the imputers that people use."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
import pandas as pd
import pydantic

from ntkmc import datasets, plots
from ntkmc.baselines import TABLE_BASELINES
from ntkmc.config import Config
from ntkmc.experiments.comparison import Progress, Table
from ntkmc.experiments.held_out import (
    LEVELS,
    Method,
    Score,
    hide_entries,
    hide_lines,
    score,
    without_std,
)
from ntkmc.experiments.imputers.config import ImputerSettings
from ntkmc.report import Report
from ntkmc.results import ResultsFolder

OURS = "NTK"
Scores = dict[str, dict[str, list[Score]]]
"""One score for each seed, by what was hidden and by method."""


def _known_baseline(name: str) -> str:
    if name not in TABLE_BASELINES:
        raise ValueError(f"pass names among {', '.join(TABLE_BASELINES)}")
    return name


class TableConfig(Config):
    """Where the table comes from: see ``ntkmc.datasets.load_table``."""

    name: str
    root: Path | None = None
    clip: tuple[float, float] | None = pydantic.Field(
        default=None, description="Quantiles of all values, beyond which they are clipped."
    )
    rows: int | None = pydantic.Field(default=None, ge=10, description="The first rows alone.")


class HoldoutConfig(Config):
    """What is hidden: single entries, or most of some rows or columns."""

    kind: Literal["entries", "rows", "columns"]
    share: float = pydantic.Field(default=0.1, gt=0, lt=1)
    keep: int = pydantic.Field(default=0, ge=0, description="Entries left of a row or column.")


class TablesConfig(Config):
    """Schema of ``configs/tables/*.yaml``."""

    experiment: Literal["tables"]
    table: TableConfig
    holdouts: dict[str, HoldoutConfig] = pydantic.Field(min_length=1)
    imputer: ImputerSettings = pydantic.Field(
        default={}, description="Settings of ntkmc.NTKImputer."
    )
    row_label: str | None = pydantic.Field(
        default=None,
        description="A column of text; rows that share it are related, in a second NTK method.",
    )
    baselines: tuple[Annotated[str, pydantic.AfterValidator(_known_baseline)], ...] = tuple(
        TABLE_BASELINES
    )
    seeds: tuple[int, ...] = pydantic.Field(default=(0, 1, 2, 3, 4), min_length=1)


def run(config: TablesConfig, folder: ResultsFolder, progress: Progress | None = None) -> Scores:
    """Run the experiment and write its results folder.

    Raises
    ------
    ValueError
        If `row_label` is no text column of the table, or too few rows or columns have entries.
    """
    data = datasets.load_table(config.table.name, config.table.root)
    if config.row_label is not None and config.row_label not in data.text:
        raise ValueError(
            f"row_label was {config.row_label!r}; the table's text columns are "
            f"{', '.join(data.text) or 'none'}"
        )
    rows = slice(config.table.rows)
    values = data.numbers.to_numpy(np.float64)[rows]
    if config.table.clip is not None:
        values = np.clip(values, *np.nanquantile(values, config.table.clip))
    labels = None if config.row_label is None else data.frame[config.row_label].iloc[rows]
    methods = _methods(config, labels)
    scores: Scores = {name: {} for name in config.holdouts}
    for name, holdout in config.holdouts.items():
        for seed in config.seeds:
            found = score(values, _hide(values, holdout, seed), methods, progress)
            for method, its in found.items():
                scores[name].setdefault(method, []).append(its)
    _write(folder, config, values, scores)
    return scores


def _methods(config: TablesConfig, labels) -> Mapping[str, Method]:
    from ntkmc.completion import NTKImputer

    def with_ntk(row_prior):
        def complete(table):
            imputer = NTKImputer(**{"row_prior": row_prior, **config.imputer})
            return imputer.fit(table).transform(table, return_std=True)

        return complete

    methods: dict[str, Method] = {OURS: with_ntk(None)}
    if labels is not None:
        one_hot = pd.get_dummies(labels).to_numpy(np.float64).T
        methods[f"{OURS} + {config.row_label}"] = with_ntk(one_hot)
    for name in config.baselines:
        methods[name] = without_std(TABLE_BASELINES[name])
    return methods


def _hide(values, holdout: HoldoutConfig, seed: int):
    if holdout.kind == "entries":
        return hide_entries(values, holdout.share, seed)
    axis = 0 if holdout.kind == "rows" else 1
    return hide_lines(values, holdout.share, holdout.keep, axis, seed)


def table(scores: Scores) -> Table:
    """A row for each method and each thing that was hidden: means over seeds, and their spread."""
    at = int(np.argmin(abs(LEVELS - 0.9)))
    rows = []
    for hidden, methods in scores.items():
        for method, its in methods.items():
            errors = [one.rmse for one in its]
            known = [one.coverage[at] for one in its if one.coverage is not None]
            rows.append(
                (
                    hidden,
                    method,
                    f"{np.mean(errors):.3f}",
                    f"{np.std(errors):.3f}",
                    f"{np.mean(known):.1%}" if known else "",
                    f"{np.median([one.seconds for one in its]):.1f}",
                )
            )
    head = ("hidden", "method", "RMSE", "±", "in 90 %", "seconds")
    return head, rows


def _write(folder: ResultsFolder, config: TablesConfig, values, scores: Scores) -> None:
    folder.write_text("config.yaml", config.to_yaml())
    folder.write_metrics(
        {
            "hidden": hidden,
            "method": method,
            "seed": seed,
            "rmse": one.rmse,
            "standardised_rmse": one.standardised,
            "within_90": None if one.coverage is None else one.coverage[LEVELS == 0.9].item(),
            "seconds": one.seconds,
        }
        for hidden, methods in scores.items()
        for method, its in methods.items()
        for seed, one in zip(config.seeds, its, strict=True)
    )
    bars = plots.grouped_bars(
        {
            hidden: {method: np.array([one.rmse for one in its]) for method, its in methods.items()}
            for hidden, methods in scores.items()
        },
        "root mean squared error",
    )
    calibration = plots.reliability_curves(
        LEVELS,
        {
            hidden: np.stack([one.coverage for one in methods[OURS] if one.coverage is not None])
            for hidden, methods in scores.items()
        },
    )
    missing = plots.missingness_map(np.isnan(values))
    figures = {"errors": bars, "calibration": calibration, "missing": missing}
    for name, figure in figures.items():
        folder.write_figure(f"{name}.png", figure)
    folder.write_summary(
        experiment=config.experiment,
        seeds=config.seeds,
        table={"name": config.table.name, "shape": values.shape},
        missing=float(np.isnan(values).mean()),
        rmse={
            hidden: {m: float(np.mean([one.rmse for one in its])) for m, its in methods.items()}
            for hidden, methods in scores.items()
        },
    )
    report = Report(
        f"Completing {config.table.name}",
        f"{values.shape[0]} rows and {values.shape[1]} columns, {np.isnan(values).mean():.1%} "
        f"missing; more was hidden, {len(config.seeds)} times, and filled in.",
    )
    report.table(*table(scores))
    report.plots(
        [
            ("Errors on hidden entries; lines are standard deviations over seeds.", bars),
            (f"How many hidden entries the intervals of {OURS} hold.", calibration),
            ("Missing in the table, black.", missing),
        ]
    )
    report.heading("Configuration")
    report.code(config.to_yaml())
    folder.write_text("report.html", report.html())
