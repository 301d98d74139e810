"""Feature priors with a finite number of channels: arrays (channels, H, W), for `GridKernel`."""

import jax.numpy as jnp
from jaxtyping import Array, Float

from ntkmc.priors.iid import IIDUniform

Shape = tuple[int, int]


def uniform(
    key: Array, channels: int, shape: Shape, prior: IIDUniform = IIDUniform(0.0, 0.1)
) -> Float[Array, "channels H W"]:
    """Independent uniform entries: `IIDUniform` with finitely many channels."""
    return prior.sample(key, (channels, *shape))


def identity(shape: Shape) -> Float[Array, "1 H W"]:
    """The identity matrix as an image: one channel, 1 where i = j and 0 elsewhere.

    The standard prior of matrix completion, and ineffective for images: with circular padding a
    pixel (i, j) knows i - j modulo the side, so that the upper right quadrant is filled in with the
    lower left one (matrix-completion paper, section 5 and Fig. 4). A one-hot channel for each pixel
    is something else: independent entries with C2 = 0.
    """
    return jnp.eye(*shape)[None]


def meshgrid(shape: Shape) -> Float[Array, "2 H W"]:
    """Coordinates as features: columns, then rows, each from 0 to 1.

    Ulyanov, Vedaldi and Lempitsky, "Deep image prior", CVPR 2018 (their `meshgrid` input).
    """
    rows, columns = (jnp.linspace(0, 1, side) for side in shape)
    return jnp.stack(jnp.meshgrid(columns, rows))
