"""What a network does after the readout: kernels of vectors, in float64 on the host."""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from ntkmc._compat import enable_x64
from ntkmc.architecture import Dense
from ntkmc.kernels._gram_plan import Plan
from ntkmc.kernels.duals import HOMOGENEOUS, apply_dual_of_sides, dual_side, dual_variance

Vectors = list[Float[np.ndarray, " _"]]
"""Of one list of images, or of two."""


def through_head(
    plan: Plan,
    pooled: dict[str, Float[np.ndarray, "n1 n2"]],
    variances: Vectors,
    own_gaps: Vectors,
    lengths: Vectors,
) -> dict[str, Float[np.ndarray, "n1 n2"]]:
    """NNGP and NTK (if it is pooled) of the output.

    Parameters
    ----------
    pooled : "gap" and perhaps "ntk" at the readout.
    variances : mean over the pixels at the readout of each image's.
    own_gaps : what `pooled["gap"]` is of each image with itself; zeros where nothing bends.
    lengths : of the images, whose kernels are pooled as if they were one, if they can be.
    """
    if not plan.pooled_is_homogeneous:
        lengths = [np.ones_like(length) for length in lengths]
    # An image whose pixels are not all alike has less variance when it is pooled, and so the gap
    # of two is a difference. What is within its rounding is none: they are parallel.
    whole = pooled["gap"].astype(np.float64)
    gap = whole - _means(own_gaps)
    gap = np.where(gap < 4 * np.finfo(pooled["gap"].dtype).eps * whole, 0, gap)
    sides = [variance - own for variance, own in zip(variances, own_gaps, strict=True)]
    kernels = {"ntk": pooled["ntk"].astype(np.float64)} if "ntk" in pooled else {}
    for layer in plan.head:
        if isinstance(layer, Dense):
            kernels = {name: kernel + (_means(sides) - gap) for name, kernel in kernels.items()}
            continue
        with enable_x64(), jax.default_device(jax.local_devices(backend="cpu")[0]):
            given = [tuple(map(jnp.asarray, both)) for both in zip(sides, lengths, strict=True)]
            duals = [dual_side(layer, *both) for both in given]
            rows = tuple(part[:, None] for part in duals[0])
            changed, slope = apply_dual_of_sides(layer, jnp.asarray(gap), rows, duals[-1])
            sides = [np.asarray(dual_variance(layer, *both)) for both in given]
        gap = np.asarray(changed)
        kernels = {name: kernel * np.asarray(slope) for name, kernel in kernels.items()}
        if not isinstance(layer, HOMOGENEOUS):
            lengths = [np.ones_like(length) for length in lengths]
    kernels["nngp"] = _means(sides) - gap
    size = np.multiply.outer(lengths[0], lengths[-1])
    return {name: kernel * size for name, kernel in kernels.items()}


def _means(sides: Vectors) -> Float[np.ndarray, "n1 n2"]:
    return np.add.outer(sides[0], sides[-1]) / 2
