"""The layout of the paper's ``large.mat``, in either of MATLAB's file formats."""

from pathlib import Path

import h5py
import numpy as np
import scipy.io

from ntkmc import memory
from ntkmc.responses import Responses, from_tensor

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
    try:
        held = {name: shape for name, shape, _ in scipy.io.whosmat(path)}
    except (ValueError, TypeError, NotImplementedError, scipy.io.matlab.MatReadError) as error:
        raise ValueError(f"{path} cannot be read as a MATLAB file: {error}") from None
    _require_keys(path, held)
    _require_memory(path, held[TENSOR])
    arrays = scipy.io.loadmat(path, variable_names=[TENSOR, *NAMES])
    return arrays[TENSOR], *(_strings(arrays[name]) for name in NAMES)


def _read_new(path):
    """MATLAB 7.3, which is HDF5 with the axes the other way round and names by reference."""
    with h5py.File(path) as file:
        _require_keys(path, file)
        _require_memory(path, file[TENSOR].shape)
        names = [
            tuple(_characters(file[place]) for place in np.ravel(file[key][()])) for key in NAMES
        ]
        return np.transpose(file[TENSOR][()]), *names


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


def _characters(dataset):
    return "".join(map(chr, np.ravel(dataset[()])))


def _strings(names):
    """Names from a cell array of strings or a matrix of characters."""
    return tuple(
        str(name.item() if isinstance(name, np.ndarray) and name.size == 1 else name).strip()
        for name in np.ravel(names)
    )
