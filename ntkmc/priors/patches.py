"""A feature prior made of an image: random features of the surroundings of each pixel."""

import dataclasses
import math
import numbers

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from ntkmc._random import normal, uniform


@dataclasses.dataclass(frozen=True, eq=False)
class PatchPrior:
    r"""Random Fourier features of what surrounds each pixel, and of where it is.

    .. math:: Z_k(x) = \sqrt2 \cos\!\big(\omega_k \cdot z(x) + b_k\big), \qquad
              z(x) = \Big(\frac{p(x)}{c}, \frac{x}{\ell}\Big), \qquad
              \omega_k \sim N(0, I),\; b_k \sim U[0, 2\pi)

    whose second moments are, as the number of channels grows (Rahimi & Recht 2007),

    .. math:: C(x, x') = \exp\!\Big(-\frac12 \Big(\frac{|p(x) - p(x')|^2}{c^2}
              + \frac{|x - x'|^2}{\ell^2}\Big)\Big).

    The patch p(x) has the values around x *without its own*, which is missing where the network is
    to predict and must not be among the features that it is learned from. They are weighted by the
    binomial window of (q - 1) / 2 averages over 3 x 3 pixels, close to a Gaussian of q / 4.6
    pixels; the squared distance is the mean over channels. Beyond the edge the image is mirrored.

    It is the image's twin of the matrix-completion paper's priors for tables (PNAS 2022, section
    3): complete, embed by the completion, complete again.

    Attributes
    ----------
    image : (H, W) or (H, W, C), finite; usually a first completion.
    bandwidth : c, in the image's units.
    width : q, side of the patch, odd, at least 3.
    scale : l in pixels; infinite for features that do not know where they are.

    Raises
    ------
    ValueError : the image has a wrong shape or a value that is not finite; the bandwidth or the
        scale is not positive, the width is no odd number from 3 on.
    """

    image: np.ndarray
    bandwidth: float
    width: int = 7
    scale: float = math.inf

    def __post_init__(self):
        image = np.asarray(self.image)
        if image.ndim not in (2, 3) or not image.size or image.dtype.kind not in "fiu":
            raise ValueError(
                f"image was of shape {image.shape} and type {image.dtype}; pass real numbers "
                "(H, W) or (H, W, C)"
            )
        if not np.isfinite(image).all():
            raise ValueError("image has values that are not finite; pass a completed one")
        for name in ("bandwidth", "scale"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} was {getattr(self, name)}; pass a positive number")
        width = self.width
        if not isinstance(width, numbers.Integral) or width < 3 or width % 2 == 0:
            raise ValueError(f"width was {width!r}; pass an odd number of pixels, at least 3")

    def patches(self) -> Float[np.ndarray, "H W p"]:
        """Weighted values around each pixel, p = (q^2 - 1) C; their distance is that of patches.

        In float32, less their mean, which is no part of any distance.
        """
        planes = np.asarray(self.image, np.float64)
        planes = planes.reshape(*planes.shape[:2], -1)
        height, width, channels = planes.shape
        radius = self.width // 2
        planes = (planes - planes.mean(axis=(0, 1))) / math.sqrt(channels)
        around = [(radius, radius), (radius, radius), (0, 0)]
        padded = np.pad(planes.astype(np.float32), around, mode="reflect")
        taps = np.sqrt(binomial_window(self.width)).astype(np.float32)
        found = np.empty((height, width, (self.width**2 - 1) * channels), np.float32)
        offsets = [(i, j) for i in range(self.width) for j in range(self.width)]
        offsets.remove((radius, radius))
        for k, (i, j) in enumerate(offsets):
            part = padded[i : i + height, j : j + width]
            found[..., k * channels : (k + 1) * channels] = taps[i] * taps[j] * part
        return found

    def sample(self, key: Array, channels: int) -> Float[Array, "channels H W"]:
        """Features with finitely many channels, for networks of finite width and `GridKernel`."""
        patches = jnp.asarray(self.patches())
        height, width, count = patches.shape
        places = jnp.stack(jnp.meshgrid(jnp.arange(height), jnp.arange(width), indexing="ij"), -1)
        of_patches, of_places, of_phases = jax.random.split(key, 3)
        frequencies = normal(of_patches, (count, channels)) / self.bandwidth
        angles = jnp.matmul(patches, frequencies, precision=jax.lax.Precision.HIGHEST)
        frequencies = normal(of_places, (2, channels)) / self.scale
        angles += jnp.matmul(places, frequencies, precision=jax.lax.Precision.HIGHEST)
        phases = uniform(of_phases, (channels,), 0.0, 2 * math.pi)
        return jnp.moveaxis(math.sqrt(2) * jnp.cos(angles + phases), -1, 0)


def binomial_window(width: int) -> Float[np.ndarray, " width"]:
    """Weights of (width - 1) / 2 averages over three pixels, one after another; they sum to 1."""
    window = np.ones(1)
    for _ in range(width // 2):
        window = np.convolve(window, np.full(3, 1 / 3))
    return window
