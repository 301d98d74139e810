"""Images with pixels that are NaN or infinite: no kernel, and no output, is that of such an image.

Where values are known they are refused. Functions that JAX traces (`jax.jit`, `nt.batch`) cannot
raise for what values turn out to be; they give NaN for all that belongs to such an image, lest a
sum that leaves a pixel out, or an activation with a limit, make a finite number of it.
"""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float


def is_known(*arrays: jax.Array | np.ndarray | None) -> bool:
    """Whether values are there that are known to be NaN or infinite."""

    def known(array):
        if array is None or isinstance(array, jax.core.Tracer):
            return False
        with jax.ensure_compile_time_eval():  # an array is known even where a function is traced
            return not bool(jnp.isfinite(array).all())

    return any(map(known, arrays))


def missing_images(x: Float[Array, "n *places"]) -> Bool[Array, " n"]:
    """Which images, or whatever the first axis counts, have a value that is NaN or infinite."""
    return ~jnp.isfinite(x).reshape(len(x), -1).all(1)


def spread(mat: Float[Array, "..."], missing: Bool[Array, "..."]) -> Float[Array, "..."]:
    """NaN wherever the leading axes are ``missing``."""
    where = missing.reshape(*missing.shape, *(1,) * (mat.ndim - missing.ndim))
    return jnp.where(where, jnp.nan, mat)
