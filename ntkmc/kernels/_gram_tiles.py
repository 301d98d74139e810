"""Blocks of pairs of images, several at a time, on all devices."""

import collections
import concurrent.futures
import contextlib
import functools
from collections.abc import Iterable, Iterator

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, PartitionSpec

from ntkmc import memory
from ntkmc._compat import enable_x64
from ntkmc._processors import usable_cores
from ntkmc.kernels._gram_block import block, variances
from ntkmc.kernels._gram_plan import Plan
from ntkmc.kernels._gram_scale import Scaled

# Images on either side of a block. A processor wants the arrays of one distance in its cache,
# vectors of the second number, and not less than this many numbers in an array: a step costs a few
# microseconds whatever it does. A GPU wants as many pairs as there are threads.
_ON_CPU = (8, 32)
_NUMBERS_ON_CPU = 2**17
_ON_GPU = (64, 64)
_LIVE_ARRAYS = 8  # of all pairs and all slots of one distance, at most, at any time

Tile = tuple[np.ndarray, np.ndarray]
"""Numbers of the images on either side."""


def tiles(n1: int, n2: int, rows: int, columns: int, symmetric: bool) -> list[Tile]:
    """Blocks that cover all pairs; of a symmetric matrix, those that touch its upper triangle."""
    first = [np.arange(i, min(i + rows, n1)) for i in range(0, n1, rows)]
    second = [np.arange(j, min(j + columns, n2)) for j in range(0, n2, columns)]
    return [(i, j) for j in second for i in first if not symmetric or i[0] <= j[-1]]


class Runner:
    """Computes blocks of one network, with programs that are compiled once."""

    def __init__(self, plan: Plan, dtype: np.dtype, with_ntk: bool):
        self.plan, self.dtype, self.with_ntk = plan, dtype, with_ntk
        self.devices = jax.local_devices()
        self.on_cpu = self.devices[0].platform == "cpu"

    def block_shape(self, n1: int, n2: int) -> tuple[int, int]:
        """Images on either side of a block, all blocks about equally full; made to fit."""
        rows, columns = _ON_CPU if self.on_cpu else _ON_GPU
        while self.on_cpu and self._slots * rows * columns < _NUMBERS_ON_CPU and rows < 64:
            rows, columns = columns, 2 * rows
        while self._bytes(rows * columns) > memory.available_bytes() and rows * columns > 1:
            rows, columns = max(1, rows // 2), max(1, columns // 2)
        memory.require(self._bytes(1), "the kernel of one pair of images", "pass smaller images")
        return _evenly(n1, rows), _evenly(n2, columns)

    @property
    def _slots(self) -> int:
        """About as many as pixels after the first convolution: the image is cheaply dealt with."""
        return max(height * width for height, width in self.plan.sizes[1:])

    def _bytes(self, pairs: int) -> int:
        at_once = self._workers * len(self.devices) if self.on_cpu else 1
        return _LIVE_ARRAYS * 2 * self.dtype.itemsize * self._slots * pairs * at_once

    @property
    def _workers(self) -> int:
        """Programs under way at a time: one fills a core, or a GPU while the next is prepared."""
        if not self.on_cpu:
            return 2
        return max(1, usable_cores() // len(self.devices))

    def run(self, x1: Scaled, x2: Scaled, wanted: list[Tile]) -> Iterator[tuple[Tile, np.ndarray]]:
        """Each tile with its gap and NTK (1 or 2, rows, columns)."""
        if not wanted:
            return
        rows, columns = (max(len(tile[side]) for tile in wanted) for side in (0, 1))
        step = len(self.devices)
        groups = [wanted[start : start + step] for start in range(0, len(wanted), step)]

        def compute(group):
            padded = group + group[-1:] * (step - len(group))
            a = [x1.some(_filled(i, rows)) for i, _ in padded]
            b = [x2.some(_filled(j, columns)) for _, j in padded]
            blocks = self._compute(a, b, as_pairs=False)
            return [
                (tile, made[:, : len(tile[0]), : len(tile[1])])
                for tile, made in zip(group, blocks, strict=False)
            ]

        for results in _ahead(compute, groups, self._workers):
            yield from results

    def variances(self, x: Scaled) -> np.ndarray:
        """(n,), in float64: what is subtracted from them later keeps its digits."""
        every = np.arange(len(x))
        with enable_x64(), jax.default_device(jax.local_devices(backend="cpu")[0]):
            parts = [
                np.asarray(
                    variances(
                        *(part.astype(np.float64) for part in x.some(_filled(some, 64))),
                        plan=self.plan,
                    )
                )
                for some in np.split(every, every[64::64])
            ]
        return np.concatenate(parts)[: len(x)]

    def own_gaps(self, x: Scaled) -> np.ndarray:
        """(n,), of every image with itself: zero where one pixel is read, not where many are."""
        step = _ON_CPU[1] if self.on_cpu else _ON_GPU[0] * _ON_GPU[1]
        size, every = _evenly(len(x), step), np.arange(len(x))

        def compute(some):
            a = [x.some(_filled(some, size))] * len(self.devices)
            return self._compute(a, a, as_pairs=True)[0][0, 0, : len(some)]

        parts = np.split(every, every[size::size])
        return np.concatenate(list(_ahead(compute, parts, self._workers)))

    def _compute(self, a: list[Scaled], b: list[Scaled], as_pairs: bool) -> np.ndarray:
        """A block for each device."""
        sides = [
            tuple(np.stack(part).astype(self.dtype) for part in zip(*side, strict=True))
            for side in (a, b)
        ]
        doubled = self.dtype == np.float64
        # A thread begins without the context of the one that made it.
        with enable_x64() if doubled else contextlib.nullcontext():
            made = _on_devices(
                *jax.device_put(sides),
                jnp.asarray(True),
                plan=self.plan,
                with_ntk=self.with_ntk,
                as_pairs=as_pairs,
                stores="branch" if self.on_cpu else "barrier",
                devices=tuple(self.devices),
            )
            return np.asarray(made)


@functools.partial(jax.jit, static_argnames=("plan", "with_ntk", "as_pairs", "stores", "devices"))
def _on_devices(a, b, real, *, plan, with_ntk, as_pairs, stores, devices):
    def one(a, b, real):
        own = [tuple(part[0] for part in side) for side in (a, b)]
        return block(*own, real, plan=plan, with_ntk=with_ntk, as_pairs=as_pairs, stores=stores)[
            None
        ]

    spec = PartitionSpec("blocks")
    return jax.shard_map(
        one,
        mesh=Mesh(np.array(devices), ("blocks",)),
        in_specs=(spec, spec, PartitionSpec()),
        out_specs=spec,
        check_vma=False,
    )(a, b, real)


def _evenly(count: int, most: int) -> int:
    """The size of parts of at most `most`, all about equal."""
    return -(-count // -(-count // most))


def _filled(numbers: np.ndarray, count: int) -> np.ndarray:
    """As many numbers, the last one repeated."""
    return np.append(numbers, np.repeat(numbers[-1:], count - len(numbers)))


def _ahead(compute, jobs: Iterable, workers: int) -> Iterator:
    """Results in order, some jobs ahead of what is asked for."""
    with concurrent.futures.ThreadPoolExecutor(workers) as pool:
        pending: collections.deque = collections.deque()
        for job in jobs:
            pending.append(pool.submit(compute, job))
            if len(pending) > workers:
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()
