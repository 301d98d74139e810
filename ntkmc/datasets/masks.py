"""Masks made to measure. True is observed."""

import numpy as np
from jaxtyping import Bool

Shape = tuple[int, int]


def random_mask(shape: tuple[int, ...], fraction: float, seed: int = 0) -> Bool[np.ndarray, "..."]:
    """A mask in which ``round(fraction * H * W)`` pixels, drawn at random, are missing.

    Parameters
    ----------
    shape : (H, W), or as many sides as a signal or a volume has
    fraction : float
        Of the pixels that are missing, in [0, 1].
    seed : int
        Of ``numpy.random.default_rng``.
    """
    if not 0 <= fraction <= 1:
        raise ValueError(f"random_mask: fraction was {fraction}; pass a number between 0 and 1")
    mask = np.ones(shape, bool)
    missing = round(fraction * mask.size)
    mask.flat[np.random.default_rng(seed).choice(mask.size, missing, replace=False)] = False
    return mask


def hole_mask(shape: Shape, hole: Shape, corner: Shape | None = None) -> Bool[np.ndarray, "H W"]:
    """A mask in which one rectangle is missing.

    Parameters
    ----------
    shape : (H, W)
    hole : (height, width)
        Of the rectangle, in pixels.
    corner : (row, column), optional
        Of its upper left pixel; in the middle of the image where not given.
    """
    if corner is None:
        corner = ((shape[0] - hole[0]) // 2, (shape[1] - hole[1]) // 2)
    for side, size, start in zip(shape, hole, corner, strict=True):
        if start < 0 or size < 1 or start + size > side:
            raise ValueError(
                f"hole_mask: a hole of {hole} at {corner} does not lie within an image of {shape}"
            )
    mask = np.ones(shape, bool)
    mask[corner[0] : corner[0] + hole[0], corner[1] : corner[1] + hole[1]] = False
    return mask
