"""Equivariant networks of finite width: their symmetry, their kernels, their training."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import nnx
from stax.sampling import assert_agrees, exact_kernels

from ntkmc import memory, stax
from ntkmc._random import normal
from ntkmc.architecture import (
    ArchitectureError,
    Dense,
    Flatten,
    GlobalAvgPool,
    GroupConv,
    GroupPool,
    LeakyRelu,
    LiftingConv,
    Relu,
    Sequential,
)
from ntkmc.finite import empirical_kernel, from_architecture, sample_kernels
from ntkmc.groups import POINT_GROUPS


def network(group, padding="same", *end):
    layers = [LiftingConv(3, 1, padding, group), Relu(), GroupConv(3, 1, padding, group)]
    return Sequential([*layers, LeakyRelu(0.1), GroupConv(1, group=group), GroupPool(), *end])


def turned(group, x):
    return np.concatenate([group.act(x, r, (1, 2)) for r in range(len(group))])


@pytest.mark.parametrize(
    ("name", "padding", "batch_norm"),
    [("C4", "valid", False), ("D4", "circular", True)],
)
def test_images_turn_with_the_input(x64, name, padding, batch_norm):
    """And pooled over, they do not change, to the precision of the numbers."""
    group = POINT_GROUPS[name]
    module = from_architecture(
        network(name, padding), 4, 2, 3, batch_norm=batch_norm, rngs=nnx.Rngs(0)
    )
    graph, weights = nnx.split(module)
    weights = jax.tree.map(lambda w: w.astype(np.float64), weights)
    x = turned(group, np.random.default_rng(0).standard_normal((1, 5, 5, 2)))
    outputs = np.asarray(jax.jit(lambda x: nnx.merge(graph, weights)(x))(x))
    expected = turned(group, outputs[:1])
    np.testing.assert_allclose(outputs, expected, atol=1e-14 * abs(outputs).max())
    assert outputs.dtype == np.float64


def test_is_the_network_that_neural_tangents_reads():
    """The same weights in both readings."""
    architecture = network("D1", "valid", Flatten(), Dense(), Relu(), Dense())
    x = np.random.default_rng(0).standard_normal((2, 6, 5, 2)).astype(np.float32)
    module = from_architecture(architecture, 3, 2, shape=(6, 5), rngs=nnx.Rngs(0))
    parts = iter(module.convolutions)
    params = jax.eval_shape(
        lambda: stax.from_architecture(architecture, 3)[0](jax.random.key(0), x.shape)[1]
    )

    def given(part):
        kernel = part.linear.kernel if hasattr(part, "linear") else part.kernel
        return (kernel[...], None)

    params = [given(next(parts)) if layer else () for layer in params]
    outputs = stax.from_architecture(architecture, 3)[1](params, x)
    assert outputs.shape == (2, 1)
    np.testing.assert_allclose(module(jnp.asarray(x)), outputs, rtol=1e-4, atol=1e-6)


@pytest.mark.slow
def test_kernels_approach_those_of_infinite_width():
    body = [LiftingConv(3, group="C2"), Relu(), GroupConv(1, group="C2"), Relu()]
    architecture = Sequential([*body, GroupPool(), GlobalAvgPool(), Dense()])
    x = np.random.default_rng(0).standard_normal((3, 3, 3, 1)).astype(np.float32)
    limit = exact_kernels(jax.jit(stax.from_architecture(architecture)[2]), x)
    samples = {kind: sample_kernels(architecture, 1024, x, kind, 25) for kind in limit}
    assert_agrees(samples, limit)


def test_kernel_between_images_is_that_of_the_jacobian():
    """Also where batch normalization lets one image depend on the others."""
    layers = [LiftingConv(3, group="C2"), Relu(), GroupPool(), GlobalAvgPool(), Dense()]
    architecture = Sequential(layers)
    x = normal(jax.random.key(1), (3, 4, 4, 2))
    for batch_norm in (False, True):
        module = from_architecture(architecture, 3, 2, 2, batch_norm=batch_norm, rngs=nnx.Rngs(0))
        graph, weights = nnx.split(module)
        jacobian = jax.jit(jax.jacobian(lambda w, g=graph: nnx.merge(g, w)(x)))(weights)
        leaves = [leaf.reshape(3, 2, -1) for leaf in jax.tree.leaves(jacobian)]
        expected = sum(jnp.einsum("xkp,ykp->xy", leaf, leaf) for leaf in leaves) / 2
        found = empirical_kernel(module, x)
        np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-4 * abs(expected).max())


def test_trains_with_optax_and_stays_invariant():
    module = from_architecture(
        network("C4", "valid", GlobalAvgPool(), Dense()), 8, 1, rngs=nnx.Rngs(0)
    )
    graph, weights = nnx.split(module)
    rng = np.random.default_rng(0)
    x, y = (jnp.asarray(rng.standard_normal(shape)) for shape in ((4, 5, 5, 1), (4, 1)))
    optimiser = optax.adam(0.05)

    def loss(weights):
        return ((nnx.merge(graph, weights)(x) - y) ** 2).mean()

    @jax.jit
    def step(weights, state):
        value, gradient = jax.value_and_grad(loss)(weights)
        updates, state = optimiser.update(gradient, state)
        return optax.apply_updates(weights, updates), state, value

    state, losses = optimiser.init(weights), []
    for _ in range(60):
        weights, state, value = step(weights, state)
        losses.append(float(value))
    assert losses[-1] < 0.1 * losses[0]
    trained = nnx.merge(graph, weights)
    np.testing.assert_allclose(trained(jnp.rot90(x, axes=(1, 2))), trained(x), atol=1e-5)


@pytest.mark.parametrize("value", [np.nan, -np.inf])
def test_missing_pixels(value):
    """Refused where values are known; under jit, all that is made of such an image is NaN."""
    module = from_architecture(network("C2"), 4, 2, rngs=nnx.Rngs(0))
    x = jnp.ones((2, 5, 4, 2))
    holed = x.at[1, 0, 0, 0].set(value)
    with pytest.raises(ArchitectureError, match=r"features hold values that are NaN .*; fill in"):
        module(holed)
    graph, weights = nnx.split(module)
    forward = jax.jit(lambda x: nnx.merge(graph, weights)(x))
    outputs = forward(holed)
    np.testing.assert_array_equal(outputs[0], forward(x)[0])
    assert np.isnan(outputs[1]).all()


def test_refusals(monkeypatch):
    flat = network("C4", "valid", Flatten(), Dense())
    with pytest.raises(ArchitectureError, match=r"has a Flatten, .* pass shape=\(height, width\)"):
        from_architecture(flat, 4, 2, rngs=nnx.Rngs(0))
    with pytest.raises(ArchitectureError, match="the image is 4 x 6 and C4 exchanges rows"):
        from_architecture(flat, 4, 2, shape=(4, 6), rngs=nnx.Rngs(0))
    module = from_architecture(network("C4"), 4, 2, rngs=nnx.Rngs(0))
    words = r"features have 3 channels and .* made for 2; pass as many, or .*in_channels=3"
    with pytest.raises(ArchitectureError, match=words):
        module(jnp.ones((1, 5, 5, 3)))
    with pytest.raises(ArchitectureError, match="the image is 5 x 4 and C4 exchanges rows"):
        module(jnp.ones((1, 5, 4, 2)))
    lifting = Sequential([LiftingConv(3, 2, "same"), GroupPool()])
    with pytest.raises(ArchitectureError, match=r"stride 2 .*, which C4 exchanges; pass stride 1"):
        from_architecture(lifting, 4, 2, rngs=nnx.Rngs(0))(jnp.ones((1, 6, 6, 2)))
    unlifted = Sequential([GroupConv(3), GroupPool()])
    with pytest.raises(ArchitectureError, match="put a LiftingConv before it"):
        from_architecture(unlifted, 4, 2, rngs=nnx.Rngs(0))
    monkeypatch.setattr(memory, "available_bytes", lambda: 2**10)
    with pytest.raises(memory.NotEnoughMemoryError, match=r"5 x 5 pixels.*smaller or fewer images"):
        empirical_kernel(module, jnp.ones((2, 5, 5, 2)))
