"""Biharmonic inpainting, the classical method that the paper compares with."""

import numpy as np
from jaxtyping import Bool, Float
from skimage.restoration import inpaint_biharmonic

from ntkmc.images import keep_observed


def biharmonic(
    image: Float[np.ndarray, "H W *C"], mask: Bool[np.ndarray, "H W"]
) -> Float[np.ndarray, "H W *C"]:
    """Fill the missing pixels with the solution of the biharmonic equation, channel by channel.

    Parameters
    ----------
    image : float array (H, W) or (H, W, C)
        Values at missing pixels are not read.
    mask : bool array (H, W)
        True where a pixel is observed.

    Returns
    -------
    float array of the shape of ``image``
        Observed pixels as they were; the others within the range of the observed ones, which
        scikit-image clips to.

    References
    ----------
    Damelin and Hoang, "On surface completion and image inpainting by biharmonic functions",
    International Journal of Mathematics and Mathematical Sciences (2018), as computed by
    ``skimage.restoration.inpaint_biharmonic``, whose masks have the opposite meaning.
    """
    if mask.dtype != bool or mask.shape != image.shape[:2]:
        raise ValueError(
            f"mask is {mask.dtype} {mask.shape}; pass a bool array of the image's {image.shape[:2]}"
        )
    hidden = keep_observed(image, mask)
    return inpaint_biharmonic(hidden, ~mask, channel_axis=-1 if image.ndim == 3 else None)
