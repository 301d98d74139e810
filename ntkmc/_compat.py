"""What differs between versions of JAX (for neural-tangents, see `_neural_tangents`)."""

from contextlib import AbstractContextManager

import jax
import jax.experimental


def enable_x64() -> AbstractContextManager[None]:
    """Context in which JAX computes in 64 bits, whatever the global setting is."""
    if hasattr(jax, "enable_x64"):  # public since jax 0.8.0
        return jax.enable_x64(True)
    # Its place before, which later versions do not have, hence out of sight of type checkers.
    return vars(jax.experimental)["enable_x64"](True)
