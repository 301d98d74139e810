"""Inpaints a masked image with the infinite-width network and with baselines, and shows them."""

import dataclasses
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool, Float
from matplotlib.figure import Figure

from ntkmc import baselines, plots
from ntkmc.architecture import Network, describe
from ntkmc.architecture.base import spelled
from ntkmc.images import keep_observed
from ntkmc.inpainting import InpaintResult, inpaint
from ntkmc.inpainting.facts import prior_sentence, prior_table, solve_facts
from ntkmc.inpainting.selection import chosen, trials_table
from ntkmc.memory import peak_bytes, readable
from ntkmc.metrics import psnr, ssim
from ntkmc.report import Report
from ntkmc.results import ResultsFolder
from ntkmc.solvers import Progress

Table = tuple[Sequence[str], Sequence[Sequence[str]]]
"""Columns and rows, as they are printed."""

BASELINES: dict[str, Callable[[np.ndarray, np.ndarray], np.ndarray]] = {
    "biharmonic": baselines.biharmonic
}


@dataclass(frozen=True)
class Case:
    """An image, what is observed of it, and the network that fills in the rest.

    Attributes
    ----------
    name : str
        Names the case's files.
    image : float array (H, W) or (H, W, C)
        The true image, values in [0, 1].
    mask : bool array (H, W)
        True where a pixel is observed.
    network : Sequential, Parallel, or "auto"
    """

    name: str
    image: Float[np.ndarray, "H W *C"]
    mask: Bool[np.ndarray, "H W"]
    network: Network | str


@dataclass(frozen=True)
class Completed:
    """What one method made of a case."""

    method: str
    image: Float[np.ndarray, "H W *C"]
    psnr: float
    ssim: float
    seconds: float


@dataclass(frozen=True)
class Comparison:
    """All methods on one case; the network's comes first.

    ``peak_bytes`` is the process's peak memory before the baselines ran; ``figures`` are more of
    them than every comparison has: file name, caption, figure.
    """

    case: Case
    completed: tuple[Completed, ...]
    result: InpaintResult
    peak_bytes: int
    figures: tuple[tuple[str, str, Figure], ...] = ()


def compare(
    case: Case,
    settings: Mapping[str, Any],
    baseline_names: Iterable[str] = ("biharmonic",),
    progress: Progress | None = None,
) -> Comparison:
    """Complete a case with its network and with the baselines.

    Parameters
    ----------
    case : Case
    settings : mapping
        Keyword arguments of ``ntkmc.inpaint``, such as ``prior``, ``ridge`` or ``dtype``.
    baseline_names : names among ``BASELINES``
    progress : callable, optional
        Is called with a stage, the steps done and the steps in all (None where unknown).
    """
    # The network gets no chance to see the truth.
    hidden = keep_observed(case.image, case.mask)
    start = time.perf_counter()
    result = inpaint(hidden, case.mask, network=case.network, progress=progress, **settings)
    label = str(settings.get("kind", "ntk")).upper()
    # What the network predicts may leave the range of an image, which no file can hold.
    filled = np.clip(result.image, 0, 1)
    completed = [score(case, f"C{label}", filled, time.perf_counter() - start)]
    peak = peak_bytes()
    for name in baseline_names:
        if progress is not None:
            progress(name, 0, None)
        start = time.perf_counter()
        image = BASELINES[name](hidden, case.mask)
        completed.append(score(case, name, image, time.perf_counter() - start))
        if progress is not None:
            progress(name, 1, 1)
    return Comparison(case, tuple(completed), result, peak)


def score(case: Case, method: str, image: np.ndarray, seconds: float) -> Completed:
    """What a method made of a case, and how near it is to the truth."""
    return Completed(method, image, psnr(case.image, image), ssim(case.image, image), seconds)


def readable_seconds(seconds: float) -> str:
    """Two decimals below a second, one above."""
    return f"{seconds:.2f}" if seconds < 1 else f"{seconds:.1f}"


def comparison_table(comparisons: Iterable[Comparison]) -> Table:
    """One row a method: image, method, PSNR, SSIM, seconds."""
    rows = [
        (
            comparison.case.name if number == 0 else "",
            done.method,
            f"{done.psnr:.2f}",
            f"{done.ssim:.3f}",
            readable_seconds(done.seconds),
        )
        for comparison in comparisons
        for number, done in enumerate(comparison.completed)
    ]
    return ("image", "method", "PSNR / dB", "SSIM", "seconds"), rows


def metric_rows(comparisons: Iterable[Comparison]) -> list[dict[str, Any]]:
    """One row a value: case, method, metric, value."""
    return [
        {"case": c.case.name, "method": done.method, "metric": metric, "value": value}
        for c in comparisons
        for done in c.completed
        for metric, value in (("psnr", done.psnr), ("ssim", done.ssim), ("seconds", done.seconds))
    ]


def write(
    folder: ResultsFolder,
    comparisons: Sequence[Comparison],
    title: str,
    lead: str,
    config: str,
    summary: Mapping[str, Any],
) -> None:
    """Write all files of a results folder.

    Parameters
    ----------
    folder : ResultsFolder
    comparisons : sequence of Comparison
    title, lead : str
        Of the report: its heading and the sentence below it.
    config : str
        The resolved configuration.
    summary : mapping
        Is put into ``summary.json`` beside the results.
    """
    folder.write_text("config.yaml", config)
    folder.write_metrics(metric_rows(comparisons))
    report = Report(title, lead)
    for comparison in comparisons:
        _write_case(folder, report, comparison)
    report.heading("Configuration")
    report.code(config)
    cases = {comparison.case.name: _summary(comparison) for comparison in comparisons}
    folder.write_summary(**summary, cases=cases)
    folder.write_text("report.html", report.html())


def _write_case(folder: ResultsFolder, report: Report, comparison: Comparison) -> None:
    case, name = comparison.case, comparison.case.name
    report.heading(name.replace("_", " ").capitalize())
    observed = plots.hide_missing(case.image, case.mask)
    folder.write_image(f"{name}_observed.png", observed)
    share = f"{1 - case.mask.mean():.1%} of the pixels missing"
    pictures = [("observed", share, observed)]
    for done in comparison.completed:
        folder.write_image(f"{name}_{done.method.lower()}.png", done.image)
        note = f"{done.psnr:.2f} dB · SSIM {done.ssim:.3f} · {readable_seconds(done.seconds)} s"
        pictures.append((done.method, note, done.image))
    pictures.append(("original", "", case.image))
    report.pictures(pictures)
    report.table(
        ("method", "PSNR / dB", "SSIM", "seconds"),
        [
            (done.method, f"{done.psnr:.2f}", f"{done.ssim:.3f}", readable_seconds(done.seconds))
            for done in comparison.completed
        ],
        best=int(np.argmax([done.psnr for done in comparison.completed])),
    )
    panels = plots.picture_panels({heading: picture for heading, _, picture in pictures})
    folder.write_figure(f"{name}_panels.png", panels)
    report.plots(_plots(folder, comparison))
    if comparison.result.selection is not None:
        report.paragraph(chosen(comparison.result.selection))
        report.table(*trials_table(comparison.result.selection))
    if comparison.result.image_prior is not None:
        report.paragraph(prior_sentence(comparison.result.image_prior))
        report.table(*prior_table(comparison.result.image_prior))
    report.facts(_facts(comparison))


def _plots(folder: ResultsFolder, comparison: Comparison) -> list[tuple[str, Any]]:
    name, mask = comparison.case.name, comparison.case.mask
    pixel = _innermost_missing(mask)
    row = np.asarray(comparison.result.kernel.row(pixel))[: mask.shape[0], : mask.shape[1]]
    heat_map = plots.kernel_heat_map(row, pixel)
    folder.write_figure(f"{name}_kernel.png", heat_map)
    made = [(f"The kernel at pixel {pixel}: what each pixel counts for it.", heat_map)]
    solve = comparison.result.solve
    if solve is not None and len(solve.residuals) > 1:
        curve = plots.residual_curve(np.asarray(solve.residuals))
        folder.write_figure(f"{name}_residuals.png", curve)
        made.append(("How the solver converged.", curve))
    for file, caption, figure in comparison.figures:
        folder.write_figure(file, figure)
        made.append((caption, figure))
    return made


def _innermost_missing(mask: Bool[np.ndarray, "H W"]) -> tuple[int, int]:
    """The missing pixel nearest to the middle of all that are missing."""
    missing = np.argwhere(~mask)
    distance = ((missing - missing.mean(axis=0)) ** 2).sum(axis=1)
    row, column = missing[distance.argmin()]
    return int(row), int(column)


def _facts(comparison: Comparison) -> dict[str, object]:
    result, case = comparison.result, comparison.case
    stages = " · ".join(
        f"{stage} {readable_seconds(seconds)} s" for stage, seconds in result.seconds.items()
    )
    return {
        "image": spelled(case.image.shape),
        "observed pixels": f"{case.mask.sum():,}",
        "network": describe(comparison.result.network),
        "kernel": readable(result.kernel.memory_bytes),
        **solve_facts(result),
        "time": stages,
        "peak memory": readable(comparison.peak_bytes),
    }


def _summary(comparison: Comparison) -> dict[str, Any]:
    solve, prior = comparison.result.solve, comparison.result.image_prior
    return {
        "methods": {
            done.method: {"psnr": done.psnr, "ssim": done.ssim, "seconds": done.seconds}
            for done in comparison.completed
        },
        "shape": comparison.case.image.shape,
        "observed_pixels": int(comparison.case.mask.sum()),
        "solve": None
        if solve is None
        else {
            "method": solve.method,
            "iterations": solve.iterations,
            "relative_residual": solve.relative_residual,
            "converged": solve.converged,
            "seconds": solve.seconds,
            "condition": solve.condition,
        },
        "image_prior": None
        if prior is None
        else {
            "used": prior.used,
            "settings": dataclasses.asdict(prior.settings),
            "held_out": prior.held_out,
            "rmse": prior.rmse,
            "rmse_without": prior.rmse_without,
            "changes": prior.changes,
        },
        "stage_seconds": comparison.result.seconds,
        "kernel_bytes": comparison.result.kernel.memory_bytes,
        "peak_memory_bytes": comparison.peak_bytes,
    }
