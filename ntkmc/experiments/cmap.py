"""Imputing drug responses: every method on the same folds, with the paper's measures and test.

Figure 2 of Radhakrishnan et al. (PNAS 2022) and SI figures 5 to 7, on any table of responses.
"""

import dataclasses
import hashlib
import json
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from ntkmc.datasets.cmap import load_responses
from ntkmc.experiments import cmap_report
from ntkmc.experiments.cmap_config import CmapConfig
from ntkmc.experiments.cmap_methods import Fold, method_from
from ntkmc.experiments.cmap_results import Outcome, Results
from ntkmc.experiments.comparison import Progress
from ntkmc.priors import folds_within_cells
from ntkmc.response_metrics import Scores
from ntkmc.responses import Responses
from ntkmc.results import ResultsFolder


def run(config: CmapConfig, folder: ResultsFolder, progress: Progress | None = None) -> Results:
    """Run the experiment and write its results folder.

    Raises
    ------
    ValueError
        If the reference is not among the cell lines, none of the others has enough profiles,
        none is in the subset, or nothing is held out.
    """
    imputed, reference = split_off(config)
    outcomes = []
    tasks = list(_tasks(config, imputed))
    for number, (seed, fold, held) in enumerate(tasks):
        outcomes += _fold(config, imputed, reference, seed, fold, held)
        if progress is not None:
            progress("folds", number + 1, len(tasks))
    test_to_train = float(np.mean([len(h) / (len(imputed) - len(h)) for _, _, h in tasks]))
    results = Results(config, imputed, reference, tuple(outcomes), test_to_train)
    cmap_report.write(folder, results)
    return results


def split_off(config: CmapConfig) -> tuple[Responses, Responses]:
    """The profiles that are imputed, and those of the reference cell line."""
    data = config.data
    responses = load_responses(
        data.path, data.root, genes=data.genes, cells=data.cells, signatures=data.signatures
    )
    counts = np.bincount(responses.cell, minlength=responses.number_of_cells)
    kept = counts >= data.fewest
    kept[[responses.cells.index(name) for name in data.left_out if name in responses.cells]] = False
    is_reference = responses.of_cells((data.reference,))
    kept[responses.cell_place(data.reference)] = False
    if not kept.any():
        raise ValueError(
            f"{data.path}: no cell line beside {data.reference} has {data.fewest} profiles; set "
            "data.fewest"
        )
    if config.subset != "all":
        kept &= (counts >= config.dense) == (config.subset == "dense")
        if not kept.any():
            raise ValueError(
                f"subset was {config.subset!r}, and no cell line is with dense at {config.dense} "
                "profiles; set dense, or subset=all"
            )
    used = responses.take(kept[responses.cell] | is_reference).compact()
    is_reference = used.of_cells((data.reference,))
    return used.take(~is_reference), used.take(is_reference)


def _tasks(config, imputed) -> Iterator[tuple[int, int, np.ndarray]]:
    for seed in config.seeds:
        if config.split == "profiles":
            parts = folds_within_cells(imputed, config.folds, seed)
        elif config.split == "few":
            parts = [_all_but_few(config, imputed, seed)]
        else:
            lines = np.random.default_rng(seed).permutation(np.unique(imputed.cell))
            groups = np.array_split(lines, min(config.folds, len(lines)))
            parts = [np.flatnonzero(np.isin(imputed.cell, group)) for group in groups]
        for fold, held in enumerate(parts[: config.only_folds]):
            yield seed, fold, held


def _all_but_few(config, imputed, seed) -> np.ndarray:
    rng = np.random.default_rng(seed)
    lines = (np.flatnonzero(imputed.cell == line) for line in np.unique(imputed.cell))
    held = np.concatenate([rng.permutation(rows)[config.few :] for rows in lines])
    if not len(held):
        raise ValueError(f"few was {config.few}, and no cell line has more profiles; pass fewer")
    return np.sort(held)


def _fold(config, imputed, reference, seed, fold, held) -> list[Outcome]:
    trained = imputed.take(np.setdiff1d(np.arange(len(imputed)), held))
    # Methods are given the held-out pairs, never their profiles.
    problem = Fold(trained, reference, imputed.drug[held], imputed.cell[held])
    truth = imputed.profiles[held]
    dense = np.bincount(imputed.cell, minlength=imputed.number_of_cells)[problem.cell]
    saved = seed in config.seeds[: config.saved_seeds]
    outcomes = []
    for name, spelling in config.methods.items():
        wanted = name == config.ours and fold < config.calibration_folds
        path = _cached(config, spelling, seed, fold, wanted)
        scored = _read(path, saved)
        if scored is None:
            started = time.perf_counter()
            made = method_from(spelling)(problem, wanted)
            seconds = time.perf_counter() - started
            covered = np.nan
            if made.std is not None:
                covered = float(np.mean(np.abs(truth - made.profiles) <= INTERVAL * made.std))
            profiles = made.profiles.astype(np.float32) if saved else None
            scored = Scores.of(truth, made.profiles), covered, seconds, profiles
            _write(path, *scored)
        scores, covered, seconds, profiles = scored
        outcomes.append(
            Outcome(
                name,
                seed,
                fold,
                scores,
                dense >= config.dense,
                problem.drug,
                problem.cell,
                profiles,
                covered,
                seconds,
            )
        )
    return outcomes


INTERVAL = 1.6448536269514722
"""Standard deviations to either side that hold 90 % of a normal distribution."""


def _cached(config, spelling, seed, fold, wanted) -> Path | None:
    if config.cache is None:
        return None
    data = config.data.model_dump(mode="json", exclude={"root"})
    subset = () if config.subset == "all" else (config.subset, config.dense)
    few = (config.few,) if config.split == "few" else ()
    key = json.dumps(
        [data, config.split, config.folds, *subset, *few, spelling, seed, fold, wanted]
    )
    return config.cache / f"{hashlib.sha256(key.encode()).hexdigest()}.npz"


def _read(path, saved) -> tuple[Scores, float, float, np.ndarray | None] | None:
    if path is None or not path.is_file():
        return None
    with np.load(path) as held:
        if saved and "profiles" not in held:
            return None
        columns = {field.name: held[field.name] for field in dataclasses.fields(Scores)}
        scores = Scores(**{**columns, "genes": int(held["genes"])})
        profiles = held["profiles"] if saved else None
        return scores, float(held["covered"]), float(held["seconds"]), profiles


def _write(path, scores, covered, seconds, profiles) -> None:
    if path is None:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    kept = {} if profiles is None else {"profiles": profiles}
    np.savez(path, **dataclasses.asdict(scores), covered=covered, seconds=seconds, **kept)
