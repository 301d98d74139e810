"""What the histology experiment compares: kernels of networks, and of colour histograms."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from ntkmc.baselines.colour_histogram import colour_histograms, histogram_kernel, mean_distance
from ntkmc.experiments.comparison import Progress
from ntkmc.experiments.histology_config import HistologyConfig
from ntkmc.kernels import gram

PLAIN = "CNN"
HISTOGRAM = "colour histogram"


class Grams(NamedTuple):
    """The kernel between training tiles, and of test tiles, upright and turned, with them."""

    train: Float[np.ndarray, "n n"]
    test: Float[np.ndarray, "t n"]
    turned: Float[np.ndarray, "t n"]


def method_name(group: str) -> str:
    """What the network with this group is called."""
    return PLAIN if group == "C1" else group


def quarter_turn(images: Float[np.ndarray, "n h h c"]) -> Float[np.ndarray, "n h h c"]:
    """All images turned by 90 degrees."""
    return np.rot90(images, axes=(1, 2))


def all_grams(
    config: HistologyConfig,
    train: Float[np.ndarray, "n h h c"],
    test: Float[np.ndarray, "t h h c"],
    progress: Progress | None,
) -> Iterator[tuple[str, str | None, Grams]]:
    """Method, kind and kernels of everything that is compared."""
    if config.checkpoints is not None:
        config.checkpoints.mkdir(parents=True, exist_ok=True)
    inputs = train.astype(config.dtype)
    both = np.concatenate([test, quarter_turn(test)]).astype(config.dtype)
    for group in config.groups:
        network, name = config.network_of(group), method_name(group)

        def kernels(part, x1, x2=None, network=network, name=name):
            def report(stage, done, total):
                if progress:
                    progress(f"{name}, {part}: {stage}", done, total)

            checkpoint = None
            if config.checkpoints is not None:
                checkpoint = config.checkpoints / f"{name}_{part}.npz"
            return gram(network, x1, x2, kind=config.kinds, progress=report, checkpoint=checkpoint)

        between, across = kernels("train", inputs), kernels("test", both, inputs)
        for kind in config.kinds:
            upright, turned = np.split(getattr(across, kind), 2)
            yield name, kind, Grams(getattr(between, kind), upright, turned)
    if config.histogram_bins is not None:
        yield HISTOGRAM, None, _histogram_grams(train, test, config.histogram_bins)


def _histogram_grams(train, test, bins: int) -> Grams:
    known, asked, turned = (
        colour_histograms(images, bins) for images in (train, test, quarter_turn(test))
    )
    scale = mean_distance(known)
    return Grams(*(histogram_kernel(one, known, scale) for one in (known, asked, turned)))
