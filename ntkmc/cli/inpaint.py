"""``ntkmc inpaint``: one image file in, one out."""

import dataclasses
import math
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from jaxtyping import Bool

from ntkmc import plots
from ntkmc.architecture import autoencoder, to_yaml
from ntkmc.cli.console import progress_bars, say
from ntkmc.cli.filled_from_page import show_filled_from
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
from ntkmc.inpainting.facts import prior_sentence, prior_table, solve_facts
from ntkmc.inpainting.regression import POSITIONS
from ntkmc.inpainting.selection import chosen, trials_table
from ntkmc.inpainting.uncertainty import describe
from ntkmc.memory import peak_bytes, readable
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
    _check_targets({"--out": out, "--std": std, "--report": page if report else None}, force)
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
    how = "".join(f", {name} {value}" for name, value in solve_facts(result).items())
    say(f"{out}: {picture.missing.sum():,} of {picture.missing.size:,} pixels filled in{how}")
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


def _check_targets(targets: Mapping[str, Path | None], force: bool) -> None:
    seen: dict[Path, str] = {}
    for option, target in targets.items():
        if target is None:
            continue
        other = seen.setdefault(target.resolve(), option)
        if other != option:
            raise ValueError(f"{other} and {option} would both write {target}; name another file")
        if target.exists() and not force:
            raise FileExistsError(f"{target} exists; pass --force to replace it")


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


def _shown(values: np.ndarray, picture: _Picture) -> np.ndarray:
    """Values to look at: where they are not in [0, 1], from the least observed to the largest."""
    seen = picture.colours[picture.observed].astype(np.float64)
    low, high = seen.min(), seen.max()
    if low >= 0 and high <= 1:
        low, high = 0.0, 1.0
    return np.nan_to_num((values - low) / (high - low or 1))


def _page(name: str, picture: _Picture, result: InpaintResult) -> str:
    observed = plots.hide_missing(_shown(picture.colours, picture), picture.observed)
    filled = _shown(keep_observed(picture.colours, ~picture.missing, result.image), picture)
    page = Report(f"Inpainting {name}", "Filled in by an infinitely wide convolutional network.")
    page.pictures(
        [
            ("observed", f"{picture.missing.mean():.1%} missing", observed),
            ("filled in", "", filled),
        ]
    )
    if result.solve is not None and len(result.solve.residuals) > 1:
        curve = plots.residual_curve(np.asarray(result.solve.residuals))
        page.plots([("How the solver converged.", curve)])
    if result.uncertainty is not None:
        page.heading("Uncertainty")
        caption = "Standard deviation of each pixel; observed ones have none."
        figure = plots.error_maps({"uncertainty": plots.over_channels(result.uncertainty.std)})
        page.plots([(caption, figure)])
        page.facts(describe(result.uncertainty))
    page.facts(
        {
            "image": " x ".join(str(side) for side in picture.colours.shape),
            "observed pixels": f"{picture.observed.sum():,}",
            **solve_facts(result),
            "time": " · ".join(f"{stage} {s:.1f} s" for stage, s in result.seconds.items()),
            "peak memory": readable(peak_bytes()),
        }
    )
    page.heading("Network")
    if result.selection is not None:
        page.paragraph(chosen(result.selection))
        page.table(*trials_table(result.selection))
    page.code(to_yaml(result.network))
    if result.image_prior is not None:
        page.heading("Prior made of the image")
        page.paragraph(prior_sentence(result.image_prior))
        page.table(*prior_table(result.image_prior))
        if result.image_prior.used:
            show_filled_from(page, result.image_prior, result.mask, result.image, filled)
    return page.html()
