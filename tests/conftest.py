"""Fixtures for all tests, and run-time checks of the array shapes in annotations."""

import os
from pathlib import Path

# Before NumPy is there: threads of two processes on two cores wait for each other, busily.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import jaxtyping
import matplotlib
import pytest

# Before a test imports ntkmc: annotations like Float[Array, "n d"] are then checked at every call.
jaxtyping.install_import_hook("ntkmc", "type_checks.check")

matplotlib.use("Agg")


def pytest_configure(config):
    """Compile quickly, most of the time that tests take, and keep it for both processes and later.

    In pytest's cache; `pytest --cache-clear` begins anew. And the byte code of what fresh processes
    import, which takes them five seconds to make.
    """
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    # A third less time. Set it to 0 to test what users run, as `.ci/run` does on old versions.
    os.environ.setdefault("JAX_DISABLE_MOST_OPTIMIZATIONS", "1")
    if hasattr(config, "cache"):
        os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", str(config.cache.mkdir("jax")))
        # Thousands of functions that take a few hundredths of a second each.
        os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0")
        os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES", "-1")


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


@pytest.fixture
def run(capsys):
    """Runs the command: ``run("info")`` is its exit code, stdout and stderr."""
    from ntkmc.cli import main

    def run(*arguments):
        with pytest.raises(SystemExit) as ended:
            main([str(argument) for argument in arguments])
        printed = capsys.readouterr()
        return ended.value.code, printed.out, printed.err

    return run
