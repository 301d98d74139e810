"""Gram matrices of images, against neural-tangents, and how long large ones take.

    uv run python benchmarks/gram.py            # all parts; or some of: plain group large

`plain` compares `gram` with neural-tangents' `nt.batch` of the same network, 32 x 32 x 3 images,
NNGP and NTK, float32, by turns in one run: seconds a pair and the largest error against float64.
`group` is the C4 network with a lifting and a group convolution: milliseconds a pair, and the
temporaries that XLA allocates. `large` is a symmetric Gram of it: 200 images on a CPU, 1000 on a
GPU. Writes results/gram-<device>.json.
"""

import sys
import time

import jax
import jax.numpy as jnp
import numpy as np
import printing
from timing import clocked

from ntkmc import stax
from ntkmc._compat import enable_x64
from ntkmc._neural_tangents import neural_tangents as nt
from ntkmc.architecture import (
    Dense,
    GlobalAvgPool,
    GroupConv,
    GroupPool,
    LiftingConv,
    Relu,
    Sequential,
)
from ntkmc.kernels import gram
from ntkmc.kernels._gram_block import block
from ntkmc.kernels._gram_plan import plan_of

SIDE, CHANNELS = 32, 3
REPEATS = 3
BOTH = ("nngp", "ntk")
ON_CPU = jax.devices()[0].platform == "cpu"


def network(group, convolutions):
    layers = [LiftingConv(3, group=group), Relu()]
    layers += [GroupConv(3, group=group), Relu()] * (convolutions - 1)
    return Sequential([*layers, GroupPool(), GlobalAvgPool(), Dense()])


def images(count, seed=0, dtype=np.float32):
    return np.random.default_rng(seed).random((count, SIDE, SIDE, CHANNELS)).astype(dtype)


def of_neural_tangents(convolutions, batch):
    """Its own layers: this repository's are not timed here."""
    layers = []
    for _ in range(convolutions):
        layers += [stax.Conv(1, (3, 3), padding="VALID", b_std=None), stax.ABRelu(0, np.sqrt(2))]
    kernel_fn = stax.serial(*layers, stax.GlobalAvgPool(), stax.Dense(1, b_std=None))[2]
    return nt.batch(jax.jit(kernel_fn, static_argnames="get"), batch, device_count=0)


def plain():
    return [compared(convolutions) for convolutions in (2, 5)]


def compared(convolutions):
    net, theirs = network("C1", convolutions), of_neural_tangents(convolutions, 4)
    few, more, many = images(4), images(4, seed=2), images(64, seed=1)
    runs = {
        "gram": (32 * 32, lambda: gram(net, many[:32], many[32:])),
        "nt.batch": (16, lambda: theirs(few, more, BOTH)),
    }
    times = {name: [] for name in runs}
    for repeat in range(REPEATS + 1):  # the first compiles
        for name, (pairs, run) in runs.items():
            _, *clocks = clocked(run)
            if repeat:
                times[name].append([1e3 * clock / pairs for clock in clocks])
    wall, processor = (
        {name: float(np.median(np.array(its)[:, i])) for name, its in times.items()} for i in (0, 1)
    )
    with enable_x64():
        exact = [np.asarray(k) for k in theirs(jnp.asarray(few, jnp.float64), None, BOTH)]

    def error(found):
        return max(
            float(abs(k - e).max() / abs(e).max()) for k, e in zip(found, exact, strict=True)
        )

    return {
        "convolutions": convolutions,
        "gram, ms a pair": wall["gram"],
        "nt.batch, ms a pair": wall["nt.batch"],
        "ratio": wall["nt.batch"] / wall["gram"],
        "ratio, processor": processor["nt.batch"] / processor["gram"],
        "gram, error": error(gram(net, few)),
        "nt.batch, error": error(theirs(few, None, BOTH)),
    }


def group():
    net = network("C4", 2)
    first, second = images(32), images(32, seed=1)
    gram(net, first, second)
    runs = [clocked(lambda: gram(net, first, second)) for _ in range(REPEATS)]
    settings = {"plan": plan_of(net, (SIDE, SIDE)), "with_ntk": True, "as_pairs": False}
    stores = "branch" if ON_CPU else "barrier"
    sides = [(x, np.ones(len(x), x.dtype)) for x in (first[:8], second)]
    lowered = block.lower(*sides, jnp.array(True), stores=stores, **settings)
    temporaries = lowered.compile().memory_analysis().temp_size_in_bytes
    return [
        {
            "ms a pair": 1e3 * float(np.median([wall for _, wall, _ in runs])) / 32**2,
            "processor ms a pair": 1e3 * float(np.median([cpu for *_, cpu in runs])) / 32**2,
            "temporaries, KiB a pair": temporaries / 8 / 32 / 2**10,
        }
    ]


def large():
    net = network("C4", 2)
    count = 200 if ON_CPU else 1000
    gram(net, images(40))  # compiles for blocks of nearly the size
    started = time.perf_counter()
    found = gram(net, images(count))
    seconds = time.perf_counter() - started
    return [
        {
            "images": count,
            "seconds": seconds,
            "smallest eigenvalue": float(np.linalg.eigvalsh(found.ntk)[0]),
        }
    ]


if __name__ == "__main__":
    printing.run("gram", {"plain": plain, "group": group, "large": large}, sys.argv[1:])
