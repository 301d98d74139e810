"""Networks of finite width beside the one of infinite width, on one image."""

import dataclasses
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import pydantic
from jaxtyping import Bool, Float

from ntkmc import architecture, plots, priors
from ntkmc.config import Config
from ntkmc.experiments.comparison import (
    Case,
    Comparison,
    Completed,
    Progress,
    Table,
    compare,
    comparison_table,
    score,
    write,
)
from ntkmc.experiments.inpainting import InpaintingConfig, image_and_mask, settings
from ntkmc.results import ResultsFolder


class TrainingConfig(Config):
    """The network of finite width and how it is trained: see ``ntkmc.finite``.

    The defaults are the paper's for large holes (SI appendix N.1), and the deep image prior's where
    the paper does not say: 32 channels of features, 128 of everything else.
    """

    width: int = pydantic.Field(default=128, ge=1)
    feature_channels: int = pydantic.Field(default=32, ge=1)
    parameterization: Literal["ntk", "standard"] = "standard"
    batch_norm: bool = True
    sigmoid: bool = True
    skip_channels: int = pydantic.Field(default=0, ge=0)
    learning_rate: float = pydantic.Field(default=1e-2, gt=0, description="Of Adam.")
    steps: int = pydantic.Field(default=1000, ge=1)
    held_out: float = pydantic.Field(
        default=0.02,
        ge=0,
        lt=1,
        description="Of the observed pixels, in a second training that stops where they are best.",
    )
    checkpoints: Path | None = pydantic.Field(
        default=None, description="A folder to resume from, and to leave states in."
    )
    checkpoint_every: int = pydantic.Field(default=500, ge=1)


class FiniteWidthConfig(InpaintingConfig):
    """Schema of ``configs/finite_width/*.yaml``: that of inpainting, and the training."""

    experiment: Literal["finite_width"]  # type: ignore[assignment]
    network: Annotated[Any, pydantic.AfterValidator(architecture.resolve)] = pydantic.Field(
        default={"autoencoder": {"levels": 6}}
    )
    shrink: int = pydantic.Field(
        default=1, ge=1, description="Pixels of the image on each side of one pixel that is used."
    )
    training: TrainingConfig = TrainingConfig()
    paper: dict[str, float] = pydantic.Field(
        default={}, description="PSNR of methods in the paper, to print beside ours."
    )


def run(
    config: FiniteWidthConfig, folder: ResultsFolder, progress: Progress | None = None
) -> tuple[FiniteWidthConfig, Comparison]:
    """Run the experiment and write its results folder.

    Raises
    ------
    ValueError
        If the image comes without a mask.
    """
    case = _case(config)
    comparison = compare(case, settings(config), config.baselines, progress)
    exact, *baselines = comparison.completed
    trained, figures = [], []
    for method, held_out in (("network", 0.0), ("network_held_out", config.training.held_out)):
        if method == "network" or held_out:
            done, figure = _train(case, config, method, held_out, progress)
            trained.append(done)
            figures.append(figure)
    comparison = dataclasses.replace(
        comparison, completed=(exact, *trained, *baselines), figures=tuple(figures)
    )
    told = "".join(f" The paper: {name} {value:.2f} dB." for name, value in config.paper.items())
    write(
        folder,
        [comparison],
        title=f"Finite and infinite width: {case.name}",
        lead="A convolutional network of finite width, trained with Adam and stopped where it is "
        "nearest to the truth (network) or to observed pixels kept from it (network_held_out), "
        f"beside the exact solution at infinite width.{told}",
        config=config.to_yaml(),
        summary={
            "experiment": config.experiment,
            "seed": config.seed,
            "dtype": config.dtype,
            "paper": config.paper,
        },
    )
    return config, comparison


def table(outcome: tuple[FiniteWidthConfig, Comparison]) -> Table:
    """The table of an inpainting, with the paper's column where the configuration has one."""
    config, comparison = outcome
    columns, rows = comparison_table([comparison])
    if not config.paper:
        return columns, rows
    paper = [f"{config.paper[row[1]]:.2f}" if row[1] in config.paper else "" for row in rows]
    return (*columns, "paper"), [(*row, p) for row, p in zip(rows, paper, strict=True)]


def shrunk(
    image: Float[np.ndarray, "H W *C"], mask: Bool[np.ndarray, "H W"], factor: int
) -> tuple[Float[np.ndarray, "h w *C"], Bool[np.ndarray, "h w"]]:
    """Means of blocks of ``factor`` x ``factor`` pixels, observed where all of them are."""
    height, width = (side // factor for side in mask.shape)
    whole = (slice(height * factor), slice(width * factor))
    blocks = (height, factor, width, factor)
    means = image[whole].reshape(*blocks, *image.shape[2:]).mean(axis=(1, 3))
    return means, np.asarray(mask[whole].reshape(blocks).all(axis=(1, 3)))


def _case(config) -> Case:
    data, mask = image_and_mask(config)
    network = architecture.network_from_dict(config.network)
    return Case(data.name, *shrunk(data.image, mask, config.shrink), network)


def _train(case: Case, config, method: str, held_out: float, progress: Progress | None):
    """One training: what it completed, and (file, caption, figure) of how it went."""
    # Not at the top: they take long to import, and not every experiment needs them.
    import jax
    import optax
    from flax import nnx

    from ntkmc.finite import from_architecture, train

    options = config.training
    network = architecture.network_from_dict(config.network)
    multiple = network.side_multiple
    sides = (-(-side // multiple) * multiple for side in case.mask.shape)
    features_key, weights_key = jax.random.split(jax.random.key(config.seed))
    prior = priors.from_dict(config.prior)
    module = from_architecture(
        network,
        options.width,
        options.feature_channels,
        1 if case.image.ndim == 2 else case.image.shape[2],
        parameterization=options.parameterization,
        batch_norm=options.batch_norm,
        sigmoid=options.sigmoid,
        skip_channels=options.skip_channels,
        rngs=nnx.Rngs(params=weights_key),
    )

    def told(stage, done, total):
        if progress is not None:
            progress(method, done, total)

    result = train(
        module,
        prior.sample(features_key, (*sides, options.feature_channels)),
        case.image,
        case.mask,
        optimiser=optax.adam(options.learning_rate),
        steps=options.steps,
        truth=case.image,
        held_out=held_out,
        seed=config.seed,
        checkpoint=None if options.checkpoints is None else options.checkpoints / method,
        checkpoint_every=options.checkpoint_every,
        progress=told,
    )
    stopped = result.held_out if held_out else result.best
    assert stopped is not None  # there is a truth
    completed: Completed = score(
        case, method, np.clip(stopped.image.astype(np.float64), 0, 1), result.seconds
    )
    curves = {"completed image, against the truth": result.history["psnr"]}
    if held_out:
        curves["held-out pixels"] = result.history["held_out_psnr"]
    figure = plots.training_curves(curves, {"stopped here": (stopped.step, stopped.psnr)})
    caption = f"How {method} was trained; stopped after {stopped.step} of {result.steps} steps."
    return completed, (f"{case.name}_{method}_training.png", caption, figure)
