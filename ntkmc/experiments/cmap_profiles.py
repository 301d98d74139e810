"""Imputed profiles of the drug-response experiment: saved, and held against the measured ones.

``predictions.npz`` has a row for each held-out profile of the saved seeds, in the order of seeds
and folds: ``drug``, ``cell``, ``seed``, ``fold`` (from 1) and ``truth`` (rows, genes); the names
``genes`` and ``methods``; and ``predicted`` (methods, rows, genes). Profiles are float32.
"""

import numpy as np

from ntkmc import plots
from ntkmc.experiments.cmap_results import Results
from ntkmc.experiments.comparison import Table
from ntkmc.report import Report
from ntkmc.results import ResultsFolder


def predictions(results: Results) -> dict[str, np.ndarray]:
    """The arrays of ``predictions.npz``; none where no seed is saved."""
    saved = {
        method: [one for one in results.of(method) if one.profiles is not None]
        for method in results.methods
    }
    ours = saved[results.config.ours]
    if not ours:
        return {}
    imputed = results.imputed
    drug = np.concatenate([one.drug for one in ours])
    cell = np.concatenate([one.cell for one in ours])
    counts = [len(one.drug) for one in ours]
    return {
        "drug": np.array(imputed.drugs)[drug],
        "cell": np.array(imputed.cells)[cell],
        "seed": np.repeat([one.seed for one in ours], counts),
        "fold": np.repeat([one.fold + 1 for one in ours], counts),
        "genes": np.array(imputed.genes),
        "methods": np.array(results.methods),
        "truth": imputed.profiles[imputed.places()[drug, cell]].astype(np.float32),
        "predicted": np.stack(
            [np.concatenate([one.profiles for one in its]) for its in saved.values()]
        ),
    }


def correlation_table(results: Results) -> Table:
    """One row a method: Pearson's correlation, its mean over seeds, and the largest p of them."""
    rows = []
    for method in results.methods:
        pooled = [results.pooled(method, seed) for seed in results.config.seeds]
        scores = [one for one in pooled if one is not None]
        mean = float(np.mean([one.correlation for one in scores]))
        largest = float(np.max([one.correlation_p for one in scores]))
        rows.append((method, f"{mean:.4f}", f"{largest:.1e}" if largest else "below 1e-300"))
    return ("method", "correlation", "largest p"), rows


def winner_table(results: Results) -> Table:
    """One row a method: of how many pairs of drug and cell line its error is the least."""
    winners = results.winners()
    pairs = int((winners >= 0).sum())
    counts = [int((winners == place).sum()) for place in range(len(results.methods))]
    rows = [
        (method, str(count), f"{count / pairs:.1%}")
        for method, count in zip(results.methods, counts, strict=True)
    ]
    return ("nearest to the truth", "profiles", "share"), rows


def add_profiles(folder: ResultsFolder, report: Report, results: Results) -> None:
    """Save the imputed profiles, and add to the report how they lie against the measured ones."""
    report.heading("Pearson's correlation")
    report.paragraph(
        "Of all held-out entries, the mean over seeds; p is that of scipy.stats.pearsonr, as if "
        "all entries were independent, the largest of the seeds."
    )
    report.table(*correlation_table(results))
    arrays = predictions(results)
    if arrays:
        folder.write_arrays("predictions.npz", arrays)
        report.heading("Predictions")
        report.paragraph(
            "predictions.npz holds them: truth (rows, genes) and predicted (methods, rows, genes), "
            "float32, with the drug, cell line, seed and fold of each row and the names of genes "
            f"and methods. Rows: {len(arrays['drug'])}, of the seeds "
            f"{', '.join(map(str, np.unique(arrays['seed'])))}."
        )
        figure = plots.predicted_against_truth(
            arrays["truth"], dict(zip(results.methods, arrays["predicted"], strict=True))
        )
        folder.write_figure("scatter.png", figure)
        report.plots([("All entries: predicted (up) against measured (across).", figure)])
    report.heading("Which method is nearest?")
    report.paragraph("Of each profile, the least mean squared error over genes and seeds.")
    imputed = results.imputed
    figure = plots.winner_map(results.winners(), imputed.cells, results.methods)
    folder.write_figure("winners.png", figure)
    report.plots([("The nearest method for each drug (across) and cell line.", figure)])
    report.table(*winner_table(results))
