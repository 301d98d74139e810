"""Running some parts of a benchmark, showing their rows and keeping them as JSON."""

import json
import platform
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import jax
from rich.console import Console
from rich.table import Table

RESULTS = Path(__file__).parent / "results"
CONSOLE = Console(width=120)


def device() -> str:
    return jax.devices()[0].device_kind.lower().replace(" ", "-")


def show(name: str, rows: list[dict]) -> None:
    table = Table(title=name, title_justify="left")
    shown = [key for key, value in rows[0].items() if not isinstance(value, list)]
    for key in shown:
        table.add_column(key, justify="right")
    for row in rows:
        values = (row[key] for key in shown)
        table.add_row(*(f"{v:.4g}" if isinstance(v, float) else str(v) for v in values))
    CONSOLE.print(table)


def run(benchmark: str, parts: dict[str, Callable[[], list[dict]]], names: Sequence[str]) -> None:
    """Run the named parts, or all; writes results/<benchmark>-<device>.json after each."""
    unknown = set(names) - set(parts)
    if unknown:
        sys.exit(f"unknown parts {sorted(unknown)}; pass some of {list(parts)}")
    path = RESULTS / f"{benchmark}-{device()}.json"
    results = json.loads(path.read_text()) if path.exists() else {}
    for name in names or parts:
        results[name] = parts[name]()
        show(name, results[name])
        results["environment"] = {
            "jax": jax.__version__,
            "python": platform.python_version(),
            "device": device(),
        }
        path.write_text(json.dumps(results, indent=1) + "\n")
