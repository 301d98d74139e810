"""Which pixels a network fills in another one from: rows of its kernel as pictures.

Figure 4A of Radhakrishnan et al. (PNAS 2022), the kernel at one pixel for several numbers of levels
and feature priors; and SI figure 11, the balls that its level sets are.
"""

from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np
import pydantic
from jaxtyping import Float

from ntkmc import plots, priors
from ntkmc.architecture import autoencoder
from ntkmc.config import Config
from ntkmc.experiments.comparison import Progress, Table
from ntkmc.kernels import GridKernel, PeriodicKernel, padded_shape
from ntkmc.report import Report
from ntkmc.results import ResultsFolder

PriorName = Literal["uniform", "identity", "meshgrid"]
Side = Annotated[int, pydantic.Field(ge=2)]
Share = Annotated[float, pydantic.Field(ge=0, lt=1)]


class BallsConfig(Config):
    """The level sets of one kernel of the uniform prior.

    The paper calls its thresholds percentiles; as shares of the kernel's largest value they begin
    where its constant far value ends (0.38 for this network), which is what its figure shows.
    """

    levels: int = pydantic.Field(default=5, ge=1)
    pixel: tuple[int, int] = (64, 64)
    thresholds: tuple[Share, ...] = (0.42, 0.43, 0.45, 0.5, 0.6, 0.7, 0.8, 0.9)


class HeatmapsConfig(Config):
    """Schema of ``configs/kernel_heatmaps/*.yaml``."""

    experiment: Literal["kernel_heatmaps"]
    side: Side = 128
    pixel: tuple[int, int] = (104, 14)
    levels: tuple[Annotated[int, pydantic.Field(ge=1)], ...] = (1, 2, 3, 4, 5, 6)
    convs_per_level: int = pydantic.Field(default=2, ge=1)
    priors: tuple[PriorName, ...] = ("uniform", "identity", "meshgrid")
    balls: BallsConfig | None = BallsConfig()


@dataclass(frozen=True)
class HeatMap:
    """One row of a kernel.

    Attributes
    ----------
    prior, levels : whose kernel it is.
    row : (side, side), K(pixel, x).
    nearby : of what the kernel has above its smallest value, the share within an eighth of the side
        of the pixel, around the edges; a kernel that knows no places has pi / 64, 0.049.
    """

    prior: str
    levels: int
    row: Float[np.ndarray, "H W"]
    nearby: float


def run(
    config: HeatmapsConfig, folder: ResultsFolder, progress: Progress | None = None
) -> list[HeatMap]:
    """Run the experiment and write its results folder.

    Raises
    ------
    ValueError
        If a pixel lies outside of the image.
    """
    for pixel in (config.pixel, *([config.balls.pixel] if config.balls else [])):
        if not all(0 <= place < config.side for place in pixel):
            raise ValueError(f"pixel was {pixel}; pass one within {config.side} x {config.side}")
    made = [
        _heat_map(config, prior, levels, progress)
        for prior in config.priors
        for levels in config.levels
    ]
    balls = None
    if config.balls:
        row = _row(config, "uniform", config.balls.levels, config.balls.pixel, progress)
        balls = {
            f"above {share:g} of the largest": level_set(row, share)
            for share in config.balls.thresholds
        }
    _write(folder, config, made, balls)
    return made


def table(made: list[HeatMap]) -> Table:
    """One row a prior: the share of the kernel that is nearby, for each number of levels."""
    levels = sorted({one.levels for one in made})
    rows = [
        (prior, *(f"{_find(made, prior, s).nearby:.3f}" for s in levels))
        for prior in dict.fromkeys(one.prior for one in made)
    ]
    return ("nearby share", *(f"levels={s}" for s in levels)), rows


def level_set(row: Float[np.ndarray, "H W"], share: float) -> Float[np.ndarray, "H W"]:
    """Where the row is above this share of its largest value: brighter for larger, else 0."""
    scaled = (row - row.min()) / (row.max() - row.min())
    return np.where(row > share * row.max(), 0.3 + 0.7 * scaled, 0)


def nearby_share(row: Float[np.ndarray, "H W"], pixel: tuple[int, int]) -> float:
    """Of the kernel above its smallest value, the share within an eighth of the side of a pixel."""
    distances = [
        np.abs((np.arange(side) - place + side // 2) % side - side // 2)
        for side, place in zip(row.shape, pixel, strict=True)
    ]
    near = np.hypot(distances[0][:, None], distances[1]) <= row.shape[0] / 8
    excess = row - row.min()
    return float(excess[near].sum() / excess.sum())


def _heat_map(config, prior, levels, progress):
    row = _row(config, prior, levels, config.pixel, progress)
    return HeatMap(prior, levels, row, nearby_share(row, config.pixel))


def _row(config, prior, levels, pixel, progress) -> np.ndarray:
    network = autoencoder(levels, config.convs_per_level)
    shape = (config.side, config.side)
    if prior == "uniform":
        # Infinitely many channels of it, on a torus that may have to be larger than the image.
        kernel = PeriodicKernel.build(network, padded_shape(network, shape))
        return np.asarray(kernel.row(pixel), np.float64)[: shape[0], : shape[1]]
    features = getattr(priors, prior)(shape)
    return np.asarray(GridKernel.build(network, features, progress=progress).row(pixel), np.float64)


def _find(made, prior, levels):
    return next(one for one in made if (one.prior, one.levels) == (prior, levels))


def _write(folder, config, made, balls):
    folder.write_text("config.yaml", config.to_yaml())
    folder.write_metrics(
        {"prior": one.prior, "levels": one.levels, "metric": "nearby", "value": one.nearby}
        for one in made
    )
    report = Report(
        "What a pixel is filled in from",
        f"The tangent kernel at pixel {config.pixel} of {config.side} x {config.side}: brighter "
        "pixels count for more.",
    )
    rows = {(one.prior, one.levels): one.row for one in made}
    grid = plots.heat_map_grid(rows, config.pixel)
    folder.write_figure("heat_maps.png", grid)
    report.plots([("Feature priors, and levels of the network; each on a scale of its own.", grid)])
    report.heading("Nearby share")
    report.paragraph(
        "Of what the kernel has above its smallest value, how much lies within an eighth of the "
        "side of the pixel. A kernel that knows no places has 0.049."
    )
    report.table(*table(made))
    if balls:
        figure = plots.picture_panels(balls, columns=4)
        folder.write_figure("balls.png", figure)
        report.heading(f"Level sets, {config.balls.levels} levels")
        report.plots([("What is above a threshold: balls of different norms.", figure)])
    report.heading("Configuration")
    report.code(config.to_yaml())
    folder.write_summary(
        experiment=config.experiment,
        nearby={f"{one.prior}, {one.levels}": one.nearby for one in made},
    )
    folder.write_text("report.html", report.html())
