"""``ntkmc inpaint`` of a volume: one file or folder in, one out."""

import dataclasses
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from jaxtyping import Bool

from ntkmc import plots
from ntkmc.architecture import autoencoder
from ntkmc.cli.console import progress_bars, say
from ntkmc.cli.inpaint_page import (
    LEAD,
    add_convergence,
    add_facts,
    add_network,
    add_uncertainty,
    how,
    to_look_at,
)
from ntkmc.cli.targets import check_targets
from ntkmc.images import PHOTOGRAPHIC, keep_observed
from ntkmc.inpainting import InpaintResult
from ntkmc.inpainting import inpaint as solve
from ntkmc.report import Report
from ntkmc.volumes import (
    Volume,
    read_volume,
    read_volume_mask,
    require_writable,
    write_volume,
)

_PAGE_SIDE = 1024  # pixels of a plane in the report, at most


def inpaint_volume(
    path: Path,
    mask_path: Path | None,
    out: Path,
    levels: int | None,
    prior: str | None,
    ridge: float | None,
    std: Path | None,
    report: bool,
    force: bool,
) -> None:
    """Fill in the missing voxels of the volume at ``path`` and write it to ``out``.

    ``levels`` is that of the network, None to choose networks for the volume. ``std`` is written
    only where it is given: float32, one for each voxel, the root mean square over its channels.
    """
    if prior is not None:
        raise ValueError(
            f"--prior was {prior}, which is for pictures, and {path} is a volume; leave it out"
        )
    page = _page_beside(out)
    check_targets({"--out": out, "--std": std, "--report": page if report else None}, force)
    task = _task(path, mask_path)
    require_writable(out, task.volume, task.volume.values.dtype, task.volume.values.shape)
    if std is not None:
        require_writable(std, task.volume, np.float32, task.volume.shape)
    # An axis of length one, as of a single slice, is none that a network could look along.
    sides = tuple(side for side in task.volume.shape if side > 1)
    with progress_bars() as progress:
        result = solve(
            # Channels in any case, lest three slices be taken for three colours.
            task.volume.values.reshape(*sides, -1),
            task.observed.reshape(sides),
            network="auto" if levels is None else autoencoder(levels),
            ridge=ridge,
            return_std=std is not None,
            progress=progress,
        )
    completed = result.image.reshape(task.volume.values.shape)
    filled = keep_observed(task.volume.values, ~task.missing, completed)
    write_volume(out, filled, task.volume)
    absent = len(task.volume.absent)
    noted = f", {absent} absent {_layers(task.volume)}s among them" if absent else ""
    say(
        f"{out}: {task.missing.sum():,} of {task.missing.size:,} voxels filled in{noted}"
        f"{how(result)}"
    )
    deviations = None
    if std is not None and result.std is not None:
        each = np.sqrt(np.mean(result.std**2, axis=-1)).reshape(task.volume.shape)
        deviations = np.where(task.missing, each, 0).astype(np.float32)
        write_volume(std, deviations, task.volume)
        say(f"{std}: standard deviations, {deviations[task.missing].mean():.3g} on average")
    if report:
        page.write_text(_page(task, filled, deviations, result), encoding="utf-8")
        say(f"report: {page}")


@dataclasses.dataclass(frozen=True)
class _Task:
    """A volume to fill in.

    ``missing`` voxels are filled in; ``observed`` are those that tell how. Voxels that are NaN
    where a mask does not say that they are missing are neither, and stay as they are; those of
    absent slices or frames are missing in any case.
    """

    volume: Volume
    missing: Bool[np.ndarray, "A B C"]
    observed: Bool[np.ndarray, "A B C"]


def _task(path: Path, mask_path: Path | None) -> _Task:
    volume = read_volume(path)
    there = volume.has_values
    if mask_path is None:
        missing = ~there
        if not missing.any():
            what = f"absent {_layers(volume)}s or voxels that are NaN"
            raise ValueError(
                f"{path} has no {what} to fill in; pass --mask, a volume of the same shape that is "
                "not zero where a voxel is observed"
            )
        return _Task(volume, missing, there)
    missing = ~read_volume_mask(mask_path, volume)
    missing[list(volume.absent)] = True
    if not missing.any():
        raise ValueError(f"nothing is missing: {mask_path} is not zero (observed) everywhere")
    return _Task(volume, missing, there & ~missing)


def _page_beside(out: Path) -> Path:
    """`a.html` for `a.nii.gz` and `a.npy`."""
    name = out.name.removesuffix(".gz").removesuffix(".nii")
    return out.with_name(name).with_suffix(".html")


def _page(
    task: _Task, filled: np.ndarray, deviations: np.ndarray | None, result: InpaintResult
) -> str:
    volume = task.volume
    # Names of DICOM files and folders may be those of patients, and a page is sent to others.
    name = "a DICOM series" if volume.format == "DICOM" else volume.source.name
    page = Report(f"Inpainting {name}", LEAD)
    maps = {}
    for number, (title, cut) in enumerate(_cuts(task)):
        colours = _colours(volume, volume.values)
        shown = to_look_at(cut(colours), colours, task.observed)
        page.pictures(
            [
                (
                    f"observed, {title}",
                    "" if number else f"{task.missing.mean():.1%} of all voxels missing",
                    plots.hide_missing(shown, cut(task.observed)),
                ),
                (
                    f"filled in, {title}",
                    "",
                    to_look_at(cut(_colours(volume, filled)), colours, task.observed),
                ),
            ]
        )
        if deviations is not None:
            maps[title] = cut(deviations)
    add_convergence(page, result)
    add_uncertainty(page, result, maps, "voxel")
    facts = {
        "volume": " x ".join(str(side) for side in volume.values.shape),
        "observed voxels": f"{task.observed.sum():,}",
    }
    if volume.spacing is not None:
        facts["size of a voxel"] = " x ".join(f"{side:.4g}" for side in volume.spacing)
    add_facts(page, result, facts)
    add_network(page, result)
    return page.html()


def _cuts(task: _Task) -> Iterator[tuple]:
    """Titles of planes through the middle of what is missing, and functions that cut them out."""
    middle = [int(np.median(places)) for places in np.nonzero(task.missing)]
    volume = task.volume
    spacing = volume.spacing or (1.0, 1.0, 1.0)
    for axis, place in enumerate(middle):
        others = [other for other in range(3) if other != axis]
        if min(volume.shape[other] for other in others) == 1:
            continue
        rows, columns = (
            _nearest(volume.shape[other], spacing[other] / min(spacing[o] for o in others))
            for other in others
        )

        def cut(values, axis=axis, place=place, rows=rows, columns=columns):
            plane = np.take(values, place, axis=axis)[rows][:, columns]
            # NIfTI counts to the right, the front and the top; pictures go down.
            return np.rot90(plane) if volume.format == "NIfTI" else plane

        yield f"{_axis_name(volume, axis)} {place}", cut


def _nearest(count: int, factor: float) -> np.ndarray:
    """Indices that show each voxel as large as it is, beside the smallest side of one."""
    shown = min(max(round(count * factor), 1), max(_PAGE_SIDE, count))
    return (np.arange(shown) * count) // shown


def _axis_name(volume, axis):
    if volume.format in ("NIfTI", "NumPy"):
        return f"axis {axis + 1}, at"
    return (_layers(volume), "row", "column")[axis]


def _layers(volume):
    return "slice" if volume.format in ("DICOM", "TIFF") else "frame"


def _colours(volume, values):
    """What a picture shows of channels: the colours, or the first of a time series."""
    if values.ndim == 3:
        return values
    is_picture = volume.format != "NIfTI" and values.dtype in PHOTOGRAPHIC
    return values[..., :3] if is_picture and values.shape[3] >= 3 else values[..., 0]
