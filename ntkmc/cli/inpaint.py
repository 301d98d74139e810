"""``ntkmc inpaint``: one image file in, one out."""

import dataclasses
import math
from pathlib import Path

import numpy as np
from jaxtyping import Bool

from ntkmc import plots
from ntkmc.architecture import autoencoder
from ntkmc.cli.console import progress_bars, say
from ntkmc.cli.filled_from_page import show_filled_from
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
from ntkmc.images import (
    PHOTOGRAPHIC,
    as_float,
    holds,
    keep_observed,
    read_image,
    read_mask,
    require_held,
    write_image,
)
from ntkmc.inpainting import InpaintResult
from ntkmc.inpainting import inpaint as solve
from ntkmc.inpainting.regression import POSITIONS
from ntkmc.report import Report


def inpaint(
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
    """Fill in the missing pixels of the image at ``path`` and write it to ``out``.

    ``levels`` is that of the network, None to choose networks for the image; ``prior`` is "image"
    for one made of it. ``std`` is written only where it is given: one grey for each pixel, the root
    mean square over its channels.
    """
    page = out.with_suffix(".html")
    check_targets({"--out": out, "--std": std, "--report": page if report else None}, force)
    stored = read_image(path)
    picture = _masked(stored, path, mask_path)
    bits = _bits(out, picture, stored)
    std_bits = None if std is None else _std_bits(std, picture)
    with progress_bars() as progress:
        result = solve(
            picture.colours,
            picture.observed,
            network="auto" if levels is None else autoencoder(levels),
            ridge=ridge,
            prior=prior or POSITIONS,
            return_std=std is not None,
            progress=progress,
        )
    filled = keep_observed(picture.colours, ~picture.missing, result.image)
    if picture.alpha is not None:
        filled = np.dstack([filled, _opaque_where(picture.missing, picture.alpha)])
    write_image(out, filled, bits)
    filled_in = f"{picture.missing.sum():,} of {picture.missing.size:,} pixels filled in"
    say(f"{out}: {filled_in}{how(result)}")
    if result.std is not None and std is not None:
        deviations = np.where(picture.missing, plots.over_channels(result.std), 0)
        write_image(std, deviations.astype(np.float32), std_bits)
        say(f"{std}: standard deviations, {deviations[picture.missing].mean():.3g} on average")
    if report:
        page.write_text(_page(path.name, picture, result), encoding="utf-8")
        say(f"report: {page}")


@dataclasses.dataclass(frozen=True)
class _Picture:
    """An image to fill in.

    ``colours`` are in [0, 1] where the file has 8 or 16 bits, otherwise as they are stored.
    ``missing`` pixels are filled in; ``observed`` are those that tell how. Transparent pixels are
    not observed, nor are those that are NaN; where there is a mask and it does not say that they
    are missing, they are neither, and stay as they are.
    """

    source: Path
    colours: np.ndarray
    alpha: np.ndarray | None
    missing: Bool[np.ndarray, "H W"]
    observed: Bool[np.ndarray, "H W"]


def _bits(path: Path, picture: _Picture, stored: np.ndarray) -> int | None:
    """Bits a value of the file to write, None for values as they are; refuses what it cannot hold.

    Floats in [0, 1] become integers where the format holds no floats.
    """
    channels = math.prod(stored.shape[2:])
    if stored.dtype.kind != "f" or holds(path, stored.dtype, channels):
        require_held(path, stored.dtype, channels)
        return 8 * stored.dtype.itemsize if stored.dtype in PHOTOGRAPHIC else None
    _require_unit_range(path, picture)
    if holds(path, np.uint16, channels):
        return 16
    require_held(path, np.uint8, channels)
    return 8


def _std_bits(path: Path, picture: _Picture) -> int | None:
    """The same for the standard deviations."""
    if holds(path, np.float32):
        return None
    _require_unit_range(path, picture)
    require_held(path, np.uint16)
    return 16


def _require_unit_range(path: Path, picture: _Picture) -> None:
    seen = picture.colours[picture.observed]
    if seen.size and not (seen.min() >= 0 and seen.max() <= 1):
        raise ValueError(
            f"{path} would hold values from 0 to 1, and those of {picture.source} go from "
            f"{seen.min():g} to {seen.max():g}; pass a name that ends in .tif, which holds them"
        )


def _masked(stored: np.ndarray, path: Path, mask_path: Path | None) -> _Picture:
    image = as_float(stored) if stored.dtype in PHOTOGRAPHIC else stored
    colours, alpha = image, None
    if image.ndim == 3 and image.shape[2] in (2, 4):
        colours, alpha = image[..., 0] if image.shape[2] == 2 else image[..., :3], image[..., -1]
    seen = ~np.isnan(colours).reshape(*image.shape[:2], -1).any(axis=2)
    if alpha is not None:
        seen &= alpha > 0
    if mask_path is None:
        missing = ~seen
        remedy = "pass --mask, an image of the same size that is white where a pixel is observed"
        if not missing.any():
            what = "pixels that are NaN" if stored.dtype.kind == "f" else "transparent pixels"
            raise ValueError(f"{path} has no {what} to fill in; {remedy}")
    else:
        missing = ~read_mask(mask_path)
        if missing.shape != image.shape[:2]:
            raise ValueError(
                f"{mask_path} is {missing.shape[1]} x {missing.shape[0]} pixels and {path} "
                f"{image.shape[1]} x {image.shape[0]}; pass a mask of the image's size"
            )
        if not missing.any():
            raise ValueError(f"nothing is missing: {mask_path} is white (observed) everywhere")
    return _Picture(path, colours, alpha, missing, seen & ~missing)


def _opaque_where(missing: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """The alpha channel of what was filled in; it is that of the image elsewhere."""
    opaque = 1 if alpha.dtype.kind == "f" else np.iinfo(alpha.dtype).max
    return np.where(missing, opaque, alpha).astype(alpha.dtype)


def _page(name: str, picture: _Picture, result: InpaintResult) -> str:
    shown = to_look_at(picture.colours, picture.colours, picture.observed)
    completed = keep_observed(picture.colours, ~picture.missing, result.image)
    filled = to_look_at(completed, picture.colours, picture.observed)
    page = Report(f"Inpainting {name}", LEAD)
    page.pictures(
        [
            (
                "observed",
                f"{picture.missing.mean():.1%} missing",
                plots.hide_missing(shown, picture.observed),
            ),
            ("filled in", "", filled),
        ]
    )
    add_convergence(page, result)
    if result.std is not None:
        add_uncertainty(page, result, {"uncertainty": plots.over_channels(result.std)}, "pixel")
    facts = {
        "image": " x ".join(str(side) for side in picture.colours.shape),
        "observed pixels": f"{picture.observed.sum():,}",
    }
    add_facts(page, result, facts)
    add_network(page, result)
    if result.image_prior is not None and result.image_prior.used:
        show_filled_from(page, result.image_prior, result.mask, result.image, filled)
    return page.html()
