"""Finite networks drawn at random, and how their mean kernel is compared with the infinite one."""

import jax
import numpy as np
import scipy.stats
from compiled import by_operation

from ntkmc._neural_tangents import neural_tangents as nt

_reverse = by_operation(lambda k: k.reverse())


def exact_kernels(kernel_fn, *inputs):
    """NNGP and NTK with the spatial axes in their own order.

    An odd number of convolutions leaves it reversed, and neural-tangents' `kernel_fn` hands the
    arrays out as they are.
    """
    k = kernel_fn(*inputs)
    k = _reverse(k) if k.is_reversed else k
    return {"nngp": np.asarray(k.nngp), "ntk": np.asarray(k.ntk)}


def sample_kernels(network, x1, x2=None, many_outputs=None, draws=200, vmap_axes=None):
    """NNGP and NTK of each of so many networks, with a leading axis for the draws.

    One output of a network is one draw from the NNGP, which is 100 percent of noise; the NNGP is
    sampled from `many_outputs` if given, the same network with more channels at the end.
    `vmap_axes` is that of neural-tangents: 0 for networks that take images one by one, which is
    faster.
    """
    keys = jax.random.split(jax.random.PRNGKey(0), draws)
    networks = {"nngp": many_outputs or network, "ntk": network}
    samples = {}
    for get, (init_fn, apply_fn, _) in networks.items():
        kernel_fn = nt.empirical_kernel_fn(apply_fn, vmap_axes=vmap_axes)

        def sample(key, get=get, init_fn=init_fn, kernel_fn=kernel_fn):
            return kernel_fn(x1, x2, get, init_fn(key, x1.shape)[1])

        samples[get] = np.asarray(jax.jit(lambda keys, f=sample: jax.lax.map(f, keys))(keys), float)
    return samples


def z_scores(samples, exact):
    """(mean - exact) / standard error for every entry; zero where nothing varies and all agrees."""
    assert samples.shape[1:] == exact.shape
    error = samples.std(axis=0, ddof=1) / np.sqrt(len(samples))
    # Rounding of float32 sums is no disagreement, which matters where the error is very small.
    difference = np.abs(samples.mean(axis=0) - exact)
    difference = np.maximum(difference - 1e-6 * np.abs(exact).max(), 0)
    return np.divide(difference, error, out=np.where(difference > 0, np.inf, 0), where=error > 0)


def assert_agrees(samples, exact):
    """Entrywise within three standard errors, as far as chance lets it be.

    Of n Gaussian entries a few are beyond 3: the largest is held to the bound that n independent
    ones would pass with probability 0.99 (Bonferroni), and those beyond 3 to 1 percent (0.27 are
    expected), or to two, an entry and its mirror image. Entries of one network are correlated,
    which makes the bound safe, and puts several of them beyond 3 at once or, mostly, none. Seeds
    are fixed.
    """
    for name, truth in exact.items():
        z = z_scores(samples[name], truth)
        bound = scipy.stats.norm.isf(0.01 / 2 / z.size)
        assert z.max() < bound, f"{name}: {z.max():.2f} standard errors, bound {bound:.2f}"
        beyond = (z > 3).sum()
        assert beyond <= max(2, 0.01 * z.size), f"{name}: {beyond} of {z.size} entries beyond 3"
