"""Exact convolutional kernels on a torus of any size, from a table that does not grow with it."""

import dataclasses
import functools
import itertools
import math
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import scipy.linalg
from jaxtyping import Array, Float

from ntkmc import memory
from ntkmc.architecture import (
    Conv,
    Network,
    Upsample,
    check,
    require_images,
    weighted_branches,
)
from ntkmc.architecture.base import spelled
from ntkmc.architecture.layers import Shape
from ntkmc.kernels import _blocks, _pairs, _recursion
from ntkmc.kernels._table import Table, weighted_sum
from ntkmc.kernels.operator import Pixels, coordinates, dense_matrix
from ntkmc.priors import IIDPrior, IIDUniform

ROUNDING = 16  # units of it in the last place that entries of a table may be off by


class Kernels(NamedTuple):
    """The two kernels of one network."""

    nngp: "PeriodicKernel"
    ntk: "PeriodicKernel"


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class PeriodicKernel:
    r"""Kernel of an infinitely wide network between all pixels of a circularly padded image.

    A feature prior with independent, identically distributed entries makes the first kernel two
    numbers: the same pixel, :math:`C_1`, and different pixels, :math:`C_2`. Averaging over a
    filter,

    .. math:: (A K)(x, x') = \operatorname{mean}_a K(x + a, x' + a),

    and subsampling keep it so. Each upsampling by :math:`f` multiplies the number of phases by
    :math:`f` on either axis and widens the offsets :math:`d = x' - x` at which the kernel still
    varies: nearest, :math:`K'(f a + b, d) = K(a, \lfloor (b + d) / f \rfloor)`, from radius
    :math:`R` to :math:`f (R + 1) - 1`; bilinear (half-pixel convention) by two more positions.
    Beyond the radius it is one constant, or for bilinear upsampling a function of the two phases.
    With

    .. math:: \mathrm{NNGP} \leftarrow A\,\mathrm{NNGP},\; \mathrm{NTK} \leftarrow A\,\mathrm{NTK}
    + \mathrm{NNGP}
              \quad\text{and}\quad
              \mathrm{NNGP} \leftarrow \check\phi(\mathrm{NNGP}),\;
              \mathrm{NTK} \leftarrow \mathrm{NTK}\,\check\phi'(\mathrm{NNGP})

    at a convolution and at an activation this is the exact kernel at every resolution (the
    expansion theorem of the matrix-completion paper, SI appendix M, without its low-resolution
    kernel). It is a JAX pytree and a linear operator; the n x n matrix is never formed unless
    `dense` is asked for it.

    An image has any number of axes: one for signals, three for volumes or films. Filters and
    factors may differ by axis, and with them phases and radii.

    Attributes
    ----------
    table : (rows of each axis), kernel between the pairs of positions that can be told apart along
        each axis.
    folded : (2^axes, h, w) matrices of the near part, see `matvec`.
    far : (q, r) L of the values L L' for pixels that never met, by their phases along all axes; q =
        r = 1 without bilinear upsampling.
    shape : sides of the torus, (H, W) of a picture.
    pairs : of each axis.
    """

    table: Float[Array, "..."]
    folded: Float[Array, "sectors phases window"]
    far: Float[Array, "far_phases rank"]
    shape: Shape = dataclasses.field(metadata={"static": True})
    pairs: _recursion.Axes = dataclasses.field(metadata={"static": True})

    @classmethod
    def build(
        cls,
        network: Network,
        shape: Shape,
        prior: IIDPrior = IIDUniform(0.0, 0.1),
        kind: str = "ntk",
        dtype="float32",
    ) -> "PeriodicKernel":
        """Build the kernel of a network.

        Parameters
        ----------
        network : `Sequential` of circular convolutions, activations, subsamplings, upsamplings;
            or `Parallel` ones.
        shape : sides of the torus, (H, W) of a picture; see `padded_shape` for the smallest one
            that holds an image.
        prior : feature prior with independent entries (`same` is C1, `different` is C2).
        kind : "ntk" or "nngp".
        dtype : "float32" or "float64".

        Raises
        ------
        ArchitectureError : the network does not fit the shape.
        ValueError : this kernel does not cover a layer, the shape, the kind or the dtype, or the
            prior is so small or large that the kernel would lose digits.
        NotEnoughMemoryError : predicted before anything is allocated.
        """
        if kind not in Kernels._fields:
            raise ValueError(f"kind was {kind!r}; expected 'ntk' or 'nngp' (build_both for both)")
        return _build(network, shape, prior, [kind], dtype)[0]

    @classmethod
    def build_both(
        cls,
        network: Network,
        shape: Shape,
        prior: IIDPrior = IIDUniform(0.0, 0.1),
        dtype="float32",
    ) -> Kernels:
        """NNGP and NTK from one recursion; arguments and errors are those of `build`."""
        return Kernels(*_build(network, shape, prior, Kernels._fields, dtype))

    @classmethod
    def of_table(cls, table: Table, shape: Shape) -> "PeriodicKernel":
        """The kernel that a table holds the values of, on a torus that it fits."""
        folded, far = _operator(table.values, table.pairs)
        return cls(table.values, folded, _root(far), tuple(shape), table.pairs)

    @property
    def dtype(self) -> np.dtype:
        """Precision of the kernel."""
        return self.table.dtype

    @property
    def memory_bytes(self) -> int:
        """Bytes the kernel occupies; does not grow with the image."""
        return self.table.nbytes + self.folded.nbytes + self.far.nbytes

    def matvec(self, images: Float[Array, "..."]) -> Float[Array, "..."]:
        """Apply the kernel matrix to one image, of the shape of the torus, or a stack of them.

        The near part, one matrix product over blocks, is computed in the kernel's dtype; the far
        part, a sum over the whole image, in the images' own, so that float64 images are
        accumulated in float64.
        """
        axes = len(self.shape)
        if images.shape[-axes:] != self.shape:
            count = "two" if axes == 2 else axes
            raise ValueError(
                f"images have shape {images.shape}; the last {count} sides must be {self.shape}"
            )
        stack = images.reshape(-1, *self.shape)
        near = _blocks.near_matvec(self.folded, stack, self.pairs)
        return _add_far(near, self.far, images, tuple(each.far_period for each in self.pairs))

    def entries(self, pixels_a: Pixels, pixels_b: Pixels) -> Float[Array, "..."]:
        """Kernel between pixels, an array an axis, broadcast together, modulo the torus."""
        pixels_a = coordinates(pixels_a, "pixels_a", len(self.shape))
        pixels_b = coordinates(pixels_b, "pixels_b", len(self.shape))
        return _entries(self.table, self.pairs, self.shape, pixels_a, pixels_b)

    @property
    def diagonal(self) -> Float[Array, "..."]:
        """K(x, x) of every pixel."""
        pixels = np.ix_(*map(np.arange, self.shape))
        return self.entries(pixels, pixels)

    @property
    def common(self) -> float:
        r"""The largest c for which :math:`K - c\, 1 1^T` is known to be positive semidefinite.

        The kernel is stationary up to the phases, and its values F of pixels that never met are the
        part of its spectrum at frequency zero that does not spread: what is left without them is
        positive semidefinite, and so is :math:`F - c\, 1 1^T` up to
        :math:`c = 1 / (1^T F^{-1} 1)`; for nearest upsampling, where F is one number, F itself.
        """
        far = np.asarray(self.far, np.float64)
        far = far @ far.T
        rounding = np.finfo(self.dtype).eps * np.abs(far).max() * len(far)
        if not rounding:
            return 0.0
        spread = np.linalg.solve(far + rounding * np.eye(len(far)), np.ones(len(far)))
        return float(max(1 / spread.sum() - rounding, 0.0))

    def row(self, pixel: tuple[int, ...]) -> Float[Array, "..."]:
        """K(pixel, x) for every pixel x: a heat map."""
        everywhere = np.ix_(*map(np.arange, self.shape))
        return self.entries(coordinates(pixel, "pixel", len(self.shape)), everywhere)

    def dense(self, pixels_a: Pixels, pixels_b: Pixels) -> Float[Array, "a b"]:
        """Kernel matrix between two lists of pixels, each an array of one dimension an axis.

        Raises
        ------
        NotEnoughMemoryError : the matrix would not fit.
        """
        return dense_matrix(self, pixels_a, pixels_b)

    def on(self, shape: Shape) -> "PeriodicKernel":
        """The same network's kernel on another torus: the table is shared, nothing is computed.

        Raises
        ------
        ValueError : the sides are no multiples of the period, or too short.
        """
        for side, pairs in zip(shape, self.pairs, strict=True):
            if side % pairs.period or side < pairs.side:
                raise ValueError(
                    f"shape was {shape}; sides must be multiples of {self._spelled('period')}, "
                    f"at least {self._spelled('side')}"
                )
        return dataclasses.replace(self, shape=tuple(shape))

    def _spelled(self, field):
        """A number of the pairs, of each axis where they differ."""
        each = [getattr(pairs, field) for pairs in self.pairs]
        return str(each[0]) if len(set(each)) == 1 else spelled(tuple(each))


def _build(network, shape, prior, kinds, dtype):
    dtype = checked_dtype(dtype)
    axes = len(shape)
    pairs = _walk(network, axes)
    check(network, shape, image_to_image=True, axes=axes)
    if tuple(shape) != padded_shape(network, shape):
        raise ValueError(
            f"shape was {tuple(shape)}; on so small a torus pixels meet around the edge: "
            f"pass {padded_shape(network, shape)}, which padded_shape(network, shape) tells"
        )
    memory.require(
        predicted_bytes(network, dtype, axes),
        f"the kernel of this network (a {spelled(tuple(each.rows for each in pairs))} table)",
        "use fewer levels, nearest upsampling or float32",
    )
    weights, branches = zip(*weighted_branches(network), strict=True)
    tables = (Table.build(branch, prior, kinds, dtype, axes) for branch in branches)
    return [
        PeriodicKernel.of_table(weighted_sum(of_kind, weights), shape)
        for of_kind in zip(*tables, strict=True)
    ]


def checked_dtype(dtype) -> np.dtype:
    """A precision that kernels have and JAX, as it is configured, computes in."""
    dtype = np.dtype(dtype)
    if dtype not in (np.float32, np.float64):
        raise ValueError(f"dtype was {dtype}; expected 'float32' or 'float64'")
    if dtype == np.float64 and jax.dtypes.canonicalize_dtype(dtype) != dtype:
        raise ValueError(
            "dtype was float64 but JAX runs in 32 bits: "
            "call jax.config.update('jax_enable_x64', True) first"
        )
    return dtype


def _walk(network, axes: int) -> _recursion.Axes:
    """Pairs of the whole network, of each axis; refuses what this kernel does not cover."""
    require_images(network, "PeriodicKernel")
    return tuple(_walk_along(network.along(axis)) for axis in range(axes))


def _walk_along(network):
    return _pairs.joined([_walk_branch(branch) for _, branch in weighted_branches(network)])


def _walk_branch(network) -> _pairs.Pairs:
    pairs = _pairs.Pairs()
    for position, layer in enumerate(network):
        reason = None
        if isinstance(layer, Conv) and layer.padding != "circular":
            reason = "its padding is not circular"
        elif isinstance(layer, Upsample) and layer.method == "bilinear_align_corners":
            reason = "it does not commute with shifts"
        elif layer.reduction != 1 and pairs.period > 1:
            reason = "it subsamples after an upsampling"
        if reason:
            raise ValueError(
                f"layer {position} ({layer!r}) has no periodic kernel: {reason}; "
                "GridKernel covers it"
            )
        if isinstance(layer, Upsample):
            pairs = _pairs.after(layer, pairs)
    return pairs


def covers(network: Network, axes: int = 2) -> bool:
    """Whether a network has a periodic kernel; if not, `GridKernel` may be what it needs."""
    try:
        _walk(network, axes)
    except ValueError:
        return False
    return True


def padded_shape(network: Network, shape: Shape) -> Shape:
    """The smallest torus for this network that holds an image of `shape`."""
    sides = []
    for axis, (side, pairs) in enumerate(zip(shape, _walk(network, len(shape)), strict=True)):
        multiple = math.lcm(network.along(axis).side_multiple, pairs.period)
        sides.append(-(-max(side, pairs.side) // multiple) * multiple)
    return tuple(sides)


def predicted_bytes(network: Network, dtype="float32", axes: int = 2) -> int:
    """Bytes that building the kernel needs at its largest moment: five tables, then the folds."""
    pairs = _walk(network, axes)
    rows = math.prod(each.rows for each in pairs)
    return int(np.dtype(dtype).itemsize * (5 * rows + math.prod(_blocks.folded_shape(pairs))))


@functools.partial(jax.jit, static_argnames="periods")
def _add_far(near, far, images, periods):
    """The near part of a product with images (..., *sides), and the far part."""
    n, *sides = near.shape
    counts = [side // period for side, period in zip(sides, periods, strict=True)]
    blocks = images.reshape(n, *itertools.chain(*zip(counts, periods, strict=True)))
    sums = blocks.sum(axis=tuple(range(1, blocks.ndim, 2))).reshape(n, -1)
    # A GPU's default would be ten bits of the numbers.
    product = functools.partial(jnp.matmul, precision=jax.lax.Precision.HIGHEST)
    far = far.astype(images.dtype)
    spread = product(product(sums, far), far.T)
    spread = jnp.tile(spread.reshape(n, *periods), (1, *counts))
    return (near.astype(images.dtype) + spread).reshape(images.shape)


@functools.partial(jax.jit, static_argnames=("pairs", "shape"))
def _entries(table, pairs, shape, pixels_a, pixels_b):
    index = []
    for its, a, b, side in zip(pairs, pixels_a, pixels_b, shape, strict=True):
        d = (jnp.asarray(b) - a + side // 2) % side - side // 2
        index.append(its.row(jnp.asarray(a), d, jnp))
    return table[tuple(index)]


@functools.partial(jax.jit, static_argnames="pairs")
def _operator(table, pairs):
    """What `matvec` needs: the near part folded, and the far values by phase."""
    near_far, far_rows = zip(*map(_far_rows, pairs), strict=True)
    near = table[tuple(slice(each.near) for each in pairs)] - _recursion.at(table, near_far)
    periods = [each.far_period for each in pairs]
    far = _recursion.at(table, far_rows).reshape(*np.repeat(periods, 2))
    order = (*range(0, 2 * table.ndim, 2), *range(1, 2 * table.ndim, 2))
    far = far.transpose(order).reshape(math.prod(periods), -1)
    return _blocks.fold_table(near, pairs), far


def _root(far):
    """L of L L', without what is rounding of the kernel's dtype.

    Each entry stands for n / q pixels: rounding, were it left there, would make the kernel of
    millions of them indefinite by far more than any ridge.
    """
    values = np.asarray(far, np.float64)
    tolerance = ROUNDING * np.finfo(far.dtype).eps * np.abs(values).max()
    factor, pivots, rank, _ = scipy.linalg.lapack.dpstrf(
        (values + values.T) / 2, tolerance, lower=1
    )
    root = np.empty((len(values), max(rank, 1)), far.dtype)
    root[pivots - 1] = np.tril(factor)[:, : root.shape[1]]
    return jnp.asarray(root)


def _far_rows(pairs):
    """Of one axis: the far row of each near one, and that of each pair of phases."""
    x, d = pairs.members()
    phases = np.arange(pairs.far_period)
    return (
        pairs.far_row(x[: pairs.near], d[: pairs.near]),
        pairs.far_row(phases[:, None], phases[None, :] - phases[:, None]).ravel(),
    )
