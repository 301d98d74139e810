"""What completes a volume: the network, the same slice by slice, and what is usual."""

import dataclasses
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import psutil
from jaxtyping import Bool, Float

from ntkmc import architecture, baselines, memory
from ntkmc.datasets import NamedVolume
from ntkmc.experiments.volumes_config import CaseConfig, VolumesConfig
from ntkmc.images import keep_observed
from ntkmc.inpainting import InpaintResult, choose_network, inpaint
from ntkmc.metrics import psnr_inside, ssim_inside
from ntkmc.progress import Progress

LEVELS = (0.5, 0.9)  # of intervals
LABELS = {
    "network": "CNTK",
    "slices": "CNTK, slice by slice",
    "linear": "linear",
    "spline": "spline",
    "biharmonic": "biharmonic",
}
# Missing voxels: those of a ball of 14,147 took two minutes to put up and to factorise.
MOST_BIHARMONIC = 20_000
_TRIANGULATED = 2_500  # bytes an observed voxel; measured on 4,112 and 33,113: 2,581 and 2,257


@dataclass(frozen=True)
class Case:
    """A volume (or one slice) and what is observed of it.

    Attributes
    ----------
    name : of the case's files.
    values : (A, B, C), (A, B, C, channels), or (H, W) of a single slice, in its file's units.
    mask : of the axes without channels; True where observed.
    axis : along which missing voxels lie between observed ones; None where they are scattered.
    spacing, rows_down : see ``ntkmc.datasets.NamedVolume``.
    """

    name: str
    values: Float[np.ndarray, "..."]
    mask: Bool[np.ndarray, "..."]
    axis: int | None
    spacing: tuple[float, ...]
    rows_down: bool

    @property
    def hidden(self) -> Float[np.ndarray, "..."]:
        """The values with 0 where they are missing: all that methods get to see."""
        return keep_observed(self.values, self.mask)

    @property
    def data_range(self) -> float:
        """The largest true value less the smallest."""
        return float(np.ptp(self.values))


@dataclass(frozen=True)
class Outcome:
    """What one method made of a case.

    Attributes
    ----------
    method : of ``LABELS``.
    values : of the case's shape, within the range of the observed ones; None where left out.
    psnr, ssim : of the missing voxels, relative to the case's range.
    seconds : compilation and, of the network, the uncertainty included.
    peak_bytes : the largest resident size of the process meanwhile.
    result : of the network alone.
    covered : of the network, where its uncertainty was asked for, share of missing values within
        intervals, by their level.
    left_out : why there is nothing.
    """

    method: str
    values: Float[np.ndarray, "..."] | None = None
    psnr: float = float("nan")
    ssim: float = float("nan")
    seconds: float = float("nan")
    peak_bytes: int = 0
    result: InpaintResult | None = None
    covered: dict[float, float] = dataclasses.field(default_factory=dict)
    left_out: str = ""


class LeftOutError(Exception):
    """A method does not apply to a case, or would take too much."""


def make_case(name: str, config: CaseConfig, volume: NamedVolume, seed: int) -> Case:
    """The middle of a volume and its mask; of a volume of one slice, an image.

    Raises
    ------
    ValueError
        If the part is larger than the volume, or what is missing does not lie within it.
    """
    values, shape = volume.values, volume.values.shape[:3]
    part = config.volume.part or shape
    if any(side > whole for side, whole in zip(part, shape, strict=True)):
        raise ValueError(f"volume.part was {part}, and {volume.name} is {shape}; pass less")
    starts = [(whole - side) // 2 for side, whole in zip(part, shape, strict=True)]
    spacing: tuple[float, ...] = volume.spacing or (1.0, 1.0, 1.0)
    values = values[tuple(slice(i, i + side) for i, side in zip(starts, part, strict=True))]
    if part[0] == 1:
        values, spacing, part = values[0], spacing[1:], part[1:]
    mask = config.missing.mask(tuple(part), seed)
    return Case(name, values, mask, config.missing.axis, spacing, volume.rows_down)


def complete(
    case: Case, method: str, config: VolumesConfig, progress: Progress | None = None
) -> Outcome:
    """Complete a case with one method, and measure it."""
    hidden = case.hidden  # no method gets a chance to see the truth
    meter = PeakMemory()
    start = time.perf_counter()
    try:
        with meter:
            made = METHODS[method](case, hidden, config, progress)
    except (LeftOutError, memory.NotEnoughMemoryError) as reason:
        return Outcome(method, left_out=str(reason))
    seconds = time.perf_counter() - start
    result = made if isinstance(made, InpaintResult) else None
    seen = case.values[case.mask]
    values = np.clip(
        made.image if isinstance(made, InpaintResult) else made, seen.min(), seen.max()
    )
    missing = ~case.mask
    return Outcome(
        method,
        values,
        psnr_inside(case.values, values, missing, case.data_range),
        ssim_inside(case.values, values, missing, case.data_range),
        seconds,
        meter.bytes,
        result,
        {} if result is None or result.uncertainty is None else _covered(case, result),
    )


def across(mask: Bool[np.ndarray, "A B C"]) -> int:
    """The axis across which slices are completed one by one.

    The first across which the emptiest slice has at least half as many observed pixels as that of
    any other axis: across dropped slices, there are some of which nothing is observed.
    """
    least = [
        np.moveaxis(mask, axis, 0).reshape(side, -1).mean(axis=1).min()
        for axis, side in enumerate(mask.shape)
    ]
    return int(np.argmax(np.array(least) >= max(least) / 2))


class PeakMemory:
    """The largest resident size of the process while it is entered, in ``bytes``.

    Looked at twenty times a second; a peak between two looks is seen if it is the highest since the
    process began.
    """

    def __init__(self):
        self.bytes = 0
        self._ended = threading.Event()

    def __enter__(self) -> "PeakMemory":
        self._before = memory.peak_bytes()
        self._look()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop looking."""
        self._ended.set()
        self._thread.join()
        self._look()
        if memory.peak_bytes() > self._before:
            self.bytes = memory.peak_bytes()

    def _watch(self):
        while not self._ended.wait(0.05):
            self._look()

    def _look(self):
        self.bytes = max(self.bytes, psutil.Process().memory_info().rss)


def _covered(case, result):
    missing = ~case.mask
    error = np.abs(result.image - case.values)[missing]
    return {
        level: float(np.mean(error <= result.uncertainty.half_width(level)[missing]))
        for level in LEVELS
    }


def _network(case, hidden, config, progress):
    network = config.network
    if network != "auto":
        network = architecture.network_from_dict(network)
    return inpaint(
        hidden,
        case.mask,
        network=network,
        ridge=config.ridge,
        margin=config.margin,
        return_std=config.uncertainty,
        progress=progress,
    )


def _slices(case, hidden, config, progress):
    if case.mask.ndim < 3:
        raise LeftOutError("it is one slice")
    axis = across(case.mask)
    masks, slices = np.moveaxis(case.mask, axis, 0), np.moveaxis(hidden, axis, 0)
    if not masks.any(axis=(1, 2)).all():
        raise LeftOutError("along each axis there are slices of which nothing is observed")
    holed = np.flatnonzero(~masks.all(axis=(1, 2)))
    network, ridge = config.network, config.ridge
    if network == "auto":
        middle = holed[len(holed) // 2]
        selection = choose_network(slices[middle], masks[middle], ridge=ridge, progress=progress)
        network, ridge = selection.network, selection.ridge
    else:
        network = architecture.network_from_dict(network)
    filled = slices.copy()
    for done, number in enumerate(holed):
        result = inpaint(
            slices[number], masks[number], network=network, ridge=ridge, margin=config.margin
        )
        filled[number] = result.image
        if progress is not None:
            progress("slice by slice", done + 1, len(holed))
    return np.moveaxis(filled, 0, axis)


def _linear(case, hidden, config, progress):
    if case.axis is not None:
        return baselines.interpolate_along(hidden, case.mask, case.axis)
    memory.require(
        _TRIANGULATED * int(case.mask.sum()),
        "the triangulation of the observed voxels",
        "leave linear out of methods",
    )
    return baselines.interpolate_linearly(hidden, case.mask)


def _spline(case, hidden, config, progress):
    if case.axis is not None:
        return baselines.interpolate_along(hidden, case.mask, case.axis, degree=3)
    return baselines.interpolate_smoothly(hidden, case.mask)


def _biharmonic(case, hidden, config, progress):
    missing, needed = int((~case.mask).sum()), baselines.biharmonic_bytes(case.mask)
    size = f"up to about {memory.readable(needed)} for {missing:,} missing voxels"
    if needed > memory.available_bytes():
        raise LeftOutError(f"{size}, more than is free")
    if case.mask.ndim > 2 and missing > MOST_BIHARMONIC:
        raise LeftOutError(f"{size}, too many for its time")
    return baselines.biharmonic(hidden, case.mask)


METHODS: dict[str, Callable] = {
    "network": _network,
    "slices": _slices,
    "linear": _linear,
    "spline": _spline,
    "biharmonic": _biharmonic,
}
