"""Inpainting one image with an infinitely wide network, against baselines."""

from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import pydantic

from ntkmc import architecture, datasets, priors
from ntkmc.config import Config
from ntkmc.experiments.comparison import BASELINES, Case, Comparison, Progress, compare, write
from ntkmc.results import ResultsFolder


def _known_baseline(name: str) -> str:
    if name not in BASELINES:
        raise ValueError(f"pass names among {', '.join(BASELINES)}")
    return name


def _network_or_auto(spelling: Any) -> Any:
    return spelling if spelling == "auto" else architecture.resolve(spelling)


class ImageConfig(Config):
    """Where the image and its mask come from: see ``ntkmc.datasets.load_image``."""

    name: str
    root: Path | None = None
    url: str | None = None
    missing: float | None = pydantic.Field(
        default=None,
        gt=0,
        lt=1,
        description="Fraction of pixels to take away at random, in place of the image's own mask.",
    )
    hole: tuple[int, int] | None = pydantic.Field(
        default=None,
        description="Height and width of a rectangle in the middle to take away in place of it.",
    )

    @pydantic.model_validator(mode="after")
    def _one_mask(self):
        if self.missing is not None and self.hole is not None:
            raise ValueError("missing and hole were both set; pass one of them")
        return self


class SolverConfig(Config):
    """How the linear system is solved: see ``ntkmc.inpaint``."""

    name: str = "auto"
    ridge: float | None = pydantic.Field(default=None, ge=0)
    rtol: float = pydantic.Field(default=1e-5, gt=0)


class InpaintingConfig(Config):
    """Schema of ``configs/inpainting/*.yaml``."""

    experiment: Literal["inpainting"]
    image: ImageConfig
    network: Annotated[Any, pydantic.AfterValidator(_network_or_auto)] = pydantic.Field(
        default={"autoencoder": {"levels": 6}}, description="'auto' chooses one for the image."
    )
    prior: Annotated[Any, pydantic.AfterValidator(priors.resolve)] = "iid_uniform"
    kind: Literal["ntk", "nngp"] = "ntk"
    solver: SolverConfig = SolverConfig()
    dtype: Literal["float32", "float64"] = "float32"
    baselines: tuple[Annotated[str, pydantic.AfterValidator(_known_baseline)], ...] = (
        "biharmonic",
    )
    seed: int = pydantic.Field(default=0, ge=0)


def image_and_mask(config: InpaintingConfig) -> tuple[datasets.MaskedImage, np.ndarray]:
    """The image of a configuration, and the mask that it comes with or that is drawn for it.

    Raises
    ------
    ValueError
        If the image comes without a mask and neither ``image.missing`` nor ``image.hole`` is set,
        or the hole does not lie within it.
    """
    data = datasets.load_image(config.image.name, config.image.root, config.image.url)
    mask = data.mask
    if config.image.missing is not None:
        mask = datasets.random_mask(data.image.shape[:2], config.image.missing, config.seed)
    elif config.image.hole is not None:
        mask = datasets.hole_mask(data.image.shape[:2], config.image.hole)
    if mask is None:
        raise ValueError(
            f"image {data.name!r} has no mask; set image.missing, such as 0.5, or image.hole, such "
            "as [32, 32]"
        )
    return data, mask


def settings(config: InpaintingConfig) -> dict[str, Any]:
    """The keyword arguments of ``ntkmc.inpaint`` that a configuration spells."""
    return {
        "prior": priors.from_dict(config.prior),
        "kind": config.kind,
        "solver": config.solver.name,
        "ridge": config.solver.ridge,
        "rtol": config.solver.rtol,
        "dtype": config.dtype,
    }


def run(
    config: InpaintingConfig, folder: ResultsFolder, progress: Progress | None = None
) -> list[Comparison]:
    """Run the experiment and write its results folder; raises what `image_and_mask` does."""
    data, mask = image_and_mask(config)
    auto = config.network == "auto"
    network = "auto" if auto else architecture.network_from_dict(config.network)
    case = Case(data.name, data.image, mask, network)
    comparison = compare(case, settings(config), config.baselines, progress)
    write(
        folder,
        [comparison],
        title=f"Inpainting {data.name}",
        lead="The exact solution of an infinitely wide convolutional network, at full resolution.",
        config=config.to_yaml(),
        summary={
            "experiment": config.experiment,
            "seed": config.seed,
            "dtype": config.dtype,
        },
    )
    return [comparison]
