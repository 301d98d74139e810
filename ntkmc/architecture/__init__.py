"""Networks as data: layers, standard networks, their checks and their spelling in YAML."""

from ntkmc.architecture.checks import check
from ntkmc.architecture.layers import (
    LAYERS,
    ArchitectureError,
    Conv,
    Downsample,
    Erf,
    Identity,
    Layer,
    LeakyRelu,
    Relu,
    Role,
    Sequential,
    Upsample,
)
from ntkmc.architecture.networks import NETWORKS, autoencoder, describe
from ntkmc.architecture.parallel import Network, Parallel, weighted_branches
from ntkmc.architecture.spelling import (
    from_dict,
    from_yaml,
    network_from_dict,
    resolve,
    to_dict,
    to_yaml,
)

__all__ = [
    "LAYERS",
    "NETWORKS",
    "ArchitectureError",
    "Conv",
    "Downsample",
    "Erf",
    "Identity",
    "Layer",
    "LeakyRelu",
    "Network",
    "Parallel",
    "Relu",
    "Role",
    "Sequential",
    "Upsample",
    "autoencoder",
    "check",
    "describe",
    "from_dict",
    "from_yaml",
    "network_from_dict",
    "resolve",
    "to_dict",
    "to_yaml",
    "weighted_branches",
]
