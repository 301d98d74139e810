"""``ntkmc run`` and ``ntkmc demo``: experiments, and what they print."""

import datetime
from collections.abc import Sequence
from pathlib import Path

from ntkmc.cli.console import print_table, progress_bars, say
from ntkmc.experiments import demo as demonstration
from ntkmc.experiments import load
from ntkmc.experiments.comparison import Comparison, readable_seconds
from ntkmc.results import ResultsFolder


def run(path: Path, overrides: Sequence[str], out: Path | None, force: bool) -> None:
    """Run the experiment of a configuration file."""
    experiment, config = load(path, overrides)
    if out is None:
        now = datetime.datetime.now().strftime("%Y-%m-%dT%H-%M-%S")
        out = Path("results") / experiment.name / path.stem / now
    folder = ResultsFolder(out, force)
    with progress_bars() as progress:
        comparisons = experiment.run(config, folder, progress)
    _print(comparisons, folder)


def demo(out: Path, size: int, force: bool) -> None:
    """Run the demonstration."""
    config = demonstration.DemoConfig(size=size)
    demonstration.cases(config)  # a wrong size is refused before the folder is made
    folder = ResultsFolder(out, force)
    with progress_bars() as progress:
        comparisons = demonstration.run(config, folder, progress)
    _print(comparisons, folder)


def _print(comparisons: Sequence[Comparison], folder: ResultsFolder) -> None:
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
    print_table(("image", "method", "PSNR / dB", "SSIM", "seconds"), rows)
    say(f"report: {folder.path / 'report.html'}")
