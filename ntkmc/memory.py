"""How much memory there is, and refusing work that will not fit before it is begun."""

import resource
import sys

import jax
import psutil


class NotEnoughMemoryError(MemoryError):
    """A step was predicted to need more memory than is free; nothing was allocated."""


def available_bytes() -> int:
    """Bytes free on the default JAX device (host memory where the device is a CPU)."""
    statistics = jax.local_devices()[0].memory_stats()
    if statistics and "bytes_limit" in statistics:
        return statistics["bytes_limit"] - statistics["bytes_in_use"]
    return psutil.virtual_memory().available


def peak_bytes() -> int:
    """Largest resident size of this process so far, in bytes."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024  # Linux counts KiB, macOS bytes


def readable(count: float) -> str:
    """`count` bytes for a person: 1536 -> '1.5 KiB'."""
    for unit in ("B", "KiB", "MiB"):
        if count < 1024:
            return f"{count:.4g} {unit}"
        count /= 1024
    return f"{count:.4g} GiB"


def require(needed: int, what: str, advice: str) -> None:
    """Refuse a step that needs more bytes than are free.

    Raises
    ------
    NotEnoughMemoryError : names the step, both amounts and what to change.
    """
    free = available_bytes()
    if needed > free:
        raise NotEnoughMemoryError(
            f"{what} needs about {readable(needed)} and {readable(free)} is free: {advice}"
        )
