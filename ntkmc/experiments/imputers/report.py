"""What the comparison leaves: a table for each condition, ranks, and the report."""

import numpy as np
import pandas as pd

from ntkmc import plots
from ntkmc.experiments.comparison import Table
from ntkmc.experiments.imputers.config import ImputersConfig
from ntkmc.experiments.imputers.ranking import (
    by_table,
    critical_difference,
    mean_ranks,
    wilcoxon,
)
from ntkmc.report import Report
from ntkmc.results import ResultsFolder

HEAD = (
    "hidden",
    "method",
    "NRMSE",
    "MAE",
    "wrong",
    "in 90 %",
    "downstream",
    "rank",
    "behind the best",
    "p",
    "seconds",
)


def table(results: pd.DataFrame) -> Table:
    """Means over tables for each condition and method.

    "behind the best" is the largest ratio, over the tables, of a method's error to that of the best
    other one, less one; p is Wilcoxon's against the first method.
    """
    rows = []
    for condition in results["condition"].unique():
        errors = by_table(results, condition)
        ranks = mean_ranks(errors)
        means = results[results["condition"] == condition].groupby("method", sort=False)
        means = means.mean(numeric_only=True)
        first = errors.columns[0]
        for method in errors.columns:
            its, others = means.loc[method], errors.drop(columns=method)
            behind = (errors[method] / others.min(axis=1)).max() - 1 if len(others.columns) else 0
            rows.append(
                (
                    condition,
                    method,
                    f"{errors[method].mean():.3f}",
                    f"{its['nmae']:.3f}",
                    _percent(its["wrong"]),
                    _percent(its["coverage"]),
                    "" if np.isnan(its["downstream"]) else f"{its['downstream']:.3f}",
                    f"{ranks[method]:.2f}",
                    f"{behind:+.1%}",
                    "" if method == first else f"{wilcoxon(errors, first, method):.2g}",
                    f"{its['seconds']:.1f}",
                )
            )
    return HEAD, rows


def _percent(share):
    return "" if np.isnan(share) else f"{share:.1%}"


def _errors_table(errors: pd.DataFrame) -> Table:
    rows = [[name, *(f"{one:.3f}" for one in its)] for name, its in errors.iterrows()]
    rows.append(["mean", *(f"{one:.3f}" for one in errors.mean())])
    return ["table", *errors.columns], rows


def write(folder: ResultsFolder, config: ImputersConfig, results: pd.DataFrame) -> None:
    """Write all files of the results folder."""
    folder.write_text("config.yaml", config.to_yaml())
    folder.write_metrics(results.to_dict("records"))
    methods, count = results["method"].nunique(), results["table"].nunique()
    report = Report(
        "Imputers compared",
        f"{methods} methods on {count} tables, of which entries were hidden and filled in. Errors "
        "are root mean squares over a column's hidden entries by its standard deviation, the mean "
        "over columns, then over tables.",
    )
    report.table(*table(results))
    summary = {}
    for condition in results["condition"].unique():
        errors = by_table(results, condition)
        summary[condition] = errors.mean().to_dict()
        report.heading(condition)
        report.table(*_errors_table(errors))
        if len(errors.columns) > 1:
            ranks = mean_ranks(errors)
            width = critical_difference(len(ranks), len(errors))
            figure = plots.critical_difference(ranks.to_dict(), width)
            name = "".join(c if c.isalnum() else "_" for c in condition)
            folder.write_figure(f"ranks_{name}.png", figure)
            report.plots(
                [
                    (
                        "Mean ranks over the tables; methods that a bar connects do not differ at "
                        "the level of 5 % (Nemenyi).",
                        figure,
                    )
                ]
            )
    report.heading("Configuration")
    report.code(config.to_yaml())
    folder.write_summary(experiment=config.experiment, tables=count, methods=methods, nrmse=summary)
    folder.write_text("report.html", report.html())
