r"""A sparse inverse Cholesky factor of a kernel matrix, as a preconditioner.

With the pixels ordered from coarse to fine and the factor's row i allowed to touch pixel i and its
m nearest earlier pixels only, the sparse lower triangular U that minimises the Kullback-Leibler
divergence of :math:`N(0, (U^T U)^{-1})` from :math:`N(0, K)` has, row by row, the closed form

.. math:: U_{i, S_i} = e_i^T L_i^{-1}, \qquad L_i L_i^T = K_{S_i S_i},

with i last in :math:`S_i`: one small factorisation a pixel, all independent (Vecchia 1988;
Schaefer, Katzfuss, Owhadi 2021, theorem 2.1). :math:`U^T U \approx K^{-1}` is applied with gathers
only: U by its rows, its transpose by its columns in groups of similar length.
"""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import scipy.sparse

from ntkmc._compat import enable_x64
from ntkmc.kernels.weighted import between
from ntkmc.solvers._neighbours import coarse_to_fine, nearest_earlier
from ntkmc.solvers.conditional import batch_size, with_noise
from ntkmc.solvers.result import SingularKernelError


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class SparseInverse:
    """The factor U, ready to be applied.

    Attributes
    ----------
    columns, values : (n, m + 1), the entries of each row; column n is padding.
    groups : for U transposed, (rows, values) of groups of its rows with similar numbers of entries.
    places : (n,), where each row of the transpose stands among all groups.
    """

    columns: jax.Array
    values: jax.Array
    groups: tuple[tuple[jax.Array, jax.Array], ...]
    places: jax.Array

    @property
    def memory_bytes(self) -> int:
        """Bytes the factor and its transpose occupy."""
        return sum(leaf.nbytes for leaf in jax.tree.leaves(self))

    @jax.jit
    def __call__(self, vectors):
        """U' U times vectors (n, k)."""
        half = _rows_times(self.columns, self.values, vectors)
        parts = [_rows_times(rows, values, half) for rows, values in self.groups]
        return jnp.concatenate(parts)[self.places]


def _rows_times(columns, values, vectors):
    padded = jnp.concatenate([vectors, jnp.zeros_like(vectors[:1])])
    taken = jnp.take(padded, columns, axis=0, mode="clip")
    return jnp.sum(values[:, :, None].astype(vectors.dtype) * taken, axis=1)


def build(kernel, pixels, shift=0.0, neighbours=32, seed=0, common=0.0) -> SparseInverse:
    """Factor of (K - common 11' + shift I)^-1 on pixels, in the pixels' own order.

    Parameters
    ----------
    kernel : operator with `entries` and `shape`.
    pixels : an array an axis, (rows, columns) of a picture, int32 of shape (n,).
    shift : added to the diagonal.
    neighbours : m; the cost of building grows with its square to cube, that of applying in
        proportion.
    seed : of the ordering.
    common : taken from every entry. A constant that all pixels share says nothing about near ones,
        and few neighbours say little about it.

    Raises
    ------
    SingularKernelError : some small system is not positive definite; names a pixel.
    """
    n = len(pixels[0])
    order = coarse_to_fine(n, seed)
    ordered = np.stack(pixels, axis=1)[order]
    near = nearest_earlier(ordered, kernel.shape, min(neighbours, n))
    columns = np.concatenate([near, np.arange(n, dtype=np.int32)[:, None]], axis=1)
    values = _factorise(kernel, ordered, columns, shift, common)
    bad = np.flatnonzero(~np.isfinite(values).all(axis=1))
    if bad.size:
        raise SingularKernelError(
            f"the kernel of pixel {tuple(ordered[bad[0]].tolist())} and its {near.shape[1]} "
            f"neighbours is not "
            f"positive definite ({bad.size} of {n} pixels): pass a larger ridge, for instance "
            "1e-4, or use a network with an activation "
            "after its last upsampling"
        )
    # Back to the order in which the caller has its vectors.
    columns = np.append(order, n).astype(np.int32)[columns]
    # Not `jnp.asarray`, which compiles a program for each shape, and each group has its own.
    return SparseInverse(*jax.device_put((columns, values, *_transpose(columns, values, n))))


def _factorise(kernel, ordered, columns, shift, common):
    n, width = columns.shape
    size = min(batch_size(), n)
    padding = np.full((-n % size, width), n, np.int32)
    batches = np.concatenate([columns, padding]).reshape(-1, size, width)
    with enable_x64():
        and_padding = np.pad(ordered, ((0, 1), (0, 0))).astype(np.int32)
        values = _local_factors(kernel, and_padding, batches, shift, common)
    return np.asarray(values).reshape(-1, width)[:n]


@jax.jit
def _local_factors(kernel, ordered, batches, shift, common):
    n, width = len(ordered) - 1, batches.shape[-1]
    last = jnp.zeros((width, 1)).at[-1].set(1)

    def factors(columns):
        present = columns < n
        matrices = between(kernel, ordered[columns]).astype(jnp.float64) - common
        rows = jax.lax.linalg.triangular_solve(
            jnp.linalg.cholesky(with_noise(matrices, present, shift)),
            jnp.broadcast_to(last, (len(columns), width, 1)),
            left_side=True,
            lower=True,
            transpose_a=True,
        )
        return jnp.where(present, rows[..., 0], 0).astype(jnp.float32)

    return jax.lax.map(factors, batches)


def _transpose(columns, values, n):
    """Rows of U transposed, grouped so that padding each group to one length wastes little."""
    present = columns < n
    starts = np.concatenate([[0], np.cumsum(present.sum(axis=1))])
    matrix = scipy.sparse.csr_matrix((values[present], columns[present], starts), shape=(n, n))
    flipped = matrix.tocsc()
    lengths = np.diff(flipped.indptr)
    sizes = np.ceil(8 * np.log2(np.maximum(lengths, 1)) / 3).astype(
        int
    )  # a group spans a factor of 1.3
    groups, members = [], []
    for size in np.unique(sizes):
        member = np.flatnonzero(sizes == size)
        slots = np.arange(lengths[member].max())
        used = slots < lengths[member, None]
        at = np.where(used, flipped.indptr[member, None] + slots, 0)
        rows = np.where(used, flipped.indices[at], n).astype(np.int32)
        groups.append((rows, np.where(used, flipped.data[at], 0)))
        members.append(member)
    places = np.empty(n, np.int32)
    places[np.concatenate(members)] = np.arange(n)
    return tuple(groups), places
