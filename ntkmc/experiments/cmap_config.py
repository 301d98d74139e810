"""Configurations of the drug-response experiment."""

from pathlib import Path
from typing import Annotated, Any, Literal

import pydantic

from ntkmc.config import Config
from ntkmc.datasets.cmap import LEFT_OUT, REFERENCE
from ntkmc.experiments.cmap_methods import DENSE, method_from

SEEDS = (149, 10, 53, 77, 1928)
"""Of the paper's five rounds of cross-validation."""


class DataConfig(Config):
    """What is read, and which part of it is imputed: see ``ntkmc.datasets.cmap``."""

    path: Path
    root: Path | None = None
    genes: tuple[str, ...] | None = None
    cells: tuple[str, ...] | None = None
    signatures: Path | None = None
    left_out: tuple[str, ...] = pydantic.Field(
        default=LEFT_OUT, description="Cell lines, where they are there at all."
    )
    reference: str = pydantic.Field(
        default=REFERENCE,
        description="Cell line that embeds drugs in the paper's prior; other methods train on it.",
    )
    fewest: int = pydantic.Field(
        default=10, ge=1, description="Profiles of a cell line from which on it is imputed."
    )


def _a_method(spelling: Any) -> Any:
    method_from(spelling)
    return spelling


class CmapConfig(Config):
    """Schema of ``configs/cmap/*.yaml``."""

    experiment: Literal["cmap"]
    data: DataConfig
    split: Literal["profiles", "cells", "few"] = pydantic.Field(
        default="profiles",
        description="Whether a fold holds out a share of every cell line, or whole cell lines; "
        "few: one fold a seed, which leaves `few` drawn profiles of every cell line.",
    )
    few: int = pydantic.Field(default=10, ge=1, description="Of split=few.")
    seeds: tuple[Annotated[int, pydantic.Field(ge=0)], ...] = SEEDS
    folds: int = pydantic.Field(default=10, ge=2)
    only_folds: int | None = pydantic.Field(
        default=None, ge=2, description="Of the folds, how many to run, for a shorter look."
    )
    methods: dict[str, Annotated[Any, pydantic.AfterValidator(_a_method)]]
    ours: str = pydantic.Field(description="The method that is tested against all others.")
    pairs: tuple[tuple[str, str], ...] = pydantic.Field(
        default=(), description="Two methods each, to be compared fold by fold."
    )
    dense: int = pydantic.Field(
        default=DENSE, ge=1, description="Profiles from which on a cell line counts as dense."
    )
    subset: Literal["all", "dense", "sparse"] = pydantic.Field(
        default="all",
        description="Cell lines that there are folds of: those of at least `dense` profiles, of "
        "fewer, or all. The others are left out of training too, but for the reference.",
    )
    saved_seeds: int = pydantic.Field(
        default=1,
        ge=0,
        description="From the first on, whose imputed profiles are saved and drawn.",
    )
    calibration_folds: int = pydantic.Field(
        default=1, ge=0, description="Of each seed, in which our intervals are held to the truth."
    )
    cache: Path | None = pydantic.Field(
        default=None,
        description="A folder of what was computed, to go on from; empty it when code changes.",
    )

    @pydantic.model_validator(mode="after")
    def _can_be_tested(self):
        if self.split == "few" and len(self.seeds) < 2:
            raise ValueError("seeds has one, and split=few has one fold of each; pass at least two")
        return self

    @pydantic.model_validator(mode="after")
    def _names(self):
        for name in (self.ours, *(name for pair in self.pairs for name in pair)):
            if name not in self.methods:
                raise ValueError(f"{name!r} is not among methods: {', '.join(self.methods)}")
        return self
