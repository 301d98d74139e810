"""Schema of the comparison of imputers."""

from pathlib import Path
from typing import Annotated, Any, Literal

import pydantic

from ntkmc.config import Config
from ntkmc.experiments.imputers.hiding import Mechanism
from ntkmc.experiments.imputers.methods import METHODS


class TableConfig(Config):
    """How a table is used; its name is what ``ntkmc.datasets.load_table`` takes."""

    target: str | None = pydantic.Field(
        default=None, description="What models predict from the others; by default the last column."
    )
    categorical: tuple[str, ...] = pydantic.Field(
        default=(), description="Columns of categories besides those of text."
    )
    rows: int | None = pydantic.Field(default=None, ge=20, description="The first rows alone.")


class ConditionConfig(Config):
    """What is hidden, how often, and of which rows."""

    mechanism: Mechanism = "mcar"
    share: float = pydantic.Field(default=0.3, gt=0, lt=1)
    seeds: tuple[int, ...] = pydantic.Field(default=(0,), min_length=1)
    rows: Literal["same", "new"] = pydantic.Field(
        default="same",
        description="Whether those that are completed are those that a method is fitted to, or "
        "three tenths that it is not fitted to.",
    )

    @property
    def name(self) -> str:
        """Such as "mar 30 %", or "mcar 30 %, new rows"."""
        new = ", new rows" if self.rows == "new" else ""
        return f"{self.mechanism} {100 * self.share:g} %{new}"


def _known_method(name: str) -> str:
    if name not in METHODS:
        raise ValueError(f"pass names among {', '.join(METHODS)}")
    return name


def _known_settings(settings: dict[str, Any]) -> dict[str, Any]:
    from ntkmc.completion import NTKImputer  # imports scikit-learn, which takes a second

    try:
        NTKImputer().set_params(**settings)
    except ValueError as error:
        raise ValueError(str(error)) from None
    return settings


ImputerSettings = Annotated[dict[str, Any], pydantic.AfterValidator(_known_settings)]
"""Of ``ntkmc.NTKImputer``, by their names."""


class ImputersConfig(Config):
    """Schema of ``configs/tables/uci*.yaml``."""

    experiment: Literal["imputers"]
    root: Path | None = pydantic.Field(default=None, description="Of the data, else $NTKMC_DATA.")
    tables: dict[str, TableConfig] = pydantic.Field(min_length=1)
    conditions: tuple[ConditionConfig, ...] = pydantic.Field(min_length=1)
    ours: dict[str, ImputerSettings] = pydantic.Field(
        min_length=1, description="Settings of ntkmc.NTKImputer, by what they are called."
    )
    others: tuple[Annotated[str, pydantic.AfterValidator(_known_method)], ...] = ("mean", "ridge")
    checkpoint: Path | None = pydantic.Field(
        default=None,
        description="A file of finished runs, which are not run again; to be removed when the code "
        "changes.",
    )

    @pydantic.model_validator(mode="after")
    def _names_differ(self) -> "ImputersConfig":
        names = [*self.ours, *self.others]
        if len(set(names)) < len(names):
            raise ValueError(f"two methods have one name: {', '.join(names)}")
        conditions = [one.name for one in self.conditions]
        if len(set(conditions)) < len(conditions):
            raise ValueError(f"two conditions are the same: {', '.join(conditions)}")
        return self
