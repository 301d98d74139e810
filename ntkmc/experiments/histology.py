"""Classes of tissue from few tiles: networks that are invariant under turns, and plain ones."""

import functools
import itertools
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import pydantic

from ntkmc import architecture
from ntkmc.classification import KernelClassifier, nested_orders
from ntkmc.config import Config
from ntkmc.datasets.histology import Tiles, load_tiles
from ntkmc.experiments import histology_report
from ntkmc.experiments.comparison import Progress
from ntkmc.experiments.histology_methods import Grams, all_grams, with_group
from ntkmc.experiments.histology_report import Outcome, Results
from ntkmc.groups import POINT_GROUPS
from ntkmc.results import ResultsFolder


def _known_group(name: str) -> str:
    if name not in POINT_GROUPS:
        raise ValueError(f"pass one of {', '.join(POINT_GROUPS)}")
    return name


class TilesConfig(Config):
    """Where tiles come from: see ``ntkmc.datasets.load_tiles``."""

    name: str = pydantic.Field(description="What results are reported under.")
    train: Path
    test: Path | None = pydantic.Field(
        description="May be the file that `train` is; null: training tiles that are put aside."
    )
    root: Path | None = None
    size: int = pydantic.Field(default=32, ge=3, description="Pixels a side, averaged down to.")
    train_per_class: int | None = pydantic.Field(
        default=None, ge=1, description="So many training tiles of a class, of which seeds draw."
    )
    test_per_class: int | None = pydantic.Field(default=None, ge=1)
    seed: int = pydantic.Field(default=0, ge=0, description="Of which tiles of a class.")

    @pydantic.model_validator(mode="after")
    def _says_how_many_to_put_aside(self):
        if self.test is None and self.test_per_class is None:
            raise ValueError("test was null; pass test_per_class, how many tiles to put aside")
        return self


Ridge = Literal["loo"] | Annotated[float, pydantic.Field(ge=0)]


class RidgesConfig(Config):
    """Relative to the mean of a kernel's diagonal; "loo": chosen by leave-one-out.

    With two tiles of each class that chooses far too much: of each left-out tile's class there is
    then one left, and two of every other.
    """

    ntk: Ridge = 1e-5
    nngp: Ridge = 1e-3
    histogram: Ridge = "loo"


class HistologyConfig(Config):
    """Schema of ``configs/histology/*.yaml``."""

    experiment: Literal["histology"]
    data: TilesConfig
    network: Annotated[Any, pydantic.AfterValidator(architecture.resolve)] = pydantic.Field(
        description="Of which the group is replaced by each of `groups`."
    )
    groups: tuple[Annotated[str, pydantic.AfterValidator(_known_group)], ...] = (
        "C1",
        "C2",
        "C4",
        "D4",
    )
    kinds: tuple[Literal["ntk", "nngp"], ...] = pydantic.Field(
        default=("ntk", "nngp"), min_length=1
    )
    histogram_bins: int | None = pydantic.Field(
        default=8, ge=2, description="Of a channel, for the colour histograms; null: without them."
    )
    ridge: RidgesConfig = RidgesConfig()
    dtype: Literal["float32", "float64"] = pydantic.Field(
        default="float32",
        description="Of the networks' kernels. Small ridges enlarge the rounding of float32, so "
        "that one prediction in a hundred may change with a turn that should change none.",
    )
    sizes: tuple[Annotated[int, pydantic.Field(ge=2)], ...] = pydantic.Field(
        default=(10, 20, 50, 100, 200, 500, 1000), min_length=1, description="Training tiles."
    )
    seeds: tuple[int, ...] = pydantic.Field(default=(0, 1, 2, 3, 4), min_length=2)
    confidence: float = pydantic.Field(default=0.95, gt=0, lt=1)
    checkpoints: Path | None = pydantic.Field(
        default=None, description="A folder to keep kernels in, which another run goes on with."
    )

    @pydantic.model_validator(mode="after")
    def _repeats_nothing(self):
        for name in ("groups", "kinds", "seeds", "sizes"):
            values = getattr(self, name)
            if len(set(values)) < len(values):
                raise ValueError(f"{name} was {list(values)}; pass each once")
        if self.groups[:1] != ("C1",):
            raise ValueError(
                f"groups was {list(self.groups)}; pass C1, the plain network, first: the others "
                "are compared with it"
            )
        if any(one >= next_one for one, next_one in itertools.pairwise(self.sizes)):
            raise ValueError(f"sizes was {list(self.sizes)}; pass the smallest first")
        return self

    @pydantic.model_validator(mode="after")
    def _networks_fit(self):
        for group in self.groups:
            network = self.network_of(group)
            if architecture.check_structure(network) is not architecture.Domain.VECTOR:
                raise ValueError(
                    "the network ends in pixels, and it is to give a tile a number for each "
                    "class; end it with global_avg_pool or flatten, and dense"
                )
            architecture.check(network, (self.data.size, self.data.size))
        return self

    def network_of(self, group: str) -> architecture.Network:
        """The network that is spelled, with this group in place of its own."""
        return with_group(architecture.network_from_dict(self.network), group)


def run(
    config: HistologyConfig, folder: ResultsFolder, progress: Progress | None = None
) -> Results:
    """Run the experiment and write its results folder.

    Raises
    ------
    FileNotFoundError, ValueError
        As ``load_tiles`` does; or if a training set would have more tiles than there are, or fewer
        than classes.
    """
    train, test = load(config, progress)
    orders = np.stack([nested_orders(train.labels, config.sizes[-1], s) for s in config.seeds])
    # Kernels are between tiles that any seed draws, once; seeds and sizes take parts of them.
    used, places = np.unique(orders, return_inverse=True)
    places = places.reshape(orders.shape)
    outcomes = [
        _outcome(
            method, kind, grams, train.labels[used], len(train.classes), places, config, progress
        )
        for method, kind, grams in all_grams(config, train.images[used], test.images, progress)
    ]
    results = Results(config, train, test, orders, tuple(outcomes))
    histology_report.write(folder, results)
    return results


def load(config: HistologyConfig, progress: Progress | None = None) -> tuple[Tiles, Tiles]:
    """Training and test tiles; labels of both are positions in the training tiles' classes."""
    data = config.data
    read = functools.partial(
        load_tiles, size=data.size, seed=data.seed, root=data.root, progress=progress
    )
    if data.test is None:
        aside = data.test_per_class or 0  # which the schema has seen to
        both = data.train_per_class and data.train_per_class + aside
        train, test = _put_aside(read(data.train, "train", per_class=both), aside, data.seed)
    else:
        train = read(data.train, "train", per_class=data.train_per_class)
        test = read(data.test, "test", classes=train.classes, per_class=data.test_per_class)
    if config.sizes[-1] > len(train):
        raise ValueError(
            f"sizes was {list(config.sizes)}, and there are {len(train)} training tiles; "
            "pass no more than that, or a larger data.train_per_class"
        )
    if config.sizes[0] < len(train.classes):
        raise ValueError(
            f"sizes was {list(config.sizes)}, and there are {len(train.classes)} classes; "
            "pass at least one tile for each"
        )
    return train, test


def _put_aside(tiles: Tiles, per_class: int, seed: int) -> tuple[Tiles, Tiles]:
    """Training tiles, and so many of each class for testing."""
    counts = np.bincount(tiles.labels, minlength=len(tiles.classes))
    if counts.min() <= per_class:
        raise ValueError(
            f"data.test_per_class was {per_class}, and there are {counts.min()} tiles of "
            f"{tiles.classes[counts.argmin()]}; pass a smaller number, so that some are left"
        )
    places = nested_orders(tiles.labels, per_class * len(counts), seed)
    left = np.setdiff1d(np.arange(len(tiles)), places)
    return tiles.take(left), tiles.take(np.sort(places))


def _outcome(
    method: str,
    kind: str | None,
    grams: Grams,
    labels: np.ndarray,
    classes: int,
    places: np.ndarray,
    config: HistologyConfig,
    progress: Progress | None,
) -> Outcome:
    shape = (len(config.seeds), len(config.sizes), len(grams.test))
    outcome = Outcome(
        method,
        kind,
        predicted=np.empty(shape, np.int64),
        turned=np.empty(shape, np.int64),
        score_change=np.empty(shape[:2]),
        ridges=np.empty(shape[:2]),
    )
    for at in np.ndindex(shape[:2]):
        chosen = places[at[0], : config.sizes[at[1]]]
        classifier = KernelClassifier.fit(
            grams.train[np.ix_(chosen, chosen)],
            labels[chosen],
            classes,
            getattr(config.ridge, kind or "histogram"),
        )
        upright = classifier.scores(grams.test[:, chosen])
        turned = classifier.scores(grams.turned[:, chosen])
        outcome.predicted[at], outcome.turned[at] = upright.argmax(axis=1), turned.argmax(axis=1)
        outcome.score_change[at] = abs(turned - upright).max()
        outcome.ridges[at] = classifier.ridge
        if progress:
            done = at[0] * shape[1] + at[1] + 1
            progress(f"{outcome.name}: regression", done, shape[0] * shape[1])
    return outcome
