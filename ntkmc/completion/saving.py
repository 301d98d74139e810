"""Fitted imputers in files without pickle: arrays, and JSON that says where they belong."""

import dataclasses
import os
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from ntkmc import npz
from ntkmc.architecture import Layer, from_dict, to_dict
from ntkmc.completion import alternating, chained, models, priors, support, table_prior
from ntkmc.completion.calibration import Calibration
from ntkmc.completion.encoding import Encoding
from ntkmc.completion.warp import Warp

FORMAT = 1

_CLASSES = {
    one.__name__: one
    for one in (
        models.AlongRows,
        models.AlongColumns,
        models.Both,
        alternating.Alternating,
        chained.Chained,
        chained.Column,
        chained.Member,
        priors.Gram,
        priors.Network,
        support.Support,
        table_prior.ColumnKernel,
        table_prior.GivenPrior,
        table_prior.TablePrior,
        Calibration,
        Encoding,
        Warp,
    )
}
_PLAIN = (type(None), bool, int, float, str)


def save(path: str | os.PathLike[str], state: Mapping[str, Any]) -> None:
    """Write what an imputer holds.

    Raises
    ------
    TypeError : something of it has no place in such a file, such as categories that are neither
        text nor numbers nor truth values.
    """
    writer = _Writer()
    spelled = writer.spell(dict(state))
    npz.write(path, writer.arrays, {"format": FORMAT, "objects": writer.objects, "state": spelled})


def load(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Read what `save` wrote.

    Raises
    ------
    ValueError : it is no such file.
    NotEnoughMemoryError : before reading an array.
    """

    def check(header: Any) -> None:
        if not isinstance(header, dict) or "objects" not in header:
            raise ValueError(f"{path} holds no imputer; pass a file that NTKImputer.save wrote")
        if header["format"] != FORMAT:
            raise ValueError(f"{path} has format {header['format']}; this version reads {FORMAT}")

    header, arrays = npz.read(path, "imputer", check)
    made: list[Any] = []
    for name, fields in header["objects"]:
        values = {field: _made(value, arrays, made) for field, value in fields.items()}
        made.append(_CLASSES[name](**values))
    return _made(header["state"], arrays, made)


class _Writer:
    """Spells values as JSON; arrays and objects are kept once and referred to by number."""

    def __init__(self):
        self.arrays: dict[str, np.ndarray] = {}
        self.objects: list[Any] = []
        # The values, too: an array that is gone could leave its identity to the next.
        self._numbers: dict[int, tuple[int, Any]] = {}

    def spell(self, value):
        if isinstance(value, np.generic):
            value = value.item()
        if isinstance(value, _PLAIN):
            return value
        if isinstance(value, list):
            return [self.spell(one) for one in value]
        if isinstance(value, tuple):
            return {"tuple": [self.spell(one) for one in value]}
        if isinstance(value, Mapping):
            return {"dict": [[self.spell(key), self.spell(one)] for key, one in value.items()]}
        if isinstance(value, bytes):
            return {"bytes": value.hex()}
        if isinstance(value, pd.DataFrame):
            columns, index = list(value.columns), list(value.index)
            return {"frame": self.spell([value.to_numpy(), index, columns])}
        if isinstance(value, Layer):
            return {"layer": to_dict(value)}
        if isinstance(value, np.ndarray):
            if value.dtype == object:
                return {"objects": self.spell(value.tolist())}
            return {"array": self._number(value, self._keep)}
        if type(value).__name__ in _CLASSES:
            return {"object": self._number(value, self._spell_object)}
        raise TypeError(
            f"{value!r} of type {type(value).__name__} cannot be saved; imputers with categories "
            "of text, numbers and truth values can"
        )

    def _number(self, value, keep):
        if id(value) not in self._numbers:
            self._numbers[id(value)] = keep(value), value
        return self._numbers[id(value)][0]

    def _keep(self, array):
        self.arrays[f"a{len(self.arrays)}"] = array
        return len(self.arrays) - 1

    def _spell_object(self, value):
        fields = {
            one.name: self.spell(getattr(value, one.name)) for one in dataclasses.fields(value)
        }
        self.objects.append([type(value).__name__, fields])
        return len(self.objects) - 1


def _made(spelled, arrays, made):
    def of(value):
        return _made(value, arrays, made)

    if isinstance(spelled, list):
        return [of(one) for one in spelled]
    if not isinstance(spelled, dict):
        return spelled
    ((kind, value),) = spelled.items()
    makers = {
        "tuple": lambda: tuple(of(value)),
        "dict": lambda: {of(key): of(one) for key, one in value},
        "bytes": lambda: bytes.fromhex(value),
        "frame": lambda: pd.DataFrame(*of(value)),
        "layer": lambda: from_dict(value),
        "objects": lambda: np.array(of(value), dtype=object),
        "array": lambda: arrays[f"a{value}"],
        "object": lambda: made[value],
    }
    return makers[kind]()
