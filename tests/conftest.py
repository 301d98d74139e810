"""Fixtures for all tests, and run-time checks of the array shapes in annotations."""

import os
from pathlib import Path

import jaxtyping
import matplotlib
import pytest

# Before a test imports ntkmc: annotations like Float[Array, "n d"] are then checked at every call.
jaxtyping.install_import_hook("ntkmc", "type_checks.check")

matplotlib.use("Agg")


@pytest.fixture
def x64():
    """Compute in 64 bits for the length of one test; the default is JAX's own, 32 bits."""
    from ntkmc._compat import enable_x64

    with enable_x64():
        yield


@pytest.fixture
def unchecked(monkeypatch):
    """Turn the run-time types off: what is refused is what a user would be refused."""
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """Folder of real data, `$NTKMC_DATA` or `shared/data` beside the clone; skips without one."""
    beside = Path(__file__).resolve().parents[2] / "shared" / "data"
    folder = Path(os.environ.get("NTKMC_DATA", beside))
    if not folder.is_dir():
        pytest.skip(f"no data folder at {folder}: set NTKMC_DATA")
    return folder
