"""Layers at the end of a network that gives numbers for an image, not another image."""

from dataclasses import dataclass
from typing import ClassVar

from typing_extensions import override

from ntkmc.architecture.base import Domain, Layer, Role, Shape


@dataclass(frozen=True)
class _PixelsToVector(Layer):
    takes: ClassVar[Domain | None] = Domain.IMAGE
    gives: ClassVar[Domain | None] = Domain.VECTOR

    @override
    def output_shape(self, shape: Shape) -> Shape:
        return 1, 1


@dataclass(frozen=True)
class Flatten(_PixelsToVector):
    """All pixels and channels of an image as one vector."""


@dataclass(frozen=True)
class GlobalAvgPool(_PixelsToVector):
    """The mean over all pixels of an image, for each channel."""


@dataclass(frozen=True)
class Dense(Layer):
    """A matrix of weights applied to a vector, without bias."""

    role: ClassVar[Role] = Role.LINEAR
    takes: ClassVar[Domain | None] = Domain.VECTOR
