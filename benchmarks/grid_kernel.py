"""`GridKernel` against neural-tangents' own `kernel_fn` on the inpainting network.

    python benchmarks/grid_kernel.py --side 64 --levels 6

prints seconds and peak memory of either, and their ratios, from one run. Each is a process of its
own, so that neither pays for the other's memory. The network is written for neural-tangents
directly, in its own layers, and its kernel function is compiled. `first` is the first call, with
compilation; `seconds` the fastest of the repeats after it (`--repeats 0`: none). The priors are the
identity, on which both must give the same kernel to float32 rounding: neural-tangents has half of
the digits where two pixels are nearly alike.
"""

import argparse
import json
import multiprocessing
import time

import numpy as np


def ours(side, levels, prior):
    from ntkmc.architecture import autoencoder
    from ntkmc.kernels import GridKernel

    network = autoencoder(levels)
    return lambda scale: GridKernel.build(network, scale * prior).matrix


def theirs(side, levels, prior):
    import jax
    import jax.numpy as jnp

    from ntkmc import stax

    slope = 0.01
    c = np.sqrt(2 / (1 + slope**2))
    activation = stax.ABRelu(c * slope, c)

    def conv(stride=1):
        return stax.Conv(
            1, (3, 3), strides=(stride, stride), padding="CIRCULAR", W_std=1.0, b_std=None
        )

    down = [conv(), activation, conv(stride=2), activation]
    layers = down * levels
    for level in range(levels):
        size = side // 2 ** (levels - 1 - level)
        up = stax.ImageResize((-1, size, size, -1), method="nearest")
        layers += [up, conv(), activation, conv(), activation]
    kernel_fn = jax.jit(stax.serial(*layers[:-1])[2], static_argnames=("get", "diagonal_spatial"))
    image = jnp.asarray(prior.transpose(1, 2, 0)[None], jnp.float32)
    return lambda scale: kernel_fn(scale * image, None, get="ntk")


def measure(which, side, levels, repeats, pipe):
    from ntkmc import memory

    prior = np.eye(side)[None]
    build = {"ours": ours, "neural-tangents": theirs}[which](side, levels, prior)
    seconds, values = [], None
    for scale in [1.0] * (repeats + 1):
        start = time.perf_counter()
        values = build(scale)
        values.block_until_ready()
        seconds.append(time.perf_counter() - start)
    pipe.send(
        {
            "first": seconds[0],
            "seconds": min(seconds[1:], default=None),
            "peak_bytes": memory.peak_bytes(),
            "mean": float(np.mean(np.asarray(values), dtype=np.float64)),
        }
    )


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--side", type=int, default=64)
    parser.add_argument("--levels", type=int, default=6)
    parser.add_argument("--repeats", type=int, default=3)
    arguments = parser.parse_args()
    results = {}
    for which in ("neural-tangents", "ours"):
        receiver, sender = multiprocessing.get_context("spawn").Pipe(duplex=False)
        process = multiprocessing.get_context("spawn").Process(
            target=measure,
            args=(which, arguments.side, arguments.levels, arguments.repeats, sender),
        )
        process.start()
        sender.close()
        try:
            results[which] = receiver.recv()
        except EOFError:
            print(f"{which}: did not finish (exit code {process.exitcode})")
        process.join()
        print(which, json.dumps(results.get(which)), flush=True)
    if len(results) < 2:
        return
    a, b = results["neural-tangents"], results["ours"]
    print(f"same kernel: means differ by {abs(a['mean'] / b['mean'] - 1):.1e} (relative)")
    for name in ("seconds", "first", "peak_bytes"):
        if a[name]:
            print(f"{name}: neural-tangents / ours = {a[name] / b[name]:.1f}")


if __name__ == "__main__":
    main()
