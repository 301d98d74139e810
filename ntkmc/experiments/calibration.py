"""Whether stated uncertainties are right: how many held-out pixels lie within their intervals.

Pixels are taken away at random from images that are known. The ridge and the distribution of errors
are fitted to those that remain (``ntkmc.fit_noise``), the others are predicted with intervals,
and counted.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import pydantic
import scipy.stats
from jaxtyping import Float

from ntkmc import architecture, datasets, plots, priors
from ntkmc.config import Config
from ntkmc.experiments.comparison import Progress, Table
from ntkmc.images import keep_observed
from ntkmc.inpainting import MARGIN, Noise, fit_noise, inpaint
from ntkmc.kernels import PeriodicKernel, padded_shape
from ntkmc.metrics import psnr
from ntkmc.report import Report
from ntkmc.results import ResultsFolder

LEVELS = np.append(np.arange(0.05, 0.951, 0.05), 0.99)
SHOWN = (0.5, 0.9)  # of these, in tables
FITTED, TEXTBOOK = "fitted", "marginal likelihood"


class CalibrationConfig(Config):
    """Schema of ``configs/calibration/*.yaml``."""

    experiment: Literal["calibration"]
    images: tuple[str, ...] = pydantic.Field(min_length=1)
    root: Path | None = None
    url: str | None = None
    missing: float = pydantic.Field(default=0.5, gt=0, lt=1)
    network: Annotated[Any, pydantic.AfterValidator(architecture.resolve)] = pydantic.Field(
        default={"autoencoder": {"levels": 4}}
    )
    prior: Annotated[Any, pydantic.AfterValidator(priors.resolve)] = "iid_uniform"
    kind: Literal["ntk", "nngp"] = "ntk"
    margin: int = pydantic.Field(default=MARGIN, ge=0)
    ridges: tuple[Annotated[float, pydantic.Field(ge=0)], ...] = pydantic.Field(
        default=(0.0, 1e-3, 1e-2, 3e-2, 0.1), min_length=1
    )
    seed: int = pydantic.Field(default=0, ge=0)


@dataclass(frozen=True)
class Calibrated:
    """Errors and intervals on the held-out pixels of one image.

    Attributes
    ----------
    name : of the image.
    covered : (levels,) share of pixels within the interval of each of ``LEVELS``, by the fitted
        intervals and by the Gaussian process's own, scaled by marginal likelihood.
    noise : what was fitted.
    mean_std, rmse : mean standard deviation and root mean square error of held-out pixels.
    rank_correlation : Spearman's, between standard deviations and absolute errors.
    psnr : of the whole image, in dB.
    discrepancy : of standard deviations, see ``ntkmc.Uncertainty``.
    seconds : of the uncertainty alone.
    std, error : (H, W), standard deviations and absolute errors, 0 where observed.
    """

    name: str
    covered: dict[str, Float[np.ndarray, " levels"]]
    noise: Noise
    mean_std: float
    rmse: float
    rank_correlation: float
    psnr: float
    discrepancy: float
    seconds: float
    std: Float[np.ndarray, "H W"]
    error: Float[np.ndarray, "H W"]

    def at(self, intervals: str, level: float) -> float:
        """Share of pixels within intervals of one of ``LEVELS``."""
        return float(self.covered[intervals][np.argmin(np.abs(LEVELS - level))])


def run(
    config: CalibrationConfig, folder: ResultsFolder, progress: Progress | None = None
) -> list[Calibrated]:
    """Run the experiment and write its results folder."""
    images = [datasets.load_image(name, config.root, config.url) for name in config.images]
    made = [_calibrate(config, data.name, data.image, progress) for data in images]
    _write(folder, config, made)
    return made


def table(made: list[Calibrated]) -> Table:
    """One row an image, and one for their mean."""
    rows = [_row(one.name, f"{one.noise.ridge:g}", *_numbers(one)) for one in made]
    means = np.mean([_numbers(one) for one in made], axis=0)
    rows.append(_row("mean", "", *means))
    columns = ("image", "ridge", "50%", "90%", "ML 50%", "ML 90%", "std", "RMSE", "rank")
    return columns, rows


def _numbers(one):
    shares = [one.at(name, level) for name in (FITTED, TEXTBOOK) for level in SHOWN]
    return (*shares, one.mean_std, one.rmse, one.rank_correlation)


def _row(name, ridge, *numbers):
    shares, (std, rmse, correlation) = numbers[:4], numbers[4:]
    shown = (f"{100 * share:.1f}" for share in shares)
    return (name, ridge, *shown, f"{std:.4f}", f"{rmse:.4f}", f"{correlation:.2f}")


def _calibrate(config, name, image, progress) -> Calibrated:
    mask = datasets.random_mask(image.shape[:2], config.missing, config.seed)
    model = {
        "network": architecture.network_from_dict(config.network),
        "prior": priors.from_dict(config.prior),
        "kind": config.kind,
    }
    extent = mask.shape[0] + config.margin, mask.shape[1] + config.margin
    kernel = PeriodicKernel.build(shape=padded_shape(model["network"], extent), **model)
    rows, columns = np.nonzero(mask)
    noise = fit_noise(kernel, (rows, columns), image[mask], config.ridges, seed=config.seed)
    hidden = keep_observed(image, mask)
    settings = {**model, "ridge": noise.ridge, "progress": progress}
    result = inpaint(hidden, mask, margin=config.margin, return_std=True, **settings)
    return _count(name, image, result)


def _count(name, image, result) -> Calibrated:
    known, missing = result.uncertainty, ~result.mask
    error = np.abs(result.image - image)
    held_out, std = error[missing], known.std[missing]
    plain = np.multiply.outer(np.sqrt(known.variance[missing]), known.marginal_scale)
    return Calibrated(
        name,
        {
            FITTED: _covered(held_out / std, known.noise.half_width),
            TEXTBOOK: _covered(held_out / plain, lambda x: scipy.stats.norm.ppf((1 + x) / 2)),
        },
        known.noise,
        float(std.mean()),
        float(np.sqrt(np.mean(held_out**2))),
        float(scipy.stats.spearmanr(std, held_out, axis=None).statistic),
        psnr(image, result.image),
        known.discrepancy,
        result.seconds["uncertainty"],
        plots.over_channels(known.std),
        plots.over_channels(error),
    )


def _covered(standardised, half_width):
    return np.array([np.mean(standardised <= half_width(level)) for level in LEVELS])


def _write(folder: ResultsFolder, config: CalibrationConfig, made: list[Calibrated]) -> None:
    folder.write_text("config.yaml", config.to_yaml())
    folder.write_metrics(
        {"image": one.name, "intervals": intervals, "level": f"{level:.2f}", "covered": share}
        for one in made
        for intervals, shares in one.covered.items()
        for level, share in zip(LEVELS, shares, strict=True)
    )
    report = Report(
        "Calibration",
        f"{config.missing:.0%} of the pixels were taken away at random and predicted with "
        "intervals; how many of them lie within.",
    )
    curves = plots.reliability_curves(
        LEVELS, {name: np.array([one.covered[name] for one in made]) for name in made[0].covered}
    )
    folder.write_figure("reliability.png", curves)
    report.plots([("Thick: the mean over images; thin: each of them.", curves)])
    report.table(*table(made))
    report.paragraph(
        "Shares of held-out pixels within 50% and 90% intervals: Student-t with a local scale, "
        "fitted to observed pixels that were left out; and (ML) Gaussian with the one scale of "
        "highest marginal likelihood. Then the mean of the fitted standard deviations, the root "
        "mean square error, and Spearman's rank correlation between deviations and absolute errors."
    )
    for one in made:
        maps = plots.error_maps({"standard deviation": one.std, "absolute error": one.error})
        folder.write_figure(f"{one.name}_uncertainty.png", maps)
        report.plots([(f"{one.name}: {one.psnr:.2f} dB", maps)])
    report.heading("Configuration")
    report.code(config.to_yaml())
    folder.write_summary(
        experiment=config.experiment,
        seed=config.seed,
        mean_coverage={
            name: {level: np.mean([one.at(name, level) for one in made]) for level in SHOWN}
            for name in made[0].covered
        },
        images={one.name: _summary(one) for one in made},
    )
    folder.write_text("report.html", report.html())


def _summary(one: Calibrated) -> dict[str, Any]:
    return {
        "coverage": {name: {x: one.at(name, x) for x in SHOWN} for name in one.covered},
        "mean_std": one.mean_std,
        "rmse": one.rmse,
        "rank_correlation": one.rank_correlation,
        "psnr": one.psnr,
        "ridge": one.noise.ridge,
        "share": one.noise.share,
        "freedom": one.noise.freedom,
        "discrepancy": one.discrepancy,
        "seconds": one.seconds,
    }
