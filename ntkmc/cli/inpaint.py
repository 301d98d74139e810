"""``ntkmc inpaint``: one image file in, one out."""

from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float

from ntkmc import plots
from ntkmc.architecture import autoencoder, to_yaml
from ntkmc.cli.console import progress_bars, say
from ntkmc.images import as_float, read_image, read_mask, write_image
from ntkmc.inpainting import InpaintResult
from ntkmc.inpainting import inpaint as solve
from ntkmc.memory import peak_bytes, readable
from ntkmc.report import Report
from ntkmc.selection import chosen, trials_table
from ntkmc.uncertainty import describe


def inpaint(
    path: Path,
    mask_path: Path | None,
    out: Path,
    levels: int | None,
    ridge: float | None,
    std: Path | None,
    report: bool,
    force: bool,
) -> None:
    """Fill in the missing pixels of the image at ``path`` and write it to ``out``.

    ``levels`` is that of the network, None to choose networks for the image. ``std`` is written
    only where it is given: one grey for each pixel, the root mean square over its channels.
    """
    page = out.with_suffix(".html")
    for target in (out, std, page if report else None):
        if target is not None and target.exists() and not force:
            raise FileExistsError(f"{target} exists; pass --force to replace it")
    stored = read_image(path)
    image, mask, alpha = _masked(stored, path, mask_path)
    with progress_bars() as progress:
        result = solve(
            image,
            mask,
            network="auto" if levels is None else autoencoder(levels),
            ridge=ridge,
            return_std=std is not None,
            progress=progress,
        )
    filled = result.image if alpha is None else _with_alpha(result.image, alpha)
    write_image(out, filled, bits=8 * stored.dtype.itemsize)
    say(
        f"{out}: {(~mask).sum():,} of {mask.size:,} pixels filled in, "
        f"relative residual {result.solve.relative_residual:.1e}"
    )
    if result.std is not None and std is not None:
        write_image(std, plots.over_channels(result.std), bits=16)
        say(f"{std}: standard deviations, {result.std[~mask].mean():.3g} on average")
    if report:
        page.write_text(_page(path.name, image, mask, result), encoding="utf-8")
        say(f"report: {page}")


def _masked(
    stored: np.ndarray, path: Path, mask_path: Path | None
) -> tuple[Float[np.ndarray, "H W *C"], Bool[np.ndarray, "H W"], Float[np.ndarray, "H W"] | None]:
    """The image to fill in, its mask, and the alpha that it had where alpha was the mask."""
    image = as_float(stored)
    if mask_path is not None:
        mask = read_mask(mask_path)
        if mask.shape != image.shape[:2]:
            raise ValueError(
                f"{mask_path} is {mask.shape[1]} x {mask.shape[0]} pixels and {path} "
                f"{image.shape[1]} x {image.shape[0]}; pass a mask of the image's size"
            )
        return image, mask, None
    if image.ndim == 3 and image.shape[2] in (2, 4) and (image[..., -1] == 0).any():
        alpha = image[..., -1]
        return image[..., 0] if image.shape[2] == 2 else image[..., :3], alpha > 0, alpha
    raise ValueError(
        f"{path} has no transparent pixels to fill in; pass --mask, an image of the same size "
        "that is white where a pixel is observed"
    )


def _with_alpha(image: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """The image with its alpha channel; what was filled in is opaque."""
    return np.dstack([image, np.where(alpha > 0, alpha, 1)])


def _page(name: str, image: np.ndarray, mask: np.ndarray, result: InpaintResult) -> str:
    page = Report(f"Inpainting {name}", "Filled in by an infinitely wide convolutional network.")
    page.pictures(
        [
            ("observed", f"{1 - mask.mean():.1%} missing", plots.hide_missing(image, mask)),
            ("filled in", "", result.image),
        ]
    )
    residuals = result.solve.residuals
    if residuals is not None and len(residuals) > 1:
        page.plots([("How the solver converged.", plots.residual_curve(np.asarray(residuals)))])
    if result.uncertainty is not None:
        page.heading("Uncertainty")
        caption = "Standard deviation of each pixel; observed ones have none."
        figure = plots.error_maps({"uncertainty": plots.over_channels(result.uncertainty.std)})
        page.plots([(caption, figure)])
        page.facts(describe(result.uncertainty))
    page.facts(
        {
            "image": " x ".join(str(side) for side in image.shape),
            "observed pixels": f"{mask.sum():,}",
            "solver": result.solve.method,
            "iterations": result.solve.iterations,
            "relative residual": f"{result.solve.relative_residual:.2e}",
            "time": " · ".join(f"{stage} {s:.1f} s" for stage, s in result.seconds.items()),
            "peak memory": readable(peak_bytes()),
        }
    )
    page.heading("Network")
    if result.selection is not None:
        page.paragraph(chosen(result.selection))
        page.table(*trials_table(result.selection))
    page.code(to_yaml(result.network))
    return page.html()
