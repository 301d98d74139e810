"""What the histology experiment shows: accuracies, differences, confusions, and turned tiles."""

import dataclasses

import numpy as np
from jaxtyping import Float, Int

from ntkmc import plots
from ntkmc.classification import Interval, crossed_interval
from ntkmc.datasets.histology import Tiles
from ntkmc.experiments.comparison import Table
from ntkmc.experiments.histology_config import HistologyConfig
from ntkmc.experiments.histology_methods import HISTOGRAM, PLAIN, method_name
from ntkmc.report import Report
from ntkmc.results import ResultsFolder

_SHOWN = 8  # example tiles of a class


@dataclasses.dataclass(frozen=True)
class Outcome:
    """What a method said of the test tiles, for each seed and number of training tiles.

    Attributes
    ----------
    method : "CNN", the name of a group, or "colour histogram".
    kind : "ntk" or "nngp", or None where there is no such thing.
    predicted : classes of the test tiles.
    turned : classes of the same tiles turned by 90 degrees.
    score_change : the largest difference between scores of a tile and of the turned tile.
    ridges : relative to the mean of the kernel's diagonal.
    """

    method: str
    kind: str | None
    predicted: Int[np.ndarray, "seeds sizes tiles"]
    turned: Int[np.ndarray, "seeds sizes tiles"]
    score_change: Float[np.ndarray, "seeds sizes"]
    ridges: Float[np.ndarray, "seeds sizes"]

    @property
    def name(self) -> str:
        """Method and kind."""
        return self.method if self.kind is None else f"{self.method} {self.kind.upper()}"

    @property
    def changed(self) -> Float[np.ndarray, "seeds sizes"]:
        """The share of test tiles that are given another class when they are turned."""
        return (self.predicted != self.turned).mean(axis=2)


@dataclasses.dataclass(frozen=True)
class Results:
    """Outcomes of all methods, and what they were given.

    Attributes
    ----------
    config : HistologyConfig
    train, test : Tiles
    orders : of the training tiles; the first n are the training set of n.
    outcomes : kinds within methods, in the order of the configuration; the histogram's last.
    """

    config: HistologyConfig
    train: Tiles
    test: Tiles
    orders: Int[np.ndarray, "seeds largest"]
    outcomes: tuple[Outcome, ...]

    def of(self, method: str, kind: str | None) -> Outcome:
        """The outcome of a method with a kernel."""
        return next(one for one in self.outcomes if (one.method, one.kind) == (method, kind))

    def right(self, outcome: Outcome, turned: bool = False) -> Float[np.ndarray, "seeds sizes t"]:
        """One where the class is right, zero where it is wrong."""
        said = outcome.turned if turned else outcome.predicted
        return (said == self.test.labels).astype(np.float64)

    def accuracy(self, outcome: Outcome, turned: bool = False) -> list[Interval]:
        """For each size, over seeds and test tiles."""
        return self._intervals(self.right(outcome, turned))

    def difference(self, outcome: Outcome) -> list[Interval]:
        """For each size: accuracy less that of the plain network, with the same tiles and kind."""
        plain = self.of(PLAIN, outcome.kind)
        return self._intervals(self.right(outcome) - self.right(plain))

    def confusion(self, outcome: Outcome) -> Float[np.ndarray, "k k"]:
        """With the most training tiles: of each true class, the shares it was taken for."""
        k = len(self.test.classes)
        said = outcome.predicted[:, -1]
        true = np.broadcast_to(self.test.labels, said.shape)
        counts = np.bincount((true * k + said).ravel(), minlength=k * k).reshape(k, k)
        return counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)

    def equivariant(self, kind: str) -> list[Outcome]:
        """Those of a kind, without the plain network."""
        return [one for one in self.outcomes if one.kind == kind and one.method != PLAIN]

    def _intervals(self, values) -> list[Interval]:
        return [
            crossed_interval(values[:, size], self.config.confidence)
            for size in range(values.shape[1])
        ]


def table(results: Results) -> Table:
    """One row a method: accuracies in per cent for each number of training tiles.

    Below them, what the invariant networks are better by than the plain one, with intervals.
    """
    sizes = results.config.sizes
    rows = [
        (one.name, *(f"{100 * at.mean:.1f}" for at in results.accuracy(one)))
        for one in results.outcomes
    ]
    for kind in results.config.kinds:
        for one in results.equivariant(kind):
            name = f"{one.name} - {PLAIN}"
            rows.append((name, *map(_signed, results.difference(one))))
    return ("accuracy / %", *(f"{size} tiles" for size in sizes)), rows


def turn_table(results: Results) -> Table:
    """One row a method: what turning the test tiles does, with the most training tiles."""
    rows = [
        (
            one.name,
            _percent(results.accuracy(one)[-1]),
            _percent(results.accuracy(one, turned=True)[-1]),
            f"{one.changed[:, -1].mean():.1%}",
            f"{one.score_change[:, -1].max():.1e}",
        )
        for one in results.outcomes
    ]
    head = ("method", "upright / %", "turned / %", "predictions that change", "largest change")
    return head, rows


def _percent(at: Interval) -> str:
    return f"{100 * at.mean:.1f} ({100 * at.low:.1f} to {100 * at.high:.1f})"


def _signed(at: Interval) -> str:
    return f"{100 * at.mean:+.1f} ({100 * at.low:+.1f} to {100 * at.high:+.1f})"


def write(folder: ResultsFolder, results: Results) -> None:
    """Write all files of a results folder."""
    config = results.config
    folder.write_text("config.yaml", config.to_yaml())
    folder.write_metrics(_metric_rows(results))
    figures = _figures(results)
    for name, (_, figure) in figures.items():
        folder.write_figure(f"{name}.png", figure)
    folder.write_summary(**_summary(results))
    report = Report(
        f"Classes of tissue: {config.data.name}",
        f"{len(results.test.classes)} classes, {config.data.size} x {config.data.size} pixels, "
        f"training sets of {config.sizes[0]} to {config.sizes[-1]} tiles, "
        f"{len(config.seeds)} of each; {len(results.test)} test tiles.",
    )
    report.plots([figures["tiles"]])
    report.heading("Accuracy")
    report.plots([figures["accuracy"], figures["difference"]])
    report.table(*table(results))
    report.paragraph(_about_intervals(config))
    report.heading("Confusions")
    report.plots([figures["confusion"]])
    report.heading("Turned tiles")
    report.plots([figures["turned"]])
    report.table(*turn_table(results))
    report.heading("Configuration")
    report.code(config.to_yaml())
    folder.write_text("report.html", report.html())


def _about_intervals(config) -> str:
    return (
        f"In brackets: {config.confidence:.0%} intervals for other training and other test tiles. "
        "A seed draws one random order in which classes take turns, and its first tiles are the "
        "training set; differences are between networks with the same tiles."
    )


def _figures(results: Results):
    config, largest = results.config, results.config.sizes[-1]
    histogram = [one for one in results.outcomes if one.method == HISTOGRAM]
    by_kind = {
        kind: [results.of(method_name(group), kind) for group in config.groups]
        for kind in config.kinds
    }
    first = by_kind[config.kinds[0]]
    compared = list(dict.fromkeys([first[0].method, first[-1].method]))
    shown = [one for one in first if one.method in compared] + histogram
    accuracy = plots.size_curves(
        config.sizes,
        {
            kind.upper(): {one.method: _line(results.accuracy(one)) for one in its + histogram}
            for kind, its in by_kind.items()
        },
        "training tiles",
        "accuracy / %",
    )
    difference = plots.size_curves(
        config.sizes,
        {
            kind.upper(): {one.method: _line(results.difference(one)) for one in its}
            for kind, its in by_kind.items()
        },
        "training tiles",
        f"accuracy less that of the {PLAIN} / %",
    )
    confusion = plots.confusion_matrices(
        {one.name: results.confusion(one) for one in shown}, results.test.classes
    )
    turned = plots.turn_test(
        {
            one.method: tuple(_line(results.accuracy(one, t)[-1:]) for t in (False, True))
            for one in first + histogram
        },
        {one.method: one.changed[:, -1] for one in first + histogram},
    )
    kind = config.kinds[0].upper()
    return {
        "tiles": (f"Training tiles of {config.data.name}.", _examples(results)),
        "accuracy": ("Accuracy on test tiles.", accuracy),
        "difference": ("What invariance adds: differences with the same tiles.", difference),
        "confusion": (f"With {largest} training tiles, in per cent of a true class.", confusion),
        "turned": (f"The same test tiles turned, {kind}, {largest} training tiles.", turned),
    }


def _line(intervals: list[Interval]):
    values = np.array([at.mean for at in intervals])
    return values, np.array([(at.low, at.high) for at in intervals])


def _examples(results: Results):
    train = results.train
    rows = {}
    for label, name in enumerate(train.classes):
        rows[name] = train.images[np.flatnonzero(train.labels == label)]
    count = min(_SHOWN, *(len(images) for images in rows.values()))
    spread = {
        name: images[np.linspace(0, len(images) - 1, count).astype(int)]
        for name, images in rows.items()
    }
    return plots.image_rows(spread)


def _metric_rows(results: Results):
    for one in results.outcomes:
        upright, turned = (results.right(one, t).mean(axis=2) for t in (False, True))
        for at in np.ndindex(upright.shape):
            yield {
                "method": one.method,
                "kernel": one.kind,
                "seed": results.config.seeds[at[0]],
                "training_tiles": results.config.sizes[at[1]],
                "accuracy": upright[at],
                "accuracy_turned": turned[at],
                "predictions_changed": one.changed[at],
                "score_change": one.score_change[at],
                "ridge": one.ridges[at],
            }


def _summary(results: Results):
    config = results.config
    return {
        "experiment": config.experiment,
        "data": config.data.name,
        "seeds": config.seeds,
        "classes": results.test.classes,
        "training_tiles": len(results.train),
        "test_tiles": len(results.test),
        "sizes": config.sizes,
        "accuracy": {
            one.name: [dataclasses.asdict(at) for at in results.accuracy(one)]
            for one in results.outcomes
        },
        "difference_to_plain": {
            one.name: [dataclasses.asdict(at) for at in results.difference(one)]
            for kind in config.kinds
            for one in results.equivariant(kind)
        },
        "predictions_changed_by_a_turn": {
            one.name: one.changed[:, -1].mean() for one in results.outcomes
        },
        "confusion": {one.name: results.confusion(one) for one in results.outcomes},
    }
