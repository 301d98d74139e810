"""The table of a periodic kernel: its values, without a torus. Tables can be added and stored."""

import contextlib
import dataclasses
import hashlib
import importlib.metadata
import json
import os
from collections.abc import Sequence
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from ntkmc.architecture import Sequential, to_dict
from ntkmc.kernels import _files, _pairs, _range, _recursion
from ntkmc.priors import IIDPrior


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Table:
    """Values between the pairs of positions that can be told apart along each axis.

    Attributes
    ----------
    values : (rows of each axis), as many axes as the image has.
    pairs : of each axis.
    """

    values: Float[Array, "..."]
    pairs: _recursion.Axes = dataclasses.field(metadata={"static": True})

    @classmethod
    def build(
        cls, network: Sequential, prior: IIDPrior, kinds, dtype, axes: int = 2
    ) -> tuple["Table", ...]:
        """Tables of these kinds, from one recursion."""
        _range.require_prior(prior.same, dtype)
        pairs, state = _recursion.propagate(network, prior.same, prior.different, dtype, axes)
        phases = _recursion.pair_phases(pairs)
        values = {"ntk": lambda: state.ntk, "nngp": lambda: _recursion.nngp(state, phases)}
        rows = tuple(each.rows for each in pairs)
        return tuple(cls(_cropped(values[kind](), rows), pairs) for kind in kinds)

    def entries(self, pixels_a, pixels_b) -> Float[np.ndarray, "..."]:
        """Values between pixels, one array an axis, broadcast against each other; on the host."""
        sides = zip(self.pairs, pixels_a, pixels_b, strict=True)
        return np.asarray(self.values)[tuple(each.row(a, b - a) for each, a, b in sides)]


def _cropped(values, rows):
    # On the host: JAX would compile a program for each size.
    if values.shape == rows:
        return values
    return jnp.asarray(np.asarray(values)[tuple(map(slice, rows))])


def weighted_sum(tables: Sequence[Table], weights: Sequence[float]) -> Table:
    """The table of networks side by side."""
    if len(tables) == 1 and weights[0] == 1:
        return tables[0]
    every = zip(*(table.pairs for table in tables), strict=True)
    pairs = tuple(_pairs.joined(its) for its in every)
    total = sum(
        _add(weight, table.values, _rows_in(table.pairs, pairs))
        for table, weight in zip(tables, weights, strict=True)
    )
    return Table(total, pairs)


def _rows_in(own, joined):
    """Of each axis, the rows in which a table has the rows of what it is joined in."""
    sides = zip(own, joined, strict=True)
    return tuple(each.row(*both.members()).astype(np.int32) for each, both in sides)


@jax.jit
def _add(weight, values, index):
    return jnp.asarray(weight, values.dtype) * _recursion.at(values, index)


def stored(
    folder: str | os.PathLike[str],
    network: Sequential,
    prior: IIDPrior,
    kind: str,
    dtype,
    axes: int = 2,
) -> Table:
    """The table of a network from a folder, where it is put the first time, if that can be."""
    made_by = {
        "network": network,
        "prior": repr(prior),
        "kind": kind,
        "dtype": str(dtype),
        "axes": axes,
        "version": importlib.metadata.version("ntkmc"),
    }
    spelled = json.dumps({**made_by, "network": to_dict(network), "format": _files.FORMAT})
    path = Path(folder) / f"{hashlib.sha256(spelled.encode()).hexdigest()[:24]}.npz"
    if path.exists():
        # What cannot be read is made again, and replaced.
        with contextlib.suppress(ValueError):
            values = _files.read(path, made_by)["values"]
            pairs = (_pairs.of_layers(network.along(axis)) for axis in range(axes))
            return Table(jnp.asarray(values), tuple(pairs))
    (table,) = Table.build(network, prior, [kind], dtype, axes)
    # Without a place to keep it, it is made again the next time.
    with contextlib.suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        _files.write(path, {"values": table.values}, made_by)
    return table
