"""The layout of the paper's ``large.mat``, in either of MATLAB's file formats."""

import zlib
from pathlib import Path

import h5py
import numpy as np
import scipy.io
from scipy.io.matlab import MatReadError

from ntkmc import memory
from ntkmc.datasets._names import as_names
from ntkmc.responses import Responses, from_tensor

_CHARACTER = np.uint16  # in HDF5
TENSOR = "T"
NAMES = ("pertIds", "geneIds", "cellIds")


def read(path: Path) -> Responses:
    """The observed profiles of ``T`` (drug x gene x cell line)."""
    arrays = _read_new(path) if h5py.is_hdf5(path) else _read_old(path)
    tensor, names = arrays[0], arrays[1:]
    if tensor.ndim != 3 or not np.issubdtype(tensor.dtype, np.floating):
        raise ValueError(
            f"{path}: {TENSOR} is {tensor.dtype} {tensor.shape}; it has to be a tensor of floating "
            "point numbers, drug x gene x cell line"
        )
    for key, axis, held in zip(NAMES, tensor.shape, names, strict=True):
        if len(held) != axis:
            raise ValueError(
                f"{path}: {TENSOR} is {tensor.shape} and {key} has {len(held)} names; its axes "
                "have to be drug (pertIds), gene (geneIds), cell line (cellIds)"
            )
    try:
        return from_tensor(tensor, *names)
    except ValueError as refusal:
        raise ValueError(f"{path}: {refusal}") from None


def _read_old(path):
    """MATLAB 5 to 7."""
    held = {name: shape for name, shape, _ in _from_scipy(scipy.io.whosmat, path)}
    _require_keys(path, held)
    _require_memory(path, held[TENSOR])
    arrays = _from_scipy(scipy.io.loadmat, path, variable_names=[TENSOR, *NAMES])
    return arrays[TENSOR], *(_names(path, key, np.ravel(arrays[key])) for key in NAMES)


def _from_scipy(read, path, **options):
    try:
        return read(path, **options)
    except (ValueError, TypeError, OSError, NotImplementedError, MatReadError, zlib.error) as error:
        raise ValueError(f"{path} cannot be read as a MATLAB file: {error}") from None


def _read_new(path):
    """MATLAB 7.3, which is HDF5 with the axes the other way round and names by reference."""
    with h5py.File(path) as file:
        _require_keys(path, file)
        for key in (TENSOR, *NAMES):
            if not isinstance(file[key], h5py.Dataset):
                raise ValueError(f"{path}: {key} is a structure; save an array under this name")
        _require_memory(path, file[TENSOR].shape)
        names = (_names(path, key, _entries(file, file[key][()])) for key in NAMES)
        return np.transpose(file[TENSOR][()]), *names


def _entries(file, values):
    """What an array holds: what references point to, rows of characters, or numbers."""
    if values.dtype.kind == "O":
        return [_content(file[place]) for place in np.ravel(values)]
    if values.dtype == _CHARACTER:
        return [_text(row) for row in np.atleast_2d(values).T]
    return np.ravel(values)


def _content(dataset):
    if "MATLAB_empty" in dataset.attrs:  # what is stored is then the shape
        return ""
    values = dataset[()]
    return _text(values) if values.dtype == _CHARACTER else values


def _text(characters):
    return "".join(map(chr, np.ravel(characters)))


def _require_keys(path, held):
    absent = [key for key in (TENSOR, *NAMES) if key not in held]
    if absent:
        known = ", ".join(key for key in held if not key.startswith(("__", "#"))) or "nothing"
        raise ValueError(
            f"{path} has no {absent[0]}; it holds {known}, and has to hold {TENSOR} "
            f"(drug x gene x cell line) and {', '.join(NAMES)}"
        )


def _require_memory(path, shape):
    memory.require(3 * 8 * int(np.prod(shape)), f"{path}", "keep fewer drugs in the file")


def _names(path, key, entries):
    """A name from each entry, which is a text or a number."""
    arrays = [np.ravel(entry) for entry in entries]
    for place, array in enumerate(arrays):
        if array.dtype.kind not in "USiuf" or array.size > 1:
            raise ValueError(
                f"{path}: {key} holds {array.dtype} of shape {array.shape} at place {place}; it "
                "has to be a cell array of texts"
            )
    return tuple(as_names(array.item() if array.size else "" for array in arrays).tolist())
