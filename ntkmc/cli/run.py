"""``ntkmc run`` and ``ntkmc demo``: experiments, and what they print."""

import datetime
from collections.abc import Sequence
from pathlib import Path

from ntkmc.cli.console import print_table, progress_bars, say
from ntkmc.experiments import demo as demonstration
from ntkmc.experiments.comparison import Table, comparison_table
from ntkmc.results import ResultsFolder


def run(path: Path, overrides: Sequence[str], out: Path | None, force: bool) -> None:
    """Run the experiment of a configuration file."""
    from ntkmc.experiments import load  # imports all of them, a quarter of what `demo` imports

    experiment, config = load(path, overrides)
    if out is None:
        now = datetime.datetime.now().strftime("%Y-%m-%dT%H-%M-%S")
        out = Path("results") / experiment.name / path.stem / now
    with ResultsFolder(out, force) as folder, progress_bars() as progress:
        outcome = experiment.run(config, folder, progress)
    _print(experiment.table(outcome), folder)


def demo(out: Path, size: int, force: bool) -> None:
    """Run the demonstration."""
    config = demonstration.DemoConfig(size=size)
    demonstration.cases(config)  # a wrong size is refused before the folder is made
    with ResultsFolder(out, force) as folder, progress_bars() as progress:
        comparisons = demonstration.run(config, folder, progress)
    _print(comparison_table(comparisons), folder)


def _print(table: Table, folder: ResultsFolder) -> None:
    print_table(*table)
    say(f"report: {folder.path / 'report.html'}")
