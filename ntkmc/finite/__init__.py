"""Networks of finite width: made from an architecture, trained, and their empirical kernels."""

from ntkmc.finite.checkpoints import CheckpointError
from ntkmc.finite.deep_image_prior import SkipNetwork, deep_image_prior
from ntkmc.finite.empirical import empirical_kernel, sample_kernels
from ntkmc.finite.network import FiniteNetwork, ParallelNetwork, from_architecture
from ntkmc.finite.training import Stopped, TrainResult, train

__all__ = [
    "CheckpointError",
    "FiniteNetwork",
    "ParallelNetwork",
    "SkipNetwork",
    "Stopped",
    "TrainResult",
    "deep_image_prior",
    "empirical_kernel",
    "from_architecture",
    "sample_kernels",
    "train",
]
