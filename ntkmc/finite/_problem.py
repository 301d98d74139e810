"""What a training sees of an image, and what it is measured with."""

import hashlib
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np


class Problem(NamedTuple):
    """One image to complete; images are (H, W, C) and masks (H, W), True where they say.

    Attributes
    ----------
    features : (h, w, c), the feature prior.
    image : 0 where it is not observed.
    observed : bool mask.
    trained : those of the observed pixels that are not held out.
    truth : the whole image, or None.
    held_out : the others, or None.
    """

    features: jax.Array
    image: jax.Array
    observed: jax.Array
    trained: jax.Array
    truth: jax.Array | None
    held_out: jax.Array | None

    @classmethod
    def make(cls, features, image, mask, truth, held_out: float, seed: int) -> "Problem":
        """Check what `ntkmc.finite.train` is given, and draw the pixels that are held out."""
        image, mask = np.asarray(image), np.asarray(mask)
        _check(features, image, mask, truth, held_out)
        planes = image.reshape(*mask.shape, -1)
        kept = _draw(mask, held_out, seed)
        if not (mask & ~kept).any():
            raise ValueError(
                f"held_out was {held_out}, which leaves no pixel to train on; pass less"
            )
        if truth is not None:
            truth = jnp.asarray(np.asarray(truth).reshape(planes.shape), jnp.float32)
        return cls(
            jnp.asarray(features, jnp.float32),
            jnp.asarray(np.where(mask[..., None], planes, 0), jnp.float32),
            jnp.asarray(mask),
            jnp.asarray(mask & ~kept),
            truth,
            jnp.asarray(kept) if held_out else None,
        )

    @property
    def measures(self) -> tuple[str, ...]:
        """Names of what `measure` gives."""
        names = {"psnr": self.truth, "held_out_psnr": self.held_out}
        return tuple(name for name, against in names.items() if against is not None)

    def loss(self, output: jax.Array) -> jax.Array:
        """Mean squared error on the pixels that are trained on."""
        return _mean_square(output - self.image, self.trained)

    def complete(self, output: jax.Array) -> jax.Array:
        """Observed pixels where there are any, the output elsewhere."""
        return jnp.where(self.observed[..., None], self.image, output)

    def measure(self, output: jax.Array) -> dict[str, jax.Array]:
        """PSNR in dB, for values between 0 and 1, wherever there is something to compare with."""
        errors = {}
        if self.truth is not None:
            errors["psnr"] = jnp.mean((self.complete(output) - self.truth) ** 2)
        if self.held_out is not None:
            errors["held_out_psnr"] = _mean_square(output - self.image, self.held_out)
        return {name: -10 * jnp.log10(error) for name, error in errors.items()}


def identity(weights: Any, problem: Problem) -> dict[str, str]:
    """What a training starts from, as one checksum for each part."""

    def digest(tree):
        content = hashlib.sha256()
        for leaf in jax.tree.leaves(tree):
            content.update(repr(np.shape(leaf)).encode() + np.asarray(leaf).tobytes())
        return content.hexdigest()

    return {"module": digest(weights)} | {k: digest(v) for k, v in problem._asdict().items()}


def _check(features, image, mask, truth, held_out) -> None:
    if image.ndim not in (2, 3) or not np.issubdtype(image.dtype, np.floating):
        raise ValueError(
            f"image has shape {image.shape} and dtype {image.dtype}; "
            "pass (H, W) or (H, W, channels), floating"
        )
    size = image.shape[:2]
    if mask.shape != size or mask.dtype != bool:
        raise ValueError(
            f"mask has shape {mask.shape} and dtype {mask.dtype}; pass bool {size}, True where "
            "observed"
        )
    if not mask.any():
        raise ValueError("nothing is observed: the mask is False everywhere")
    if not np.isfinite(image[mask]).all():
        raise ValueError("observed pixels of the image are not finite: mask them out")
    room = np.shape(features)
    if len(room) != 3 or room[0] < size[0] or room[1] < size[1]:
        raise ValueError(
            f"features have shape {room}; pass (h, w, channels), h and w at least {size}"
        )
    if truth is not None and np.shape(truth) != image.shape:
        raise ValueError(
            f"truth has shape {np.shape(truth)}; pass that of the image, {image.shape}"
        )
    if not 0 <= held_out < 1:
        raise ValueError(f"held_out was {held_out}; pass a fraction, at least 0 and below 1")


def _draw(mask, fraction, seed) -> np.ndarray:
    """A fraction of the observed pixels, at least one unless it is 0."""
    kept = np.zeros(mask.size, bool)
    if fraction:
        observed = np.flatnonzero(mask)
        count = max(1, round(fraction * observed.size))
        kept[np.random.default_rng(seed).choice(observed, count, replace=False)] = True
    return kept.reshape(mask.shape)


def _mean_square(difference, mask):
    """Over the pixels of the mask and all channels."""
    total = jnp.sum(jnp.where(mask[..., None], difference, 0) ** 2)
    return total / (mask.sum() * difference.shape[-1])
