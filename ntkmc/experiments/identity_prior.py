"""Half an image filled in by networks that see the identity matrix: they copy the other half.

Figures 4B and 4C of Radhakrishnan et al. (PNAS 2022), by kernel regression and by training. The
identity matrix on a torus of side N is the same moved by (N/2, N/2), and so, if N/2 is a
multiple of the total subsampling, is everything a circular network makes of it: pixels (i, j) and
(i + N/2, j + N/2) get the same value, whatever the weights. Where the left half is observed, the
upper right quadrant is therefore the lower left one.
"""

import dataclasses
import time
from typing import Literal

import jax
import numpy as np
import pydantic
from jaxtyping import Bool, Float
from skimage.transform import resize

from ntkmc import datasets, plots, priors
from ntkmc.architecture import autoencoder
from ntkmc.config import Config
from ntkmc.experiments.comparison import Progress, Table, readable_seconds
from ntkmc.images import keep_observed
from ntkmc.inpainting import inpaint
from ntkmc.metrics import psnr
from ntkmc.report import Report
from ntkmc.results import ResultsFolder


class TrainingConfig(Config):
    """The network of finite width: Adam, batch normalization and a sigmoid at the end."""

    width: int = pydantic.Field(default=128, ge=1)
    steps: int = pydantic.Field(default=1000, ge=1)
    learning_rate: float = pydantic.Field(default=1e-2, gt=0)


class IdentityConfig(Config):
    """Schema of ``configs/identity_prior/*.yaml``."""

    experiment: Literal["identity_prior"]
    image: str = "rabbit"
    root: str | None = None
    side: int = pydantic.Field(default=128, ge=4, multiple_of=2)
    levels: int = pydantic.Field(default=6, ge=1)
    convs_per_level: int = pydantic.Field(default=2, ge=1)
    ridge: float = pydantic.Field(default=0.0, ge=0)
    training: TrainingConfig | None = TrainingConfig()
    seed: int = pydantic.Field(default=15, ge=0)


@dataclasses.dataclass(frozen=True)
class Half:
    """What one method made of the missing half.

    Attributes
    ----------
    method : "CNTK" or "finite network".
    image : (side, side, channels), observed pixels kept.
    translation : correlation of the filled half with the observed one moved by half the side along
        both axes, over pixels and channels.
    truth : the same with the half that is missing.
    psnr : dB, of the whole image.
    seconds : wall-clock time.
    """

    method: str
    image: Float[np.ndarray, "H W *C"]
    translation: float
    truth: float
    psnr: float
    seconds: float


def run(
    config: IdentityConfig, folder: ResultsFolder, progress: Progress | None = None
) -> list[Half]:
    """Run the experiment and write its results folder."""
    shape = (config.side, config.side)
    image = datasets.load_image(config.image, config.root).image
    image = resize(image, (*shape, *image.shape[2:]), anti_aliasing=True)
    mask = np.ones(shape, bool)
    mask[:, config.side // 2 :] = False

    halves = [_by_kernel(config, image, mask, progress)]
    if config.training:
        halves.append(_by_training(config, image, mask, progress))
    _write(folder, config, image, mask, halves)
    return halves


def table(halves: list[Half]) -> Table:
    """One row a method."""
    rows = [
        (
            half.method,
            f"{half.translation:.4f}",
            f"{half.truth:.4f}",
            f"{half.psnr:.2f}",
            readable_seconds(half.seconds),
        )
        for half in halves
    ]
    return ("method", "correlation: moved half", "missing half", "PSNR / dB", "seconds"), rows


def correlations(
    image: Float[np.ndarray, "H W *C"],
    mask: Bool[np.ndarray, "H W"],
    filled: Float[np.ndarray, "H W *C"],
) -> tuple[float, float]:
    """Of the filled half with the observed one moved by half a side, and with the missing one."""
    height, width = mask.shape
    moved = np.roll(image, (height // 2, width // 2), axis=(0, 1))
    made = filled[~mask].ravel()
    translation, truth = (
        float(np.corrcoef(made, other[~mask].ravel())[0, 1]) for other in (moved, image)
    )
    return translation, truth


def _by_kernel(config, image, mask, progress):
    network = autoencoder(config.levels, config.convs_per_level)
    features = priors.identity(mask.shape)
    hidden = keep_observed(image, mask, 0)
    start = time.perf_counter()
    result = inpaint(
        hidden, mask, network=network, prior=features, ridge=config.ridge, progress=progress
    )
    return _half("CNTK", image, mask, result.image, time.perf_counter() - start)


def _by_training(config, image, mask, progress):
    # Not at the top: flax takes long to import, and not every run needs it.
    import optax
    from flax import nnx

    from ntkmc.finite import from_architecture, train

    training = config.training
    module = from_architecture(
        autoencoder(config.levels, config.convs_per_level),
        training.width,
        1,
        1 if image.ndim == 2 else image.shape[2],
        parameterization="standard",
        batch_norm=True,
        sigmoid=True,
        rngs=nnx.Rngs(config.seed),
    )
    start = time.perf_counter()
    result = train(
        module,
        jax.numpy.moveaxis(priors.identity(mask.shape), 0, -1),
        keep_observed(image, mask, np.nan).astype(np.float32),
        mask,
        optimiser=optax.adam(training.learning_rate),
        steps=training.steps,
        seed=config.seed,
        progress=progress,
    )
    return _half("finite network", image, mask, result.image, time.perf_counter() - start)


def _half(method, image, mask, filled, seconds):
    filled = np.clip(filled.astype(np.float64), 0, 1)
    translation, truth = correlations(image, mask, filled)
    return Half(method, filled, translation, truth, psnr(image, filled), seconds)


def _write(folder, config, image, mask, halves):
    folder.write_text("config.yaml", config.to_yaml())
    folder.write_metrics(
        {"method": half.method, "metric": metric, "value": getattr(half, metric)}
        for half in halves
        for metric in ("translation", "truth", "psnr", "seconds")
    )
    report = Report(
        "The identity prior",
        "Networks that see the identity matrix fill in the missing half with the observed one, "
        "moved by half the side along both axes.",
    )
    moved = np.roll(image, (config.side // 2, config.side // 2), axis=(0, 1))
    pictures = {
        "observed": plots.hide_missing(image, mask),
        **{half.method: half.image for half in halves},
        "observed half, moved": keep_observed(image, mask, moved),
        "original": image,
    }
    report.pictures([(title, "", picture) for title, picture in pictures.items()])
    report.table(*table(halves))
    folder.write_figure("panels.png", plots.picture_panels(pictures))
    for half in halves:
        folder.write_image(f"{half.method.lower().replace(' ', '_')}.png", half.image)
    report.heading("Configuration")
    report.code(config.to_yaml())
    folder.write_summary(
        experiment=config.experiment,
        seed=config.seed,
        methods={
            half.method: {
                "translation": half.translation,
                "truth": half.truth,
                "psnr": half.psnr,
                "seconds": half.seconds,
            }
            for half in halves
        },
    )
    folder.write_text("report.html", report.html())
