"""Runs each method on each table, as it is hidden; finished ones are kept and not run again."""

import dataclasses
import json
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from ntkmc import datasets
from ntkmc.experiments.imputers import report
from ntkmc.experiments.imputers.config import ConditionConfig, ImputersConfig, TableConfig
from ntkmc.experiments.imputers.hiding import hide
from ntkmc.experiments.imputers.methods import METHODS, Matrix, Method, ntk
from ntkmc.experiments.imputers.scoring import Columns, Score, downstream, score
from ntkmc.results import ResultsFolder
from ntkmc.solvers import Progress

NEW_SHARE = 0.3  # of the rows, that no method is fitted to


@dataclasses.dataclass(frozen=True)
class Data:
    """A table as numbers, codes for categories, and what its columns are."""

    values: Matrix
    categorical: list[int]
    target: int


def run(
    config: ImputersConfig, folder: ResultsFolder, progress: Progress | None = None
) -> pd.DataFrame:
    """Run what has not been run, and write the results folder.

    Returns
    -------
    A row for each table, condition, seed and method.

    Raises
    ------
    FileNotFoundError : a table.
    ImportError : a method's package is not installed.
    ValueError : a column that a table has not.
    """
    methods: dict[str, Method] = {name: ntk(settings) for name, settings in config.ours.items()}
    methods |= {name: METHODS[name] for name in config.others}
    data = {name: load(name, its, config.root) for name, its in config.tables.items()}
    done = _Done(config.checkpoint)
    cases = list(_cases(config))
    rows = []
    for number, (table, condition, seed) in enumerate(cases):
        for name, method in methods.items():
            key = {"table": table, "condition": condition.name, "seed": seed, "method": name}
            settings = [config.tables[table].model_dump(mode="json"), config.ours.get(name)]
            if progress:
                progress(f"{table}, {condition.name}, {name}", number, len(cases))
            found = done.get(key, settings)
            if found is None:
                found = _run_one(data[table], condition, seed, method)
                done.add(key, settings, found)
            rows.append({**key, **dataclasses.asdict(found)})
    results = pd.DataFrame(rows)
    report.write(folder, config, results)
    return results


def _cases(config) -> Iterator[tuple[str, ConditionConfig, int]]:
    """First seeds first, so that a run that is stopped has seen all that differs."""
    for number in range(max(len(one.seeds) for one in config.conditions)):
        for condition in config.conditions:
            for table in config.tables:
                if number < len(condition.seeds):
                    yield table, condition, condition.seeds[number]


def load(name: str, settings: TableConfig, root: Path | None) -> Data:
    """A table of `datasets.load_table`, categories coded."""
    table = datasets.load_table(name, root)
    names = list(table.columns)
    for wanted in (*settings.categorical, *([settings.target] if settings.target else [])):
        if wanted not in names:
            raise ValueError(f"table {name!r} has no column {wanted!r}; it has {', '.join(names)}")
    columns, categorical = [], []
    for number, (label, column) in enumerate(table.columns.items()):
        if column.is_text or label in settings.categorical:
            categorical.append(number)
            columns.append(column.coded()[0])
        else:
            columns.append(column.numbers)
    values = np.stack(columns, axis=1)[: settings.rows]
    target = names.index(settings.target) if settings.target else len(names) - 1
    return Data(values, categorical, target)


def _run_one(data: Data, condition: ConditionConfig, seed: int, method: Method) -> Score:
    truth = data.values
    hidden = hide(truth, condition.mechanism, condition.share, seed)
    left = np.where(hidden, np.nan, truth)
    columns = Columns.of(truth, data.categorical)
    if condition.rows == "same":
        started = time.perf_counter()
        filled, std = method(left, data.categorical)(left)
        seconds = time.perf_counter() - started
        return score(truth, hidden, filled, std, columns, float("nan"), seconds)
    order = np.random.default_rng(seed).permutation(len(truth))
    new, old = np.split(order, [round(NEW_SHARE * len(truth))])
    train, test = left[old], left[new]
    # What a model is to predict is not known of new rows.
    test[:, data.target] = np.nan
    judged = hidden[new]
    judged[:, data.target] = False
    started = time.perf_counter()
    fitted = method(train, data.categorical)
    (known, _), (filled, std) = fitted(train), fitted(test)
    seconds = time.perf_counter() - started
    target = truth[:, data.target]
    explained = downstream(known, filled, data.target, (target[old], target[new]))
    return score(truth[new], judged, filled, std, columns, explained, seconds)


class _Done:
    """Finished runs in a file of JSON lines, one written at a time."""

    def __init__(self, path: Path | None):
        self._path, self._found = path, {}
        if path is not None and path.is_file():
            for line in path.read_text(encoding="utf-8").splitlines():
                try:
                    one = json.loads(line)
                    self._found[_key(one["key"], one["settings"])] = Score(**one["score"])
                except (ValueError, KeyError, TypeError):
                    continue  # of a run that was stopped while it wrote
        elif path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)

    def get(self, key: Mapping, settings) -> Score | None:
        return self._found.get(_key(key, settings))

    def add(self, key: Mapping, settings, found: Score) -> None:
        if self._path is None:
            return
        line = json.dumps({"key": key, "settings": settings, "score": dataclasses.asdict(found)})
        with open(self._path, "a", encoding="utf-8") as file:
            file.write(line + "\n")


def _key(key, settings) -> str:
    return json.dumps([key, settings], sort_keys=True)
