"""What a run leaves behind: one folder, with everything needed to read it later.

``config.yaml``   the resolved configuration, which runs again as it stands
``summary.json``  metrics, timings, peak memory, and the environment they were measured in
``metrics.csv``   one value a row
``*.png``         pictures and figures
``*.npz``         arrays, of experiments that keep what they predict
``report.html``   all of it on one page, without other files
"""

import contextlib
import csv
import datetime
import importlib.metadata
import json
import math
import platform
import subprocess
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import jax
import numpy as np
import psutil
from matplotlib.figure import Figure

from ntkmc._processors import usable_cores
from ntkmc.images import Pixels, write_image
from ntkmc.memory import peak_bytes
from ntkmc.plots._png import png

_PACKAGES = ("ntkmc", "jax", "jaxlib", "numpy", "scipy", "scikit-image", "scikit-learn", "pandas")


class ResultsFolder:
    """A folder that is written by one run.

    It is made at once, so that a place that cannot be written to is refused before the work. As a
    context manager it is taken away again at the end where nothing was written into it.

    Parameters
    ----------
    path : path
        Made if it does not exist.
    overwrite : bool
        Whether the folder may hold files already; those of the same name are replaced.

    Raises
    ------
    FileExistsError
        If the folder holds files and ``overwrite`` is false.
    """

    def __init__(self, path: str | Path, overwrite: bool = False):
        self.path = Path(path)
        if self.path.exists() and not self.path.is_dir():
            raise FileExistsError(f"{self.path} is a file; pass a folder")
        if not overwrite and self.path.is_dir() and any(self.path.iterdir()):
            raise FileExistsError(f"{self.path} holds files already; pass --force to replace them")
        self._made = [place for place in (self.path, *self.path.parents) if not place.exists()]
        self.path.mkdir(parents=True, exist_ok=True)

    def __enter__(self) -> "ResultsFolder":
        return self

    def __exit__(self, *_: object) -> None:
        """Remove the folders that were made for this run and are empty."""
        with contextlib.suppress(OSError):  # of the first one that holds something
            for place in self._made:
                place.rmdir()

    def write_text(self, name: str, text: str) -> Path:
        """Write ``text`` to the file of this name."""
        path = self.path / name
        path.write_text(text, encoding="utf-8")
        return path

    def write_image(self, name: str, image: Pixels) -> Path:
        """Write an image, pixel by pixel."""
        path = self.path / name
        write_image(path, image)
        return path

    def write_figure(self, name: str, figure: Figure) -> Path:
        """Write a figure to a PNG file, 150 dots an inch, without empty edges."""
        path = self.path / name
        path.write_bytes(png(figure))
        return path

    def write_arrays(self, name: str, arrays: Mapping[str, np.ndarray]) -> Path:
        """Write arrays to an ``.npz`` file, by name."""
        path = self.path / name
        np.savez(path, **dict(arrays))  # type: ignore[arg-type]
        return path

    def write_metrics(self, rows: Iterable[Mapping[str, Any]]) -> Path:
        """Write ``metrics.csv``; the first row's keys are the columns."""
        rows = list(rows)
        path = self.path / "metrics.csv"
        with open(path, "w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, fieldnames=list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)
        return path

    def write_summary(self, **fields: Any) -> Path:
        """Write ``summary.json``: ``fields``, the peak memory so far and the environment."""
        summary = {
            **fields,
            "peak_memory_bytes": peak_bytes(),
            "process_seconds": time.time() - psutil.Process().create_time(),
            "environment": environment(),
        }
        return self.write_text("summary.json", json.dumps(_plain(summary), indent=2) + "\n")


def environment() -> dict[str, Any]:
    """Where this runs: time, versions, revision of the code, machine and devices."""
    devices = jax.local_devices()
    return {
        "time": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "git_revision": git_revision(),
        "python": platform.python_version(),
        "versions": {name: version(name) for name in _PACKAGES},
        "platform": platform.platform(),
        "cores": usable_cores(),
        "memory_bytes": psutil.virtual_memory().total,
        "device": devices[0].platform,
        "device_kind": devices[0].device_kind,
        "device_count": len(devices),
    }


def version(package: str) -> str | None:
    """The installed version of a package, if it is."""
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def git_revision() -> str | None:
    """The revision of the code that runs, ``+`` after it if it was changed since.

    None where the code is not under version control, as an installed package is not, even within
    the folder of a repository.
    """
    folder = Path(__file__).parent

    def git(*arguments: str) -> str:
        command = ["git", "-C", str(folder), *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()

    try:
        git("ls-files", "--error-unmatch", Path(__file__).name)
        changed = git("status", "--porcelain", "--untracked-files=no", "--", str(folder))
        return git("rev-parse", "HEAD") + ("+" if changed else "")
    except (OSError, subprocess.CalledProcessError):
        return None


def _plain(value: Any) -> Any:
    """``value`` in JSON's types, which have no infinity: what is not finite becomes null."""
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, str | bool | int | None):
        return value
    if isinstance(value, Path):
        return str(value)
    if hasattr(value, "tolist"):  # NumPy and JAX scalars and arrays
        return _plain(value.tolist())
    return float(value) if math.isfinite(value) else None
