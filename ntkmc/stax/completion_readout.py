"""Reads entries of a matrix off the output of a network: its kernel is that of completion."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from ntkmc._neural_tangents import neural_tangents as nt

Indices = Sequence[int] | np.ndarray | jax.Array


class Entries(NamedTuple):
    """Rows and columns of the entries that are read, one pair each."""

    rows: Any  # (entries,) integers: NumPy arrays, or JAX arrays for those passed at a call
    columns: Any

    def __len__(self) -> int:
        return len(self.rows)


@nt.stax.layer
@nt.stax.supports_masking(remask_kernel=False)
def CompletionReadout(rows: Indices, columns: Indices):
    r"""Read the entries (rows[e], columns[e]) of the matrix that a network puts out.

    The last layer of a network that completes a matrix Y of m rows and n columns from a feature
    prior Z. Its outputs, one an entry, are the batch: with one prior, ``nngp`` and ``ntk`` are
    (entries, entries), and targets for `neural_tangents.predict` are (entries, 1).

    What the matrix is depends on the number of axes of the input:

    - (n, m), a fully connected network that took the *columns* of Z as its batch of n inputs and
      ends in ``Dense(m)``; then (Theorem 1 of the paper's SI, appendix B)

      .. math:: K(M_{ij}, M_{i'j'}) = [i = i'] \, \Theta(z_j, z_{j'}),

      exactly zero between different rows, whose last weights are independent;
    - (1, m, n, 1), an image-to-image network that took Z as one feature map and ends in a layer
      with one channel; then (SI appendix J, equation 10)

      .. math:: K(M_{ij}, M_{i'j'}) = \Theta(Z, Z)[i, j, i', j'];

    - (1, n, m), the first case for Z given as (1, n, features): the columns are a spatial axis.

    In the last two cases there may be more than one prior; the entries of the first come first.

    Parameters
    ----------
    rows, columns : sequences of int, of the same length
        The entries, counted from 0. An entry may be read more than once.

    Returns
    -------
    (init_fn, apply_fn, kernel_fn)
        Without weights: the output is (priors * entries, 1). All of them take a keyword
        ``entries``, an integer array (entries, 2) of rows and columns to read instead of those
        above. To ``kernel_fn`` and to what it is given to, pass a pair for the two sides::

            predict = nt.predict.gradient_descent_mse_ensemble(kernel_fn, Z, y)
            predict(x_test=Z, get="ntk")  # the observed entries themselves

            predict = nt.predict.gradient_descent_mse_ensemble(
                kernel_fn, Z, y, entries=(observed, observed)
            )
            predict(x_test=Z, get="ntk", entries=(missing, missing))

    Raises
    ------
    ValueError
        If rows and columns are no sequences of whole numbers from 0, are empty or differ in length;
        and later, if an entry lies outside of the matrix, or the input has other axes.

    Notes
    -----
    *Finite networks.* One axis of size one stands for the channels, so ``trace_axes=(-1,)``, the
    default of `neural_tangents.empirical_ntk_fn` and of `neural_tangents.monte_carlo_kernel_fn`,
    keeps every entry, different rows too, and so does ``()``. Their ``vmap_axes`` must be None:
    entries are no inputs.

    *Batches.* `neural_tangents.batch` cuts the inputs along their first axis, which must be the
    priors then: give a fully connected network Z as (1, n, features).
    """
    default = _static_entries(rows, columns)

    def init_fn(rng, input_shape):
        _check(default, input_shape)
        priors = 1 if len(input_shape) == 2 else input_shape[0]
        return (priors * len(default), 1), ()

    def apply_fn(params, inputs, entries=None, mask=None, **kwargs):
        _check_unmasked(entries, mask)
        return _read_values(inputs, _chosen(entries, default, inputs.shape))

    def mask_fn(mask, input_shape):
        entries = _check(default, input_shape)
        # A mask may have sides of length one, which stand for all pixels.
        full = jnp.broadcast_to(mask, (*input_shape[:-1], mask.shape[-1]))
        return _read_values(full, entries)

    # Variances of pixels are not enough, and there are no pixels afterwards.
    diagonal = nt.stax.Diagonal(input=nt.stax.Bool.NO, output=nt.stax.Bool.YES)

    @nt.stax.requires(batch_axis=0, channel_axis=-1, diagonal_spatial=diagonal)
    def kernel_fn(k, entries=None, **kwargs):
        _check_unmasked(entries, k.mask1, k.mask2)
        # neural-tangents' convention for keywords that belong to the inputs, as `pattern` is.
        pair = entries if isinstance(entries, tuple) else (entries, entries)
        entries1 = _chosen(pair[0], default, k.shape1)
        entries2 = _chosen(pair[1], default, k.shape2)

        def covariance(mat, left, right):
            if mat is None or mat.ndim == 0:  # no second batch; an NTK before the first weights
                return mat
            return _read_covariance(mat, len(k.shape1), left, right, k.is_reversed)

        def variance(mat, which):
            if mat is None or not k.diagonal_batch:
                return covariance(mat, which, which)
            return _read_variance(mat, len(k.shape1), which, k.is_reversed)

        cov2 = k.cov2
        if cov2 is None and entries is not None:
            cov2 = k.cov1  # one batch, of which the second side reads other entries
        return k.replace(
            cov1=variance(k.cov1, entries1),
            cov2=variance(cov2, entries2),
            nngp=covariance(k.nngp, entries1, entries2),
            ntk=covariance(k.ntk, entries1, entries2),
            x1_is_x2=k.x1_is_x2 if entries is None else jnp.zeros_like(k.x1_is_x2),
            is_reversed=False,
            batch_axis=0,
            channel_axis=1,
            diagonal_spatial=False,
        )

    return init_fn, apply_fn, kernel_fn, mask_fn


# ---- which entries -------------------------------------------------------------------------------


def _static_entries(rows, columns) -> Entries:
    sides = []
    for name, value in (("rows", rows), ("columns", columns)):
        array = np.asarray(value)
        if array.ndim != 1 or array.dtype.kind not in "iu" or not array.size or array.min() < 0:
            raise ValueError(
                f"CompletionReadout: {name} was {value!r}; "
                "pass a sequence of at least one whole number, counted from 0"
            )
        sides.append(array.astype(np.int32))  # one type, whether JAX computes in 32 or 64 bits
    if len(sides[0]) != len(sides[1]):
        raise ValueError(
            f"CompletionReadout: rows had {len(sides[0])} entries and columns {len(sides[1])}; "
            "pass one row and one column for each entry"
        )
    return Entries(*sides)


def _chosen(entries, default: Entries, shape) -> Entries:
    """The entries passed at a call, or those of the layer."""
    if entries is None:
        return _check(default, shape)
    if entries.ndim != 2 or entries.shape[1] != 2 or entries.dtype.kind not in "iu":
        raise ValueError(
            f"CompletionReadout: entries was an array of {entries.dtype} of shape {entries.shape}; "
            "pass whole numbers of shape (entries, 2), a row and a column each"
        )
    chosen = Entries(entries[:, 0], entries[:, 1])
    # Values are not known under a transformation of JAX, and then indices are clipped.
    return chosen if isinstance(entries, jax.core.Tracer) else _check(chosen, shape)


def _check_unmasked(entries, *masks) -> None:
    if entries is not None and any(mask is not None for mask in masks):
        raise ValueError(
            "CompletionReadout: entries was passed with masked inputs (mask_constant), which are "
            "followed for the layer's own rows and columns only; pass those to the layer"
        )


def _check(entries: Entries, shape) -> Entries:
    """Refuse entries outside of the matrix, and inputs that are none."""
    if len(shape) not in (2, 3, 4) or (len(shape) == 4 and shape[3] != 1):
        raise ValueError(
            f"CompletionReadout: the output of the network has shape {tuple(shape)}; it must be "
            "(columns, rows) or (priors, columns, rows), from Dense layers, or "
            "(priors, rows, columns, 1), from convolutions of which the last has one channel"
        )
    m, n = (shape[1], shape[2]) if len(shape) == 4 else (shape[-1], shape[-2])
    rows, columns = np.asarray(entries.rows), np.asarray(entries.columns)
    outside = (rows < 0) | (columns < 0)
    outside |= (rows >= m) | ((columns >= n) & (n >= 0))  # a batch of -1: of unknown size
    if outside.any():
        e = np.flatnonzero(outside)[0]
        raise ValueError(
            f"CompletionReadout: entry ({rows[e]}, {columns[e]}) was asked for and the output of "
            f"the network has {m} rows and {n} columns; pass rows and columns below those, or a "
            "network with a larger output (in batches, a prior of shape (1, columns, features))"
        )
    return entries


# ---- reading -------------------------------------------------------------------------------------


def _read_values(x, entries: Entries):
    """Outputs, or their masks, of shape (priors * entries, 1)."""
    rows, columns = entries
    if x.ndim == 4:
        return x[:, rows, columns, :].reshape(-1, 1)
    # A mask has one channel, which stands for all of them.
    rows = jnp.minimum(rows, x.shape[-1] - 1) if x.dtype == bool else rows
    return x[..., columns, rows].reshape(-1, 1)


def _read_covariance(mat, ndim: int, left: Entries, right: Entries, is_reversed: bool):
    """Covariances between entries, (priors * entries, priors * entries).

    The covariance between outputs, which neural-tangents keeps for one channel, is
    (columns, columns), (priors, priors, columns, columns), or
    (priors, priors, rows, rows, columns, columns) in this order or with the sides exchanged.
    """
    i, j = (jnp.asarray(side)[:, None] for side in left)
    i2, j2 = (jnp.asarray(side)[None, :] for side in right)
    if ndim == 4:
        at = (j, j2, i, i2) if is_reversed else (i, i2, j, j2)
        block = mat[(slice(None), slice(None), *at)]
    else:
        block = jnp.where(i == i2, mat[..., j, j2], 0)
    if ndim == 2:
        return block
    return block.swapaxes(1, 2).reshape(mat.shape[0] * len(left), mat.shape[1] * len(right))


def _read_variance(mat, ndim: int, entries: Entries, is_reversed: bool):
    """Variances of entries from a covariance that has the batch axis once, (priors * entries,)."""
    i, j = entries
    if ndim == 2:
        return mat[j]
    if ndim == 3:
        return mat[:, j, j].reshape(-1)
    at = (j, j, i, i) if is_reversed else (i, i, j, j)
    return mat[(slice(None), *at)].reshape(-1)
