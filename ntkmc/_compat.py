"""The only module that knows versions of JAX."""

import jax


def enable_x64():
    """Context in which JAX computes in 64 bits, whatever the global setting is."""
    if hasattr(jax, "enable_x64"):  # public since jax 0.8
        return jax.enable_x64(True)
    from jax.experimental import enable_x64 as experimental_enable_x64

    return experimental_enable_x64(True)
