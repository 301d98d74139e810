"""Exact convolutional kernels between all pixels of an image, for any feature prior."""

import dataclasses
import functools
import hashlib
import math
import os

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from ntkmc import memory
from ntkmc.architecture import Network, check, require_images, weighted_branches
from ntkmc.architecture.layers import Shape
from ntkmc.kernels import _axes, _files, _grid_recursion, _range
from ntkmc.kernels.operator import Pixels, coordinates, dense_matrix
from ntkmc.kernels.periodic import Kernels, checked_dtype
from ntkmc.priors import IIDPrior
from ntkmc.progress import Progress

MATVEC_BYTES = 2**24  # of a block of the matrix in the images' precision


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class GridKernel:
    r"""Kernel of an infinitely wide network between all pixels of an image, as one matrix.

    The network is fed a feature prior :math:`Z` of :math:`c` channels, whose covariance is

    .. math:: C(x, x') = \frac1c \sum_{\ell=1}^c Z_\ell(x)\, Z_\ell(x'),

    a mean over channels as for `PeriodicKernel` (the paper's appendices J and M sum, which scales
    the kernel by :math:`c`, and predictions not at all). From NNGP = C and NTK = 0, a convolution
    with filters of :math:`q \times q` averages over the same tap on both sides,

    .. math:: (A K)(x, x') = \frac{1}{q^2} \sum_a K(x + a, x' + a),\qquad
              \mathrm{NNGP} \leftarrow A\,\mathrm{NNGP},\;
              \mathrm{NTK} \leftarrow A\,\mathrm{NTK} + \mathrm{NNGP},

    where :math:`x + a` beyond the edge is what the padding puts there (with zeros, K is zero and
    still counts in :math:`q^2`), an activation is its dual, and resampling by :math:`L` is
    :math:`L K L^T` (appendix L). Nothing has to be stationary: it takes any prior, padding and
    interpolation that the layers can describe, for n^2 entries where `PeriodicKernel` needs few.

    A pixel whose receptive field holds zeros only has a row of zeros; to solve with it observed
    takes a ridge.

    Attributes
    ----------
    matrix : (n, n), n = H W pixels in row-major order.
    shape : (H, W) of the network's output.
    network, prior, kind : what it is the kernel of; `prior` as `identify` writes it.
    """

    matrix: Float[Array, "pixels pixels"]
    shape: Shape = dataclasses.field(metadata={"static": True})
    network: Network = dataclasses.field(metadata={"static": True})
    prior: str = dataclasses.field(metadata={"static": True})
    kind: str = dataclasses.field(metadata={"static": True})

    @classmethod
    def build(
        cls,
        network: Network,
        prior,
        kind: str = "ntk",
        dtype="float32",
        *,
        shape: Shape | None = None,
        progress: Progress | None = None,
    ) -> "GridKernel":
        """Build the kernel of a network.

        Parameters
        ----------
        network : any `Sequential` or `Parallel` whose input is as large as the prior.
        prior : (channels, H, W) features; or a prior with independent entries, which stands for
            infinitely many channels of it.
        kind : "ntk" or "nngp".
        dtype : "float32" or "float64".
        shape : (H, W) of the input; for a prior with independent entries only.
        progress : called with ("kernel", pairs of pixels done, pairs in all).

        Raises
        ------
        ArchitectureError : the network does not fit the size of the prior.
        ValueError : the prior is no such array, zero everywhere, or so small or large that the
            kernel would lose digits; a wrong shape, kind or dtype.
        NotEnoughMemoryError : predicted before anything is allocated.
        """
        if kind not in Kernels._fields:
            raise ValueError(f"kind was {kind!r}; expected 'ntk' or 'nngp'")
        dtype = checked_dtype(dtype)
        features, size = _checked_prior(prior, shape)
        _range.require_prior(_largest_moment(features), dtype)
        shape = check(network, size)[-1]
        memory.require(
            predicted_bytes(network, size, kind, dtype),
            f"the {kind} of {size[0]} x {size[1]} pixels ({shape[0] * shape[1]} squared entries)",
            "use a smaller image or float32; or PeriodicKernel, whose table does not grow with the "
            "image, for a circular network and independent features",
        )
        matrix = jnp.zeros((), dtype)
        for weight, branch in weighted_branches(network):
            start = _with_outside(features, size, _axes.has_outside(branch))
            part = _grid_recursion.propagate(_steps(branch, size), start, kind, dtype, progress)
            matrix = _add(part, weight, matrix)
        return cls(matrix, shape, network, identify(prior), kind)

    @property
    def dtype(self) -> np.dtype:
        """Precision of the kernel."""
        return self.matrix.dtype

    @property
    def memory_bytes(self) -> int:
        """Bytes the kernel occupies."""
        return self.matrix.nbytes

    @property
    def diagonal(self) -> Float[Array, "H W"]:
        """K(x, x) of every pixel."""
        return jnp.diagonal(self.matrix).reshape(self.shape)

    def matvec(self, images: Float[Array, "... H W"]) -> Float[Array, "... H W"]:
        """Apply the kernel matrix to one image or a stack of them, in the images' precision."""
        if images.shape[-2:] != self.shape:
            raise ValueError(
                f"images have shape {images.shape}; the last two sides must be {self.shape}"
            )
        stack = images.reshape(-1, self.matrix.shape[1]).T
        return _multiply(self.matrix, stack).T.reshape(images.shape)

    def entries(self, pixels_a: Pixels, pixels_b: Pixels) -> Float[Array, "..."]:
        """Kernel between pixels (rows, columns), broadcast against each other."""
        rows, columns = self._place(pixels_a, "pixels_a"), self._place(pixels_b, "pixels_b")
        return _entries(self.matrix, rows, columns)

    def _place(self, pixels, name):
        rows, columns = (
            side if isinstance(side, jax.Array) else np.asarray(side)
            for side in coordinates(pixels, name)
        )
        return rows * self.shape[1] + columns

    def row(self, pixel: tuple[int, int]) -> Float[Array, "H W"]:
        """K(pixel, x) for every pixel x: a heat map."""
        return self.matrix[self._place(pixel, "pixel")].reshape(self.shape)

    def dense(self, pixels_a: Pixels, pixels_b: Pixels) -> Float[Array, "a b"]:
        """Kernel matrix between two lists of pixels, each (rows, columns) of one dimension.

        Raises
        ------
        NotEnoughMemoryError : the matrix would not fit.
        """
        return dense_matrix(self, pixels_a, pixels_b)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the kernel, and what it is the kernel of, to one file."""
        made_by = _made_by(self.network, self.prior, self.kind, self.shape)
        _files.write(path, {"matrix": self.matrix}, made_by)

    @classmethod
    def load(
        cls,
        path: str | os.PathLike[str],
        network: Network,
        prior,
        kind: str = "ntk",
        *,
        shape: Shape | None = None,
    ) -> "GridKernel":
        """Read a kernel that `save` wrote; the other arguments are those it was built with.

        Raises
        ------
        ValueError : it is the kernel of something else (says of what), or no such file.
        NotEnoughMemoryError : predicted before anything is allocated.
        """
        _, size = _checked_prior(prior, shape)
        shape = check(network, size)[-1]
        arrays = _files.read(path, _made_by(network, identify(prior), kind, shape))
        return cls(jnp.asarray(arrays["matrix"]), shape, network, identify(prior), kind)


def identify(prior) -> str:
    """A prior in one line: its spelling, or a hash of the features' shape and values."""
    if isinstance(prior, IIDPrior):
        return repr(prior)
    features = np.ascontiguousarray(prior, np.float64)
    digest = hashlib.sha256(features.tobytes()).hexdigest()[:16]
    return f"features of shape {features.shape}, sha256 {digest}"


def predicted_bytes(network: Network, shape: Shape, kind: str = "ntk", dtype="float32") -> int:
    """Bytes that building the kernel of an input of `shape` needs at its largest moment."""
    itemsize = np.dtype(dtype).itemsize
    branches = [branch for _, branch in weighted_branches(network)]
    alone = [
        _grid_recursion.predicted_bytes(_steps(branch, shape), kind, itemsize)
        for branch in branches
    ]
    # Each branch is made beside the sum of those before it.
    total = itemsize * math.prod(check(branches[0], shape)[-1]) ** 2
    return max(alone[0], *(total + part for part in alone[1:]), 0)


def _steps(network, shape):
    """Steps of the recursion, the last of them for pixels inside of the image only."""
    require_images(network, "GridKernel")
    *steps, last = _axes.steps(network, shape)
    outside = _axes.has_outside(network)
    inside = [axis.select(np.arange(axis.new - outside)) for axis in last.axes]
    return [*steps, dataclasses.replace(last, axes=(inside[0], inside[1]))]


def _made_by(network, prior, kind, shape):
    return {"network": network, "prior": prior, "kind": kind, "shape": list(shape)}


def _checked_prior(prior, shape):
    """The features in float64, or the prior itself; and the size of the input."""
    if isinstance(prior, IIDPrior):
        if shape is None:
            raise ValueError(f"shape was None; pass (H, W), which {prior!r} does not tell")
        return prior, (shape[0], shape[1])
    features = np.asarray(prior)
    if features.ndim != 3 or 0 in features.shape or features.dtype.kind not in "fiu":
        raise ValueError(
            f"prior was an array of shape {features.shape} and type {features.dtype}; "
            "pass (channels, H, W) numbers, or a prior with independent entries"
        )
    features = features.astype(np.float64)
    if not np.isfinite(features).all():
        channel, row, column = np.argwhere(~np.isfinite(features))[0]
        raise ValueError(f"prior[{channel}, {row}, {column}] is not finite")
    if not features.any():
        raise ValueError("prior is zero everywhere, and so would be the kernel")
    size = features.shape[1:]
    if shape is not None and tuple(shape) != size:
        raise ValueError(f"shape was {tuple(shape)}, and the prior has {size}; leave shape out")
    return features, size


def _largest_moment(features):
    if isinstance(features, IIDPrior):
        return features.same
    largest = abs(features).max()  # of a pixel; squared it may be too large for any type
    with np.errstate(over="ignore", under="ignore"):
        return np.square(largest) * np.square(features / largest).mean(axis=0).max()


def _with_outside(features, size, outside):
    """What `_grid_recursion.covariance` takes."""
    margin = ((0, int(outside)), (0, int(outside)))
    if isinstance(features, IIDPrior):
        return features.same, features.different, np.pad(np.ones(size), margin)
    return np.pad(features, ((0, 0), *margin))


@functools.partial(jax.jit, donate_argnums=0)
def _add(part, weight, total):
    return jnp.asarray(weight, part.dtype) * part + total


@jax.jit
def _entries(matrix, rows, columns):
    return matrix[rows, columns]


@jax.jit
def _multiply(matrix, columns):
    if matrix.dtype == columns.dtype:
        return jnp.matmul(matrix, columns, precision=jax.lax.Precision.HIGHEST)
    # A block of rows at a time: a wider matrix need not fit.
    wide = jnp.result_type(matrix, columns)
    rows = max(1, MATVEC_BYTES // (len(matrix) * wide.itemsize))
    return jax.lax.map(
        lambda row: jnp.matmul(row.astype(wide), columns.astype(wide)), matrix, batch_size=rows
    ).astype(columns.dtype)
