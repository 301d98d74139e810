"""What the drug-response experiment shows: the paper's tables and figures of its outcomes."""

import numpy as np

from ntkmc import plots
from ntkmc.experiments.cmap_config import CmapConfig
from ntkmc.experiments.cmap_profiles import add_profiles
from ntkmc.experiments.cmap_results import Results
from ntkmc.experiments.comparison import Table, readable_seconds
from ntkmc.report import Report
from ntkmc.response_metrics import METRICS
from ntkmc.results import ResultsFolder

TESTED = ("mean R2", "mean cosine", "mean of the three")
SUBSETS = ("all", "dense", "sparse")


def table(results: Results, subset: str = "all") -> Table:
    """One row a method: the measures, means over seeds; and seconds a fold."""
    rows = [
        (
            method,
            *(f"{results.mean(method, metric, subset):.4f}" for metric in METRICS),
            readable_seconds(float(np.median([one.seconds for one in results.of(method)]))),
        )
        for method in results.methods
        if np.isfinite(results.mean(method, "mean R2", subset))
    ]
    return ("method", *METRICS, "seconds a fold"), rows


def fold_table(results: Results, first: str, second: str, seed: int, subset: str = "all") -> Table:
    """Two methods fold by fold, laid out as in SI figures 5 to 7: their Pearson r last."""
    columns = (
        "CV round",
        *(f"{metric}, {name}" for metric in TESTED[:2] for name in (first, second)),
    )
    values = [
        results.by_fold(name, metric, subset)[results.config.seeds.index(seed)]
        for metric in TESTED[:2]
        for name in (first, second)
    ]
    rows = [
        (str(fold + 1), *(f"{value:.3f}" for value in line))
        for fold, line in enumerate(zip(*values, strict=True))
    ]
    pooled = (results.pooled(name, seed, subset) for name in (first, second))
    of_all = [f"{scores.pearson_r:.3f}" for scores in pooled if scores is not None]
    return columns, [*rows, ("Pearson r", *of_all, "", "")]


def improvement_table(results: Results, subset: str = "all") -> Table:
    """One row a pair of methods: of all folds, in how many the second is better."""
    rows = []
    for first, second in results.config.pairs:
        differences = {
            metric: results.by_fold(second, metric, subset) - results.by_fold(first, metric, subset)
            for metric in METRICS
        }
        shares = (
            f"{int((d > 0).sum())} of {int(np.isfinite(d).sum())}" for d in differences.values()
        )
        rows.append((f"{second} better than {first}", *shares))
    return ("folds in which", *METRICS), rows


def test_table(results: Results) -> Table:
    """One row a method: our method's mean improvement on it, t and p, for each tested measure."""
    ours = results.config.ours
    rows = []
    for method in results.methods:
        if method == ours:
            continue
        tests = [results.test(ours, method, metric) for metric in TESTED]
        cells = (f"{one.difference:+.4f}  t {one.t:.1f}  p {one.p:.1e}" for one in tests)
        rows.append((method, *cells))
    return (f"{ours} against", *TESTED), rows


def write(folder: ResultsFolder, results: Results) -> None:
    """Write all files of a results folder."""
    config = results.config
    folder.write_text("config.yaml", config.to_yaml())
    folder.write_metrics(_metric_rows(results))
    report = Report(
        f"Imputing the drug responses of {config.data.path.name}",
        f"{len(results.imputed)} profiles of {len(results.imputed.genes)} genes, "
        + _about_folds(config),
    )
    figure = plots.availability_map(results.imputed, results.reference)
    folder.write_figure("availability.png", figure)
    report.plots([("Which drugs were measured in which cell lines (figure 2a).", figure)])
    subsets = SUBSETS[:1] if _all_or_none(results) else SUBSETS
    for subset in subsets:
        columns, rows = table(results, subset)
        title = _title(subset)
        report.heading(title)
        if subset != "all":
            than = "At least" if subset == "dense" else "Fewer than"
            report.paragraph(f"{than} {config.dense} profiles.")
        best = [row[0] for row in rows].index(config.ours)
        report.table(columns, rows, best)
        figure = plots.metric_bars(
            {
                method: [results.mean(method, metric, subset) for metric in METRICS]
                for method in results.methods
            },
            list(METRICS),
            config.ours,
        )
        folder.write_figure(f"bars_{subset}.png", figure)
        report.plots([(f"Means over seeds (figure 2), {title.lower()}.", figure)])
    if len(results.outcomes) > 2 * len(results.methods) - 1:
        report.heading("Is it by chance?")
        report.paragraph(
            "The corrected test of repeated cross-validation (SI appendix I), one-sided: mean "
            "difference over folds, t, and the probability of such a t by chance."
        )
        report.table(*test_table(results))
    for subset in subsets if config.pairs else ():
        report.heading(f"Fold by fold, {_title(subset).lower()}")
        report.table(*improvement_table(results, subset))
        for first, second in config.pairs:
            for seed in config.seeds:
                report.paragraph(f"Seed {seed}: {first} and {second}.")
                report.table(*fold_table(results, first, second, seed, subset))
    add_profiles(folder, report, results)
    if np.isfinite(results.coverage()):
        report.heading("Calibration")
        report.paragraph(
            f"Of held-out entries {100 * results.coverage():.1f} % lie within the 90 % intervals "
            f"of {config.ours}."
        )
    report.heading("Configuration")
    report.code(config.to_yaml())
    folder.write_summary(**_summary(results))
    folder.write_text("report.html", report.html())


def _about_folds(config: CmapConfig) -> str:
    if config.split == "few":
        return f"{len(config.seeds)} folds that leave {config.few} profiles of every cell line."
    return f"{len(config.seeds)} x {config.folds} folds that hold out " + (
        "a share of every cell line." if config.split == "profiles" else "whole cell lines."
    )


def _title(subset: str) -> str:
    return f"{subset.capitalize()} cell lines"


def _all_or_none(results: Results) -> bool:
    """Whether one of the subsets has all profiles, and the other none."""
    dense = np.concatenate([one.dense for one in results.of(results.config.ours)])
    return bool(dense.all() or not dense.any())


def _metric_rows(results):
    named = {**METRICS, "correlation": "correlation", "correlation p": "correlation_p"}
    for one in results.outcomes:
        place = {"method": one.method, "seed": one.seed, "fold": one.fold + 1}
        for metric, attribute in named.items():
            yield {**place, "metric": metric, "value": getattr(one.scores, attribute)}
        yield {**place, "metric": "seconds", "value": one.seconds}
        if np.isfinite(one.covered):
            yield {**place, "metric": "covered", "value": one.covered}


def _summary(results):
    config = results.config
    return {
        "experiment": config.experiment,
        "profiles": len(results.imputed),
        "metrics": {
            method: {metric: results.mean(method, metric) for metric in METRICS}
            for method in results.methods
        },
        "by_seed": {
            method: {
                seed: {
                    **{m: getattr(results.pooled(method, seed), a) for m, a in METRICS.items()},
                    "correlation": results.pooled(method, seed).correlation,
                    "correlation p": results.pooled(method, seed).correlation_p,
                }
                for seed in config.seeds
            }
            for method in results.methods
        },
        "p": {
            method: {metric: results.test(config.ours, method, metric).p for metric in TESTED}
            for method in results.methods
            if method != config.ours
        },
        "coverage": results.coverage(),
    }
