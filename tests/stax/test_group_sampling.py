"""Kernels of group convolutions against networks of width 1024 drawn at random."""

import jax.numpy as jnp
import numpy as np
from stax.sampling import assert_agrees, exact_kernels, sample_kernels, z_scores

from ntkmc import stax

OPTIONS = {"group": "D2", "W_std": 1.2, "b_std": 0.3}


def network(channels=1, width=1024):
    """A kernel between all pixels and orientations."""
    return stax.serial(
        stax.LiftingConv(width, (3, 3), **OPTIONS),
        stax.Relu(),
        stax.GroupConv(channels, (3, 3), padding="CIRCULAR", **OPTIONS),
    )


def test_mean_of_finite_networks():
    x = jnp.asarray(np.random.default_rng(0).standard_normal((2, 4, 4, 1)), jnp.float32)
    exact = exact_kernels(network()[2], x)
    assert exact["ntk"].shape == (2, 2, 2, 2, 2, 2, 4, 4)
    samples = sample_kernels(network(), x, many_outputs=network(64), draws=150)
    assert_agrees(samples, exact)
    # What counts the weights of the lifting layer twice is seen.
    lifting = stax.serial(stax.LiftingConv(1, (3, 3), **OPTIONS), stax.Relu())
    below = exact_kernels(lifting[2], x)["ntk"]
    twice = exact["ntk"] + below.mean((2, 3, 4, 5, 6, 7), keepdims=True)
    assert z_scores(samples["ntk"], twice).min() > 3
