"""What the commands print: answers on stdout, progress and errors on stderr."""

import contextlib
import sys
import warnings
from collections.abc import Iterable, Iterator

from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from ntkmc.progress import Progress


def refuse(error: BaseException) -> None:
    """Say on stderr, in one line, what is wrong."""
    _say_on_stderr("error:", "bold red", str(error) or type(error).__name__)


def warn(message: str) -> None:
    """Say on stderr, in one line, what to look out for."""
    _say_on_stderr("warning:", "bold yellow", message)


@contextlib.contextmanager
def tidy_warnings() -> Iterator[None]:
    """Python's warnings as lines of `warn`, for as long as the context lasts."""

    def show(message, category, filename, lineno, file=None, line=None) -> None:
        warn(str(message))

    with warnings.catch_warnings():
        warnings.showwarning = show
        yield


def say(message: str) -> None:
    """Print a line of the answer."""
    Console(soft_wrap=True).print(Text(message))


def _say_on_stderr(word: str, style: str, message: str) -> None:
    line = Text.assemble((word, style), " ", " ".join(message.split()))
    Console(stderr=True, soft_wrap=True).print(line)


@contextlib.contextmanager
def progress_bars() -> Iterator[Progress]:
    """Progress bars on stderr, one a stage, with the time that it took and may still take.

    Gives a function of a stage's name, the steps done and the steps in all (None: unknown).
    """
    from rich.progress import (
        BarColumn,
        TaskID,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )
    from rich.progress import Progress as Bars

    columns = (
        TextColumn("{task.description:<16}"),
        BarColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Bars(*columns, console=Console(stderr=True)) as bars:
        running: dict[str, TaskID] = {}

        def progress(stage: str, done: int, total: int | None) -> None:
            if stage not in running:
                finish()
                running[stage] = bars.add_task(stage, total=total)
            bars.update(running[stage], completed=done, total=total)

        def finish() -> None:
            # A stage need not say that it is done, or how long it is: the next one begins.
            for bar in running.values():
                bars.update(bar, completed=1, total=1)
            running.clear()

        yield progress
        finish()


WIDE = 200  # characters


def print_table(columns: Iterable[str], rows: Iterable[Iterable[str]]) -> None:
    """A table on stdout; all columns but the first are numbers."""
    from rich import box

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for number, column in enumerate(columns):
        table.add_column(column, justify="right" if number else "left", no_wrap=True)
    for row in rows:
        table.add_row(*(escape(cell) for cell in row))
    # A file has no width to keep to, and nothing is to be cut off there.
    Console(width=None if sys.stdout.isatty() else WIDE).print(table)
