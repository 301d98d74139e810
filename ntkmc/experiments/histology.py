"""Classes of tissue from few tiles: networks that are invariant under turns, and plain ones."""

import functools

import numpy as np

from ntkmc.classification import KernelClassifier, nested_orders
from ntkmc.datasets.histology import Tiles, load_tiles
from ntkmc.experiments import histology_report
from ntkmc.experiments.comparison import Progress
from ntkmc.experiments.histology_config import HistologyConfig
from ntkmc.experiments.histology_methods import Grams, all_grams
from ntkmc.experiments.histology_report import Outcome, Results
from ntkmc.results import ResultsFolder


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
