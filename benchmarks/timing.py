"""Timing that can be believed on a noisy machine: alternating runs, medians, nothing compiled."""

import statistics
import time
from collections.abc import Callable

import jax


def seconds(run: Callable[[], object]) -> float:
    """Wall-clock time of one call, until its arrays are there."""
    started = time.perf_counter()
    jax.block_until_ready(run())
    return time.perf_counter() - started


def medians(runs: dict[str, Callable[[], object]], repeats: int) -> dict[str, float]:
    """Median seconds of each, taking turns; each runs once before, to compile."""
    for run in runs.values():
        jax.block_until_ready(run())
    times: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(repeats):
        for name, run in runs.items():
            times[name].append(seconds(run))
    return {name: statistics.median(values) for name, values in times.items()}


def clocked(run: Callable[[], object]) -> tuple[object, float, float]:
    """What a call returns, and its seconds of wall clock and of processor, all cores together."""
    wall, processor = time.perf_counter(), time.process_time()
    result = jax.block_until_ready(run())
    return result, time.perf_counter() - wall, time.process_time() - processor
