"""The demonstration: a photograph that scikit-image carries, with a hole and with half missing."""

import math

import numpy as np
import skimage

from ntkmc.architecture import autoencoder
from ntkmc.config import Config
from ntkmc.datasets import hole_mask, random_mask
from ntkmc.experiments.comparison import Case, Comparison, Progress, compare, write
from ntkmc.results import ResultsFolder

SMALLEST, LARGEST = 128, 512


class DemoConfig(Config):
    """What the demonstration can be told."""

    size: int = 256
    seed: int = 0


def cases(config: DemoConfig) -> list[Case]:
    """The photograph, ``size`` pixels square, with a hole and with half of its pixels missing."""
    if not SMALLEST <= config.size <= LARGEST:
        raise ValueError(f"size was {config.size}; pass {SMALLEST} to {LARGEST} pixels")
    photograph = skimage.util.img_as_float(skimage.data.astronaut())
    shape = (config.size, config.size)
    image = np.clip(skimage.transform.resize(photograph, shape, anti_aliasing=True), 0, 1)
    side = config.size // 6
    hole = hole_mask(shape, (side, side), corner=(config.size // 2, config.size // 2))
    half = random_mask(shape, 0.5, config.seed)
    # A hole is filled in from pixels at most 2**levels away; its middle is half a side away.
    # Of what lies between single pixels the image itself tells enough to choose a network by.
    levels = math.ceil(math.log2(side / 2))
    return [
        Case("hole", image, hole, autoencoder(levels)),
        Case("half_missing", image, half, "auto"),
    ]


def run(
    config: DemoConfig, folder: ResultsFolder, progress: Progress | None = None
) -> list[Comparison]:
    """Complete both and write a results folder."""
    comparisons = [compare(case, {}, progress=progress) for case in cases(config)]
    write(
        folder,
        comparisons,
        title="Inpainting with an infinitely wide network",
        lead="One photograph, twice: with a hole in it, and with half of its pixels missing. "
        "Each was filled in by the exact solution of an infinitely wide convolutional network "
        "that saw nothing but the remaining pixels.",
        config=config.to_yaml(),
        summary={"experiment": "demo", "seed": config.seed, "dtype": "float32"},
    )
    return comparisons
