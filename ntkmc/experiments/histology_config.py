"""Configurations of the histology experiment."""

import dataclasses
import itertools
from pathlib import Path
from typing import Annotated, Any, Literal

import pydantic

from ntkmc import architecture
from ntkmc.architecture import ArchitectureError, GroupConv, LiftingConv, Network, Sequential
from ntkmc.config import Config
from ntkmc.groups import POINT_GROUPS


def with_group(network: Network, group: str) -> Sequential:
    """The network with this point group in all of its convolutions.

    Raises
    ------
    ArchitectureError
        If it has none that could have a group, or networks side by side.
    """
    if not isinstance(network, Sequential):
        raise ArchitectureError("the network has branches; pass a list of layers")
    layers = [
        dataclasses.replace(layer, group=group)
        if isinstance(layer, LiftingConv | GroupConv)
        else layer
        for layer in network
    ]
    if not any(isinstance(layer, LiftingConv) for layer in layers):
        raise ArchitectureError("the network has no lifting_conv, whose group could be replaced")
    return Sequential(layers)


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
