"""Images of length one, and which lengths a kernel can be held for.

A network whose activations are homogeneous has k(r x, s x') = r s k(x, x'). So images are divided
by their root mean square before the recursion: squares neither over- nor underflow, and an image
and a multiple of it are the same one, between which no gap is left to cancel. `Erf` is told the
lengths where it comes.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from ntkmc.architecture import Dense
from ntkmc.kernels import _range
from ntkmc.kernels._gram_plan import Plan

# In float32 the slope of an Erf between pixels that are nearly parallel, and not equally long, is
# off by up to a tenth of their variance times the rounding error: from here on more than 1e-6.
LARGE_FOR_ERF = 8.0


class Scaled(NamedTuple):
    """Images, and what to multiply each by to have it as it was."""

    images: Float[np.ndarray, "n h w c"]
    lengths: Float[np.ndarray, " n"]

    def __len__(self) -> int:
        return len(self.images)

    def some(self, which) -> "Scaled":
        """Those of these numbers."""
        return Scaled(self.images[which], self.lengths[which])


def scaled(images: np.ndarray) -> Scaled:
    """Images divided by their root mean squares (zero ones stay zero), in their own precision.

    By a power of two and by a number of half as many digits as a pixel has: the lengths that are
    left differ by the root of the rounding error, and what cancels between two of them is of the
    order of their squared difference. So a sum that is rounded in another order, as that of a
    turned image is, changes nothing, and whole numbers of few digits are divided exactly.
    """
    every = (slice(None), None, None, None)
    _, exponents = np.frexp(abs(images).max(axis=(1, 2, 3)))
    images = np.ldexp(images, -exponents[every])  # largest value from 1/2 to 1, exactly
    squares = np.einsum("nhwc,nhwc->n", images, images, dtype=np.float64)
    lengths = np.sqrt(squares / images[0].size)
    digits = np.finfo(images.dtype).nmant // 2
    mantissas, powers = np.frexp(1 / np.where(lengths > 0, lengths, 1))
    factors = np.ldexp(np.round(np.ldexp(mantissas, digits)), powers - digits)
    images *= factors.astype(images.dtype)[every]
    return Scaled(images, np.ldexp(1 / factors, exponents))


def in_float64(plans: list[Plan], given: list[np.ndarray]) -> bool:
    """Whether float32 is too little for these networks and images."""
    return not all(plan.is_homogeneous for plan in plans) and any(
        abs(images).max() > LARGE_FOR_ERF for images in given
    )


def require_range(
    plan: Plan, weight: float, sides: list[Scaled], variances: list[np.ndarray], dtype: np.dtype
) -> None:
    """Refuse images whose kernels the type cannot hold, before they are computed.

    Parameters
    ----------
    plan, weight : a branch of the network.
    sides : one list of images or two.
    variances : theirs at the readout.
    dtype : of the kernels.

    Raises
    ------
    ValueError : naming the images and their root mean squares.
    """
    limits = np.finfo(dtype)
    if not plan.is_homogeneous:
        low, high = np.sqrt(_range.variances(dtype))
        for side, images in enumerate(sides):
            for number in _extremes(images.lengths):
                if not low <= images.lengths[number] <= high:
                    raise _beyond({side: (images, number)}, dtype)
        return
    # Of a pixel with itself the NTK has the variance as often as there are layers with weights.
    layers = sum(step.has_weights for step in plan.steps)
    layers += sum(isinstance(layer, Dense) for layer in plan.head)
    most = limits.max / max(1, layers) / max(1, abs(weight))
    sizes = [x.lengths * np.sqrt(v) for x, v in zip(sides, variances, strict=True)]
    for pair in zip(*map(_extremes, sizes), strict=False):  # zero ones have none
        with np.errstate(over="ignore", under="ignore"):
            size = sizes[0][pair[0]] * sizes[-1][pair[-1]]
        if not limits.tiny <= size <= most:
            raise _beyond(dict(enumerate(zip(sides, pair, strict=True))), dtype)


def _extremes(sizes: np.ndarray) -> list[np.intp]:
    """Numbers of the smallest and of the largest that is not zero; none if all are."""
    found = np.flatnonzero(sizes > 0)
    return [found[pick(sizes[found])] for pick in (np.argmin, np.argmax)] if len(found) else []


def _beyond(images: dict[int, tuple[Scaled, np.intp]], dtype: np.dtype) -> ValueError:
    which = " and ".join(
        f"x{side + 1}[{number}] (root mean square {x.lengths[number]:.1e})"
        for side, (x, number) in images.items()
    )
    remedy = "pass float64, or " if dtype == np.float32 else ""
    return ValueError(
        f"the kernel of {which} goes beyond {dtype}; {remedy}multiply all images by a number that "
        "makes such values about 1"
    )
