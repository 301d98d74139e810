"""Images of which a part of the pixels is missing at random: SI Fig. 10, over several masks."""

import dataclasses
import time
from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Literal

import numpy as np
import pydantic
from jaxtyping import Float

from ntkmc import architecture, baselines, datasets, plots, priors
from ntkmc.config import Config
from ntkmc.experiments.comparison import Case, Completed, Progress, Table, readable_seconds, score
from ntkmc.images import keep_observed
from ntkmc.inpainting import InpaintResult, Selection, inpaint
from ntkmc.inpainting.selection import chosen, trials_table
from ntkmc.report import Report
from ntkmc.results import ResultsFolder
from ntkmc.solvers import EigenPro

METRICS = ("psnr", "ssim", "seconds")
Method = Literal["auto", "paper_network", "eigenpro", "deep_image_prior", "biharmonic"]


class ImageConfig(Config):
    """An image and, where it is one of the paper's, the settings there (SI appendix N.2)."""

    network: Annotated[Any, pydantic.AfterValidator(architecture.resolve)] = pydantic.Field(
        default={"autoencoder": {"levels": 6}}, description="Of paper_network and eigenpro."
    )
    ridge: float = pydantic.Field(default=0.0, ge=0)
    epochs: int = pydantic.Field(default=50, ge=1, description="Of EigenPro.")
    paper: dict[str, tuple[float] | tuple[float, float]] = pydantic.Field(
        default={}, description="PSNR in dB, and SSIM if known, of methods in a paper."
    )


class ReconstructionConfig(Config):
    """Schema of ``configs/reconstruction/*.yaml``."""

    experiment: Literal["reconstruction"]
    images: dict[str, ImageConfig] = pydantic.Field(min_length=1)
    missing: float = pydantic.Field(default=0.5, gt=0, lt=1)
    seeds: tuple[Annotated[int, pydantic.Field(ge=0)], ...] = pydantic.Field(
        default=(0, 1, 2), min_length=1, description="Of the masks."
    )
    methods: tuple[Method, ...] = ("auto", "paper_network", "biharmonic")
    steps: int = pydantic.Field(
        default=11_000, ge=1, description="Of the training of Deep Image Prior."
    )
    crop: int | None = pydantic.Field(
        default=None, ge=32, description="Side of the part in the middle that is used."
    )
    margin: int | None = pydantic.Field(default=None, ge=0, description="See ntkmc.inpaint.")
    prior: Annotated[Any, pydantic.AfterValidator(priors.resolve)] = "iid_uniform"


@dataclasses.dataclass(frozen=True)
class Outcome:
    """One method on one image and mask; `iterations` and `selection` where the method has them."""

    image: str
    seed: int
    done: Completed
    iterations: int | None = None
    selection: Selection | None = None


def run(
    config: ReconstructionConfig, folder: ResultsFolder, progress: Progress | None = None
) -> tuple[ReconstructionConfig, list[Outcome]]:
    """Run the experiment and write its results folder; metrics are written as they come."""
    images = {name: _image(name, config.crop) for name in config.images}
    folder.write_text("config.yaml", config.to_yaml())
    report = Report(
        "Image reconstruction",
        f"{config.missing:.0%} of the pixels missing at random, {len(config.seeds)} masks an "
        "image; the exact solution of infinitely wide networks beside other methods.",
    )
    outcomes: list[Outcome] = []
    for name, options in config.images.items():
        for seed in config.seeds:
            mask = datasets.random_mask(images[name].shape[:2], config.missing, seed)
            network = architecture.network_from_dict(options.network)
            case = Case(name, images[name], mask, network)
            for method in config.methods:
                if progress is not None:
                    progress(f"{name}, seed {seed}: {method}", 0, None)
                outcomes.append(_complete(case, method, seed, options, config))
                folder.write_metrics(_rows(outcomes))
            if seed == config.seeds[0]:
                _show(folder, report, case, [o for o in outcomes if o.image == name])
    columns, rows = table((config, outcomes))
    report.heading("All images")
    report.table(columns, rows)
    report.heading("Configuration")
    report.code(config.to_yaml())
    folder.write_summary(
        experiment=config.experiment,
        images={
            name: {
                method: {metric: _mean(outcomes, metric, method, name) for metric in METRICS}
                for method in config.methods
            }
            for name in config.images
        },
        average={
            method: {metric: _mean(outcomes, metric, method) for metric in METRICS}
            for method in config.methods
        },
        iterations={f"{o.image}, seed {o.seed}, {o.done.method}": o.iterations for o in outcomes},
    )
    folder.write_text("report.html", report.html())
    return config, outcomes


def table(outcome: tuple[ReconstructionConfig, list[Outcome]]) -> Table:
    """PSNR / SSIM over the masks, a row an image, the paper's columns beside ours."""
    config, outcomes = outcome
    told = list(dict.fromkeys(m for options in config.images.values() for m in options.paper))
    columns = ("image", *config.methods, *(f"paper: {method}" for method in told))
    rows = []
    for name, options in config.images.items():
        ours = [_cell(outcomes, method, name) for method in config.methods]
        theirs = [_pair(*options.paper[m]) if m in options.paper else "" for m in told]
        rows.append((name, *ours, *theirs))
    ours = [_cell(outcomes, method) for method in config.methods]
    whole = [m for m in told if all(m in options.paper for options in config.images.values())]
    theirs = [
        _pair(*np.mean([options.paper[m] for options in config.images.values()], axis=0))
        if m in whole
        else ""
        for m in told
    ]
    seconds = [readable_seconds(_mean(outcomes, "seconds", m)) for m in config.methods]
    return columns, [
        *rows,
        ("average", *ours, *theirs),
        ("seconds", *seconds, *("" for _ in told)),
    ]


def _pair(decibels: float, similarity: float | None = None) -> str:
    return f"{decibels:.2f}" if similarity is None else f"{decibels:.2f} / {similarity:.3f}"


def _cell(outcomes, method, image=None) -> str:
    return _pair(_mean(outcomes, "psnr", method, image), _mean(outcomes, "ssim", method, image))


def _mean(outcomes: Iterable[Outcome], metric: str, method: str, image: str | None = None) -> float:
    found = [
        getattr(o.done, metric)
        for o in outcomes
        if o.done.method == method and image in (None, o.image)
    ]
    return float(np.mean(found))


def _rows(outcomes: Iterable[Outcome]) -> list[Mapping[str, Any]]:
    return [
        {"case": o.image, "seed": o.seed, "method": o.done.method, "metric": metric, "value": value}
        for o in outcomes
        for metric, value in (
            *((metric, getattr(o.done, metric)) for metric in METRICS),
            ("iterations", o.iterations),
        )
        if value is not None
    ]


def _image(name: str, crop: int | None) -> Float[np.ndarray, "H W *C"]:
    image = datasets.load_image(name).image
    return image if crop is None else _middle(image, crop)


def _middle(image: Float[np.ndarray, "H W *C"], side: int) -> Float[np.ndarray, "h w *C"]:
    top, left = ((length - side) // 2 for length in image.shape[:2])
    if min(top, left) < 0:
        raise ValueError(f"crop was {side}, and an image is {image.shape[:2]}; pass less")
    return image[top : top + side, left : left + side]


def _complete(case: Case, method: str, seed: int, options: ImageConfig, config) -> Outcome:
    hidden = keep_observed(case.image, case.mask)
    start = time.perf_counter()
    if method == "biharmonic":
        image = baselines.biharmonic(hidden, case.mask)
        return Outcome(case.name, seed, score(case, method, image, time.perf_counter() - start))
    if method == "deep_image_prior":
        from ntkmc.finite import deep_image_prior  # flax takes seconds to import

        trained = deep_image_prior(hidden, case.mask, steps=config.steps, seed=seed)
        done = score(case, method, trained.image, time.perf_counter() - start)
        return Outcome(case.name, seed, done, trained.steps)
    result = _inpaint(hidden, case, method, options, config)
    done = score(case, method, np.clip(result.image, 0, 1), time.perf_counter() - start)
    steps = None if result.solve is None else result.solve.iterations
    return Outcome(case.name, seed, done, steps, result.selection)


def _inpaint(hidden, case: Case, method: str, options: ImageConfig, config) -> InpaintResult:
    prior = priors.from_dict(config.prior)
    if method == "auto":
        return inpaint(hidden, case.mask, network="auto", prior=prior, margin=config.margin)
    settings: dict[str, Any] = {"ridge": options.ridge}
    if method == "eigenpro":
        settings = {"solver": EigenPro(epochs=options.epochs, ridge=options.ridge)}
    # The paper's networks see no margin.
    return inpaint(hidden, case.mask, network=case.network, prior=prior, margin=0, **settings)


def _show(folder: ResultsFolder, report: Report, case: Case, outcomes: list[Outcome]) -> None:
    """The pictures of one image, first mask."""
    observed = plots.hide_missing(case.image, case.mask)
    pictures = [("observed", "", observed)]
    for outcome in outcomes:
        done = outcome.done
        note = f"{done.psnr:.2f} dB · SSIM {done.ssim:.3f} · {readable_seconds(done.seconds)} s"
        pictures.append((done.method, note, done.image))
        folder.write_image(f"{case.name}_{done.method}.png", done.image)
    pictures.append(("original", "", case.image))
    report.heading(case.name.capitalize())
    report.pictures(pictures)
    panels = plots.picture_panels({title: picture for title, _, picture in pictures})
    folder.write_figure(f"{case.name}_panels.png", panels)
    for outcome in outcomes:
        if outcome.selection is not None:
            report.paragraph(chosen(outcome.selection))
            report.table(*trials_table(outcome.selection))
