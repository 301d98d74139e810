"""What the experiment on volumes and videos can be told."""

from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import pydantic
from jaxtyping import Bool

from ntkmc import architecture, datasets
from ntkmc.config import Config

Method = Literal["network", "slices", "linear", "spline", "biharmonic"]
_Axis = Annotated[int, pydantic.Field(ge=0, le=2)]
_Count = Annotated[int, pydantic.Field(ge=1)]
_Radius = Annotated[float, pydantic.Field(gt=0)]


def _network_or_auto(spelling: Any) -> Any:
    return spelling if spelling == "auto" else architecture.resolve(spelling)


class VolumeConfig(Config):
    """Where a volume comes from, and which part of it is used."""

    name: str = pydantic.Field(description="See ntkmc.datasets.load_volume.")
    root: Path | None = None
    part: tuple[_Count, _Count, _Count] | None = pydantic.Field(
        default=None, description="Sides of the part in the middle that is used; null is all of it."
    )


class DroppedConfig(Config):
    """Of every few slices, the last ones are missing."""

    every: int = pydantic.Field(ge=2)
    axis: _Axis = 0
    count: _Count = 1


class SlabsConfig(Config):
    """Slabs of slices are missing, evenly spaced."""

    thickness: _Count
    count: _Count = 1
    axis: _Axis = 0


class BallConfig(Config):
    """A ball is missing, radius and centre in voxels of the part that is used."""

    radius: _Radius
    centre: tuple[float, float, float] | None = None


class MovingConfig(Config):
    """A disc that moves through the frames is missing; start and stop as shares of their sides."""

    radius: _Radius
    start: tuple[float, float] = (0.25, 0.25)
    stop: tuple[float, float] = (0.75, 0.75)


class MissingConfig(Config):
    """What is missing of a volume: one of these."""

    random: float | None = pydantic.Field(
        default=None, gt=0, lt=1, description="Share of voxels, drawn at random."
    )
    dropped: DroppedConfig | None = None
    slabs: SlabsConfig | None = None
    ball: BallConfig | None = None
    moving: MovingConfig | None = None

    @pydantic.model_validator(mode="after")
    def _one(self):
        given = [name for name in type(self).model_fields if getattr(self, name) is not None]
        if len(given) != 1:
            raise ValueError(
                f"{' and '.join(given) or 'none'} set; pass one of "
                f"{', '.join(type(self).model_fields)}"
            )
        return self

    @property
    def axis(self) -> int | None:
        """Along which missing voxels have observed ones before and behind; None where scattered."""
        if self.dropped is not None:
            return self.dropped.axis
        if self.slabs is not None:
            return self.slabs.axis
        return 0 if self.moving is not None else None

    def mask(self, shape: tuple[int, ...], seed: int) -> Bool[np.ndarray, "..."]:
        """The mask of a volume of this shape, or of an image where voxels are drawn at random.

        Raises
        ------
        ValueError
            If what is missing does not lie within the volume.
        """
        if self.random is not None:
            return datasets.random_mask(shape, self.random, seed)
        if len(shape) != 3:
            raise ValueError(f"missing: only random is for one slice, of shape {shape}")
        first, second, third = shape
        sides = (first, second, third)
        if self.dropped is not None:
            return datasets.dropped_mask(sides, **dict(self.dropped))
        if self.slabs is not None:
            return datasets.slabs_mask(sides, **dict(self.slabs))
        if self.ball is not None:
            return datasets.ball_mask(sides, **dict(self.ball))
        assert self.moving is not None
        return datasets.moving_hole_mask(sides, **dict(self.moving))


class CaseConfig(Config):
    """A volume and what is missing of it."""

    volume: VolumeConfig
    missing: MissingConfig


class VolumesConfig(Config):
    """Schema of ``configs/volumes/*.yaml``."""

    experiment: Literal["volumes"]
    cases: dict[str, CaseConfig] = pydantic.Field(min_length=1)
    network: Annotated[Any, pydantic.AfterValidator(_network_or_auto)] = pydantic.Field(
        default={"autoencoder": {"levels": 3}},
        description="'auto' chooses one for each volume, and one for its slices.",
    )
    margin: int | None = pydantic.Field(default=None, ge=0, description="See ntkmc.inpaint.")
    ridge: float | None = pydantic.Field(default=None, ge=0)
    uncertainty: bool = pydantic.Field(
        default=True,
        description="Of each voxel; it takes as long again where whole slices are missing.",
    )
    methods: tuple[Method, ...] = pydantic.Field(
        default=("network", "slices", "linear", "spline", "biharmonic"), min_length=1
    )
    seed: int = pydantic.Field(default=0, ge=0, description="Of voxels drawn at random.")
