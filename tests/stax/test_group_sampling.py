"""Kernels of group convolutions against networks of width 1024 drawn at random."""

import jax.numpy as jnp
import numpy as np
import pytest
from compiled import by_operation
from stax.sampling import assert_agrees, exact_kernels, sample_kernels, z_scores

from ntkmc import stax

OPTIONS = {"group": "C2", "W_std": 1.2, "b_std": 0.3}


def layers(channels=1):
    """Of a network whose kernel is between all pixels and orientations."""
    return (
        stax.LiftingConv(1024, (3, 3), **OPTIONS),
        stax.Relu(),
        stax.GroupConv(channels, (1, 3), padding="SAME", **OPTIONS),
    )


@pytest.mark.slow
def test_mean_of_finite_networks():
    x = jnp.asarray(np.random.default_rng(0).standard_normal((2, 3, 4, 1)), jnp.float32)
    network = stax.serial(*layers())
    exact = exact_kernels(by_operation(network[2]), x)
    assert exact["ntk"].shape == (2, 2, 1, 1, 2, 2, 2, 2)
    samples = sample_kernels(
        network, x, many_outputs=stax.serial(*layers(32)), draws=100, vmap_axes=0
    )
    assert_agrees(samples, exact)

    def counts_the_lifting_layer_twice(x):
        lifting, *others = layers()
        k = lifting[2](x)
        return stax.serial(*others)[2](k.replace(ntk=2 * k.ntk))

    wrong = exact_kernels(by_operation(counts_the_lifting_layer_twice), x)
    assert z_scores(samples["ntk"], wrong["ntk"]).max() > 10
