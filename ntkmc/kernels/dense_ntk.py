"""The kernel of matrix completion with a fully connected network, in closed form."""

import functools
import numbers

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from ntkmc import memory
from ntkmc._compat import enable_x64
from ntkmc.architecture import Layer, Relu, from_dict
from ntkmc.kernels.duals import HOMOGENEOUS, apply_dual

KINDS = ("ntk", "nngp")

TILE = 1024  # side of the blocks; one fits into a processor's cache
_BLOCK = 128
# Elementwise programs are compiled for these sizes only, so that many small kernels cost nothing.
_SIZES = (2**10, 2**15, TILE**2)
# Below this share of |u|^2 + |u'|^2 the squared distance |u - u'|^2 has lost so many digits when it
# comes from the product u.u' (half of which the kernel's slope loses again) that it is taken from
# the difference of the columns instead.
_NEAR = 2.0**-14


def dense_ntk(
    Z1: Float[Array | np.ndarray, "p n1"],
    Z2: Float[Array | np.ndarray, "p n2"] | None = None,
    *,
    depth: int = 1,
    activation: Layer | str | dict = Relu(),
    kind: str = "ntk",
) -> Float[Array | np.ndarray, "n1 n2"]:
    r"""Kernel between columns of feature priors, for completing the rows of a matrix.

    A fully connected network with `depth` hidden layers and a homogeneous activation maps column
    :math:`z_j` of the prior to column j of the matrix Y. Its tangent kernel between the entries of
    Y is zero between different rows, and within each row (SI appendix B, theorem 1)

    .. math:: K(M_{ij}, M_{ij'}) = |z_j| |z_{j'}|\, \kappa_d\!\Big(
              \frac{z_j \cdot z_{j'}}{|z_j| |z_{j'}|}\Big), \qquad
              \kappa_h(\xi) = \check\phi^{(h)}(\xi)
              + \kappa_{h-1}(\xi)\, \check\phi'\big(\check\phi^{(h-1)}(\xi)\big),

    with :math:`\check\phi^{(0)}(\xi) = \kappa_0(\xi) = \xi`, and :math:`\check\phi` the dual of the
    activation, which is normalised so that :math:`\check\phi(1) = 1`. So the diagonal is
    :math:`(d + 1) |z_j|^2`. The network's inputs are not divided by :math:`\sqrt p`, as they are in
    neural-tangents, whose kernel this is p times.

    Correlations near one and minus one lose no digits: :math:`1 - \xi = |u - u'|^2 / 2` of unit
    columns is carried through the layers (`apply_dual`), from the difference of the columns where
    they are nearly equal and from their sum where they are nearly opposite.

    Parameters
    ----------
    Z1 : one column for each column of Y, of any norm (zero too: its kernel is zero).
        NumPy arrays (or lists) are computed with in float64 on the host, block by block, whatever
        JAX's setting is. JAX arrays are computed with on their device and in their own precision,
        also under `jax.jit`. The angle between two columns is known there from their product:
        below :math:`(8 \epsilon \sqrt p)^{1/2}` (2e-3 for 20 features in float32) they count as
        equal or opposite, and the kernel is off by up to d / 2 pi times that of its diagonal, 3e-4
        of it at depth 1 and 7e-3 at depth 20. Norms are not checked, and the derivative with
        respect to a column of zeros, which has none, counts as that of its norm, zero.
    Z2 : the columns on the other side; those of `Z1` where not given (the result is then exactly
        symmetric).
    depth : number d of hidden layers; 0 is linear regression.
    activation : `Relu`, `LeakyRelu` or `Identity`, or the spelling of one, such as "relu" or
        {"leaky_relu": {"negative_slope": 0.1}}.
    kind : "ntk", or "nngp" for :math:`|z_j| |z_{j'}| \check\phi^{(d)}`.

    Raises
    ------
    ValueError : a prior is no finite matrix of real numbers, the two have columns of different
        lengths, or of norms whose product float64 cannot hold, depth is no whole number, kind is
        unknown, or the activation is not homogeneous.
    NotEnoughMemoryError : before allocating the n1 x n2 matrix.

    References
    ----------
    Radhakrishnan, Stefanakis, Belkin and Uhler, "Simple, fast, and flexible framework for matrix
    completion with infinite width neural networks", PNAS 2022, theorem 1 and SI appendix B.
    """
    if not isinstance(depth, numbers.Integral) or isinstance(depth, bool) or depth < 0:
        raise ValueError(f"depth was {depth!r}; pass a whole number of hidden layers, at least 0")
    if kind not in KINDS:
        raise ValueError(f"kind was {kind!r}; pass 'ntk' or 'nngp'")
    settings = (int(depth), homogeneous(activation), kind)
    on_device = isinstance(Z1, jax.Array) or isinstance(Z2, jax.Array)
    Z1 = _checked(Z1, "Z1", on_device)
    Z2 = None if Z2 is None else _checked(Z2, "Z2", on_device)
    if Z2 is not None and len(Z1) != len(Z2):
        raise ValueError(
            f"Z1 has columns of length {len(Z1)} and Z2 of length {len(Z2)}; pass priors with the "
            "same features"
        )
    if on_device:
        return _traced(Z1, Z2, *settings)
    return _blocked(Z1, Z2, *settings)


def predicted_bytes(p: int, n1: int, n2: int) -> int:
    """Most that `dense_ntk` of NumPy arrays allocates: the kernel, unit columns, a few tiles."""
    return 8 * (n1 * n2 + p * (n1 + n2) + 6 * min(n1, TILE) * min(n2, TILE))


def kernel_of_gap(
    gap: Float[Array, "..."],
    opposite: Float[Array, "..."],
    depth: int,
    activation: Layer,
    kind: str,
) -> Float[Array, "..."]:
    """The kernel of unit vectors, elementwise, from 1 - u.u' and 1 + u.u'."""
    one = jnp.ones((), gap.dtype)
    tangent = one - gap
    for layer in range(depth):
        # No activation but the identity leaves any two nearly opposite.
        gap, slope = apply_dual(activation, gap, one, one, None if layer else opposite)
        tangent = one - gap + tangent * slope
    return tangent if kind == "ntk" else one - gap


_compiled = jax.jit(kernel_of_gap, static_argnames=("depth", "activation", "kind"))


@functools.partial(jax.jit, static_argnames=("depth", "activation", "kind"))
def _traced(Z1, Z2, depth, activation, kind):
    same = Z2 is None
    units, norms = zip(*(_unit(Z, jnp) for Z in ((Z1,) if same else (Z1, Z2))), strict=True)
    product = jnp.matmul(units[0].T, units[-1], precision=jax.lax.Precision.HIGHEST)
    if same:
        product = (product + product.T) / 2
    # What is within the rounding of a product of unit columns from one or minus one, is that. There
    # the kernel is constant, and not of infinite slope, which would make NaN of a gradient of zero.
    rounding = 4 * jnp.finfo(product.dtype).eps * np.sqrt(len(Z1))
    settings = {"depth": depth, "activation": activation, "kind": kind}
    equal, contrary = 1 - product < rounding, 1 + product < rounding
    product = jnp.where(equal | contrary, 0, product)
    kernel = kernel_of_gap(1 - product, 1 + product, **settings)
    ends = jnp.array([0, 2], product.dtype)
    at_equal, at_contrary = kernel_of_gap(ends, ends[::-1], **settings)
    kernel = jnp.where(equal, at_equal, jnp.where(contrary, at_contrary, kernel))
    return kernel * norms[0][:, None] * norms[-1]


def _blocked(Z1, Z2, depth, activation, kind):
    n1, n2 = Z1.shape[1], (Z1 if Z2 is None else Z2).shape[1]
    memory.require(
        predicted_bytes(len(Z1), n1, n2),
        f"a dense {n1} x {n2} kernel of tables",
        "pass fewer columns, or parts of them one after another",
    )
    with np.errstate(over="ignore"):  # of norms, which are refused
        unit1, norm1 = _unit(Z1, np)
        unit2, norm2 = (unit1, norm1) if Z2 is None else _unit(Z2, np)
        _require_range(norm1, norm2, depth)
    # Differences of columns do not change with their origin, and far from it they lose digits.
    centre = unit1.mean(axis=1, keepdims=True)
    unit1 -= centre
    if Z2 is not None:
        unit2 -= centre
    half1, half2 = (np.einsum("pn,pn->n", unit, unit) / 2 for unit in (unit1, unit2))
    kernel = np.empty((n1, n2))
    with enable_x64(), jax.default_device(jax.local_devices(backend="cpu")[0]):
        for top in range(0, n1, TILE):
            rows = slice(top, top + TILE)
            for left in range(top if Z2 is None else 0, n2, TILE):
                columns = slice(left, left + TILE)
                product = unit1[:, rows].T @ unit2[:, columns]
                sides = (half1[rows], half2[columns], norm1[rows], norm2[columns])
                tile, near = None, True
                if product.shape == (TILE, TILE) and not (Z2 is None and top == left):
                    tile, near = _apart(
                        product, *sides, depth=depth, activation=activation, kind=kind
                    )
                if near:
                    units = unit1[:, rows], unit2[:, columns]
                    gap, opposite = _gaps(product, *units, *sides[:2], 2 * centre)
                    if Z2 is None and left == top:
                        gap, opposite = (gap + gap.T) / 2, (opposite + opposite.T) / 2
                    tile = _elementwise(gap, opposite, depth, activation, kind)
                    tile *= np.outer(norm1[rows], norm2[columns])
                tile = np.asarray(tile)
                kernel[rows, columns] = tile
                if Z2 is None and left > top:
                    _write_transposed(kernel[columns, rows], tile)
    return kernel


def _write_transposed(target, tile):
    """In blocks that fit into a processor's first cache: five times as fast as all at once."""
    for row in range(0, tile.shape[0], _BLOCK):
        for column in range(0, tile.shape[1], _BLOCK):
            block = tile[row : row + _BLOCK, column : column + _BLOCK]
            target[column : column + _BLOCK, row : row + _BLOCK] = block.T


@functools.partial(jax.jit, static_argnames=("depth", "activation", "kind"))
def _apart(product, half1, half2, norm1, norm2, depth, activation, kind):
    """A whole tile in one pass, and whether any of its columns are too near for that."""
    size = half1[:, None] + half2
    gap = size - product
    kernel = kernel_of_gap(gap, 2 - gap, depth, activation, kind) * (norm1[:, None] * norm2)
    return kernel, jnp.any((gap < _NEAR * size) | (2 - gap < 2 * _NEAR))


def _gaps(product, unit1, unit2, half1, half2, twice_centre):
    """Half the squared length of all differences and sums, accurate relative to itself."""
    size = np.add.outer(half1, half2)
    gap = size - product
    opposite = 2 - gap
    for small, near, sign in ((gap, gap < _NEAR * size, -1), (opposite, opposite < 2 * _NEAR, 1)):
        rows, columns = np.nonzero(near)
        step = max(1, TILE**2 // len(unit1))
        for start in range(0, len(rows), step):
            some = rows[start : start + step], columns[start : start + step]
            apart = unit1[:, some[0]] + sign * unit2[:, some[1]]
            if sign > 0:
                apart += twice_centre
            small[some] = np.einsum("pn,pn->n", apart, apart) / 2
    return gap, opposite


def _elementwise(gap, opposite, depth, activation, kind):
    """`kernel_of_gap` of NumPy tiles, padded to one of the sizes that are compiled."""
    size = next(size for size in _SIZES if size >= gap.size)
    padded = np.zeros((2, size))
    padded[:, : gap.size] = gap.ravel(), opposite.ravel()
    value = _compiled(*padded, depth=depth, activation=activation, kind=kind)
    # A slice of a JAX array would be another program, for each size.
    return np.array(value)[: gap.size].reshape(gap.shape)


def _unit(Z, xp):
    """Columns scaled to norm 1 (zero columns stay zero), and the norms."""
    largest = xp.abs(Z).max(axis=0, initial=0)  # squares neither over- nor underflow
    scaled = Z / xp.where(largest > 0, largest, 1)
    # Not the root of zero, whose derivative is infinite.
    norm = xp.sqrt(xp.where(largest > 0, (scaled * scaled).sum(axis=0), 1))
    return scaled / norm, norm * largest


def _require_range(norm1, norm2, depth):
    """Refuse columns whose kernel float64 cannot hold."""
    limits = np.finfo(np.float64)
    found = [norm[norm > 0] for norm in (norm1, norm2)]
    if not all(map(len, found)):
        return
    for first, last in (map(np.min, found), map(np.max, found)):
        if not limits.tiny <= first * last <= limits.max / (depth + 1):
            raise ValueError(
                f"Z1 and Z2 have columns of norms {first:.1e} and {last:.1e}, whose kernel goes "
                "beyond float64; multiply the priors by a number that makes norms about 1"
            )


def _checked(Z, name, on_device):
    if np.iscomplexobj(Z):
        raise ValueError(f"{name} has complex numbers; pass real ones")
    Z = jnp.asarray(Z) if on_device else np.asarray(Z, np.float64)
    if Z.ndim != 2 or not Z.size:
        raise ValueError(
            f"{name} has shape {Z.shape}; pass (p, n), one column for each column of the table"
        )
    if on_device:
        return Z.astype(jnp.result_type(float, Z)) if Z.dtype.kind in "iub" else Z
    if not np.isfinite(Z).all():
        row, column = np.argwhere(~np.isfinite(Z))[0]
        raise ValueError(
            f"{name}[{row}, {column}] was {Z[row, column]}; pass a prior without missing values, "
            "such as a first imputation of the table"
        )
    return Z


def homogeneous(activation: Layer | str | dict) -> Layer:
    """The layer, if its activation is homogeneous; see `dense_ntk`."""
    layer = activation if isinstance(activation, Layer) else from_dict(activation)
    if not isinstance(layer, HOMOGENEOUS):
        raise ValueError(
            f"activation was {activation!r}, which is not homogeneous; pass one of Relu(), "
            "LeakyRelu(a), Identity(), or its name"
        )
    return layer
