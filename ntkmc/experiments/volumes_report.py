"""Tables and figures of completed volumes."""

from typing import Any

import numpy as np

from ntkmc import plots
from ntkmc.architecture import describe
from ntkmc.architecture.base import spelled
from ntkmc.experiments.comparison import Table, readable_seconds
from ntkmc.experiments.volumes_methods import LABELS, LEVELS, Case, Outcome
from ntkmc.inpainting.facts import solve_facts
from ntkmc.inpainting.selection import chosen, trials_table
from ntkmc.inpainting.uncertainty import describe as describe_uncertainty
from ntkmc.memory import readable
from ntkmc.report import Report
from ntkmc.results import ResultsFolder

Made = list[tuple[Case, list[Outcome]]]
"""Each case, and what each method made of it."""


def table(made: Made) -> Table:
    """One row a method: case, method, PSNR and SSIM of what is missing, coverage, time, memory."""
    columns = (
        "case",
        "method",
        "PSNR / dB",
        "SSIM",
        *(f"within {level:.0%}" for level in LEVELS),
        "seconds",
        "memory",
    )
    rows = [
        (case.name if number == 0 else "", *_cells(outcome))
        for case, outcomes in made
        for number, outcome in enumerate(outcomes)
    ]
    return columns, rows


def metric_rows(made: Made) -> list[dict[str, Any]]:
    """One row a value: case, method, metric, value."""
    return [
        {"case": case.name, "method": outcome.method, "metric": metric, "value": value}
        for case, outcomes in made
        for outcome in outcomes
        for metric, value in _metrics(outcome).items()
    ]


def summary(case: Case, outcomes: list[Outcome]) -> dict[str, Any]:
    """What ``summary.json`` says of a case."""
    network = next((one.result for one in outcomes if one.result is not None), None)
    return {
        "shape": case.values.shape,
        "missing_share": 1 - case.mask.mean(),
        "data_range": case.data_range,
        "methods": {
            one.method: {"left_out": one.left_out} if one.left_out else _metrics(one)
            for one in outcomes
        },
        "network": None if network is None else describe(network.network),
        "stage_seconds": None if network is None else network.seconds,
    }


def show(folder: ResultsFolder, report: Report, case: Case, outcomes: list[Outcome]) -> None:
    """Write what belongs to one case: its part of the page, its figure and its arrays."""
    report.heading(case.name.replace("_", " ").capitalize())
    report.paragraph(
        f"{spelled(case.values.shape)} values, {1 - case.mask.mean():.1%} of the voxels missing. "
        "PSNR and SSIM are of these alone, relative to the range of the true values."
    )
    done = [outcome for outcome in outcomes if outcome.values is not None]
    columns, rows = table([(case, outcomes)])
    best = max(done, key=lambda outcome: outcome.psnr, default=None)
    report.table(
        columns[1:],
        [row[1:] for row in rows],
        best=None if best is None else outcomes.index(best),
    )
    for outcome in outcomes:
        if outcome.left_out:
            report.paragraph(f"{LABELS[outcome.method]} is left out: {outcome.left_out}.")
    figure = _planes(case, done)
    folder.write_figure(f"{case.name}_planes.png", figure)
    report.plots([("Planes through the middle of what is missing.", figure)])
    arrays = {f"completed_{one.method}": _single(one.values) for one in done}
    for outcome in done:
        if outcome.result is None:
            continue
        if outcome.result.std is not None:
            arrays["std"] = _single(outcome.result.std)
        if outcome.result.selection is not None:
            report.paragraph(chosen(outcome.result.selection))
            report.table(*trials_table(outcome.result.selection))
        report.facts(_facts(outcome))
    folder.write_arrays(f"{case.name}.npz", {"mask": case.mask, **arrays})


def innermost_missing(mask: np.ndarray) -> tuple[int, ...]:
    """The missing voxel nearest to the middle of all that are missing."""
    missing = np.argwhere(~mask)
    distance = ((missing - missing.mean(axis=0)) ** 2).sum(axis=1)
    return tuple(int(side) for side in missing[distance.argmin()])


def _planes(case: Case, done: list[Outcome]):
    first = _first_channel(case, case.values)
    panels = {"truth": plots.Panel(first), "observed": plots.Panel(first, case.mask)}
    ours = next((one for one in done if one.method == "network"), None)
    others = [one for one in done if one is not ours]
    rival = max(others, key=lambda one: one.psnr, default=None)
    for outcome in (rival, ours):
        if outcome is not None:
            title = f"{LABELS[outcome.method]}, {outcome.psnr:.1f} dB"
            panels[title] = plots.Panel(_first_channel(case, outcome.values))
    if ours is not None and ours.result is not None:
        error = np.abs(_first_channel(case, ours.values) - first)
        panels["CNTK: error"] = plots.Panel(error, error=True)
        if ours.result.std is not None:
            deviation = _first_channel(case, ours.result.std)
            panels["CNTK: standard deviation"] = plots.Panel(deviation, error=True)
    low, high = np.percentile(first, [0.5, 99.5])
    voxel = innermost_missing(case.mask)
    return plots.plane_panels(
        panels, voxel, (float(low), float(high)), case.spacing, case.rows_down
    )


def _first_channel(case, values):
    return values if values.ndim == case.mask.ndim else values[..., 0]


def _single(values):
    return np.asarray(values, np.float32)


def _cells(outcome: Outcome) -> tuple[str, ...]:
    label = LABELS[outcome.method]
    if outcome.left_out:
        return (label, "left out", *("" for _ in LEVELS), "", "", "")
    covered = [
        f"{outcome.covered[level]:.1%}" if level in outcome.covered else "" for level in LEVELS
    ]
    return (
        label,
        f"{outcome.psnr:.2f}",
        f"{outcome.ssim:.3f}",
        *covered,
        readable_seconds(outcome.seconds),
        readable(outcome.peak_bytes),
    )


def _metrics(outcome: Outcome) -> dict[str, float]:
    if outcome.left_out:
        return {}
    return {
        "psnr": outcome.psnr,
        "ssim": outcome.ssim,
        **{f"covered_{level:g}": share for level, share in outcome.covered.items()},
        "seconds": outcome.seconds,
        "peak_bytes": float(outcome.peak_bytes),
    }


def _facts(outcome: Outcome) -> dict[str, object]:
    result = outcome.result
    assert result is not None
    stages = " · ".join(
        f"{stage} {readable_seconds(seconds)} s" for stage, seconds in result.seconds.items()
    )
    known = {} if result.uncertainty is None else describe_uncertainty(result.uncertainty)
    return {
        "network": describe(result.network),
        "kernel": readable(result.kernel.memory_bytes),
        **solve_facts(result),
        **known,
        "time": stages,
    }
