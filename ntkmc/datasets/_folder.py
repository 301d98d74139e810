"""Where real data is kept."""

import os
from pathlib import Path

ROOT_VARIABLE = "NTKMC_DATA"


def data_folder(root: str | Path | None) -> Path | None:
    """`root`, or what the environment variable names; None where neither is given."""
    root = root if root is not None else os.environ.get(ROOT_VARIABLE) or None
    return None if root is None else Path(root).expanduser()
