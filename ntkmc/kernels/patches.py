"""Kernel of a network on features of patches, between all pixels of an image."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from ntkmc import memory
from ntkmc.architecture import Relu
from ntkmc.architecture.base import spelled
from ntkmc.architecture.layers import Shape
from ntkmc.kernels.dense_ntk import KINDS, kernel_of_gap
from ntkmc.kernels.operator import Pixels, coordinates, dense_matrix
from ntkmc.priors.patches import PatchPrior

BLOCK_BYTES = 2**26  # of the kernel between a block of pixels and all others, in a product


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class PatchKernel:
    r"""Kernel of `pointwise(depth)`, the network of 1 x 1 convolutions, on a `PatchPrior`.

    Its first kernel is the prior's Gaussian of the distance :math:`D` of patches and positions.
    Convolutions of one tap leave pixels alone, so that it stays a function of that distance,

    .. math:: K(x, x') = \kappa_d\big(e^{-D(x, x') / 2}\big), \qquad D(x, x') =
              \frac{|p(x) - p(x')|^2}{c^2} + \frac{|x - x'|^2}{\ell^2},

    with :math:`\kappa_d` the arc-cosine recursion of `dense_ntk`: the feature prior of the image
    itself (matrix-completion paper, Eq. 4), exact for infinitely many features and channels.

    Attributes
    ----------
    patches : (H, W, p), as `PatchPrior.patches` has them.
    bandwidth, scale : c and l.
    depth : d, number of activations (ReLU).
    kind : "ntk", whose diagonal is d + 1, or "nngp", whose diagonal is 1.
    """

    patches: Float[Array, "H W p"]
    bandwidth: Float[Array, ""]
    scale: Float[Array, ""]
    depth: int = dataclasses.field(metadata={"static": True})
    kind: str = dataclasses.field(metadata={"static": True}, default="ntk")

    @classmethod
    def build(cls, prior: PatchPrior, depth: int = 1, kind: str = "ntk") -> "PatchKernel":
        """Gather the patches of an image, in float32.

        Raises
        ------
        ValueError : depth is no whole number, or the kind is unknown.
        NotEnoughMemoryError : for the patches of all pixels, before they are gathered.
        """
        if not isinstance(depth, int) or isinstance(depth, bool) or depth < 0:
            raise ValueError(f"depth was {depth!r}; pass a whole number of layers, at least 0")
        if kind not in KINDS:
            raise ValueError(f"kind was {kind!r}; pass 'ntk' or 'nngp'")
        memory.require(
            predicted_bytes(np.shape(prior.image), prior.width),
            f"patches of {prior.width} x {prior.width} pixels of an image of "
            f"{spelled(np.shape(prior.image))}",
            "use a smaller width, or parts of the image one after another",
        )
        bandwidth, scale = (jnp.float32(side) for side in (prior.bandwidth, prior.scale))
        return cls(jnp.asarray(prior.patches()), bandwidth, scale, depth, kind)

    @property
    def shape(self) -> Shape:
        """Sides of the image."""
        height, width, _ = self.patches.shape
        return height, width

    @property
    def dtype(self) -> np.dtype:
        """Precision of the kernel."""
        return self.patches.dtype

    @property
    def memory_bytes(self) -> int:
        """Bytes the patches occupy."""
        return self.patches.nbytes

    @property
    def diagonal(self) -> Float[Array, "H W"]:
        """K(x, x), the same for all pixels."""
        return jnp.full(self.shape, self.of_distance(jnp.zeros((), self.dtype)))

    def of_distance(self, square: Float[Array, "..."]) -> Float[Array, "..."]:
        """The kernel at squared distances D."""
        gap = -jnp.expm1(-square / 2)
        return kernel_of_gap(gap, 2 - gap, self.depth, Relu(), self.kind)

    def entries(self, pixels_a: Pixels, pixels_b: Pixels) -> Float[Array, "..."]:
        """Kernel between pixels (rows, columns), broadcast against each other."""
        pixels_a = coordinates(pixels_a, "pixels_a")
        pixels_b = coordinates(pixels_b, "pixels_b")
        return _entries(self, *pixels_a, *pixels_b)

    def within(self, points) -> Float[Array, "t s s"]:
        """Kernel between all pairs within each of t sets of s pixels, (t, s, 2)."""
        patches, places = self._distances_within(points)
        return self.of_distance(patches / self.bandwidth**2 + places / self.scale**2)

    def _distances_within(self, points):
        return distances_within(self.patches, points)

    def dense(self, pixels_a: Pixels, pixels_b: Pixels) -> Float[Array, "a b"]:
        """Kernel matrix between two lists of pixels.

        Raises
        ------
        NotEnoughMemoryError : the matrix would not fit.
        """
        return dense_matrix(self, pixels_a, pixels_b)

    def matvec(self, images: Float[Array, "... H W"]) -> Float[Array, "... H W"]:
        """Apply the kernel matrix to images, made block by block: n^2 p operations."""
        if images.shape[-2:] != self.shape:
            raise ValueError(
                f"images have shape {images.shape}; the last two sides must be {self.shape}"
            )
        return _matvec(self, images.reshape(-1, images.shape[-2] * images.shape[-1])).reshape(
            images.shape
        )


def predicted_bytes(shape: tuple[int, ...], width: int) -> int:
    """Bytes of the patches of an image (H, W) or (H, W, C), while they are gathered and moved."""
    return 2 * 4 * (width**2 - 1) * int(np.prod(shape))


def distances_within(patches, points):
    """Squared distances of patches, and of positions, between all pairs of each set of pixels."""
    rows, columns = points[..., 0], points[..., 1]
    # From the last of a set, its target: the near ones keep their digits.
    found = patches[rows, columns]
    found = found - found[:, -1:]
    product = jax.lax.platform_dependent(found, cpu=_one_by_one, default=_together)
    square = jnp.einsum("tii->ti", product)
    apart = jnp.maximum(square[:, :, None] + square[:, None, :] - 2 * product, 0)
    apart = jnp.where(jnp.eye(apart.shape[-1], dtype=bool), 0, apart)
    down, across = (side[:, :, None] - side[:, None, :] for side in (rows, columns))
    return apart, (down**2 + across**2).astype(apart.dtype)


def _together(found):
    return jnp.einsum("tip,tjp->tij", found, found, precision=jax.lax.Precision.HIGHEST)


def _one_by_one(found):
    """The same; of many small products XLA makes a slow one on a CPU, 1.8 times as slow."""
    return jax.lax.map(lambda one: _together(one[None])[0], found)


@jax.jit
def _entries(kernel, rows_a, columns_a, rows_b, columns_b):
    apart = kernel.patches[rows_a, columns_a] - kernel.patches[rows_b, columns_b]
    square = jnp.sum(apart**2, axis=-1) / kernel.bandwidth**2
    places = (jnp.asarray(rows_a) - rows_b) ** 2 + (jnp.asarray(columns_a) - columns_b) ** 2
    return kernel.of_distance(square + places.astype(square.dtype) / kernel.scale**2)


@jax.jit
def _matvec(kernel, vectors):
    height, width = kernel.shape
    n = height * width
    size = max(1, min(n, BLOCK_BYTES // (4 * n)))
    rows, columns = np.divmod(np.arange(n), width)
    flat = kernel.patches.reshape(n, -1)
    half = jnp.sum(flat**2, axis=1)

    def block(start):
        here = jax.lax.dynamic_slice(flat, (start, 0), (size, flat.shape[1]))
        at = start + jnp.arange(size)
        product = jnp.matmul(here, flat.T, precision=jax.lax.Precision.HIGHEST)
        square = jnp.maximum(half[at][:, None] + half - 2 * product, 0)
        down = at[:, None] // width - rows
        across = at[:, None] % width - columns
        places = (down**2 + across**2).astype(square.dtype)
        square = jnp.where(places == 0, 0, square)
        entries = kernel.of_distance(square / kernel.bandwidth**2 + places / kernel.scale**2)
        entries = entries.T.astype(vectors.dtype)
        return jnp.matmul(vectors, entries, precision=jax.lax.Precision.HIGHEST)

    starts = np.minimum(np.arange(0, n, size), n - size)
    parts = jax.lax.map(block, jnp.asarray(starts))  # (blocks, k, size); the last reaches back
    found = jnp.zeros_like(vectors)

    def place(found, one):
        start, part = one
        return jax.lax.dynamic_update_slice(found, part, (0, start)), None

    return jax.lax.scan(place, found, (jnp.asarray(starts), parts))[0]
