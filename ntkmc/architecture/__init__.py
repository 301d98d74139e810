"""Networks as data: layers, standard networks, their checks and their spelling in YAML."""

from ntkmc.architecture.base import ArchitectureError, Domain, Layer, Role
from ntkmc.architecture.checks import check, check_structure, require_images
from ntkmc.architecture.group_layers import GroupConv, GroupPool, LiftingConv
from ntkmc.architecture.heads import Dense, Flatten, GlobalAvgPool
from ntkmc.architecture.layers import (
    LAYERS,
    Conv,
    Downsample,
    Erf,
    Identity,
    LeakyRelu,
    Relu,
    Sequential,
    Upsample,
)
from ntkmc.architecture.networks import NETWORKS, autoencoder, describe, pointwise
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
    "Dense",
    "Domain",
    "Downsample",
    "Erf",
    "Flatten",
    "GlobalAvgPool",
    "GroupConv",
    "GroupPool",
    "Identity",
    "Layer",
    "LeakyRelu",
    "LiftingConv",
    "Network",
    "Parallel",
    "Relu",
    "Role",
    "Sequential",
    "Upsample",
    "autoencoder",
    "check",
    "check_structure",
    "describe",
    "from_dict",
    "from_yaml",
    "network_from_dict",
    "pointwise",
    "require_images",
    "resolve",
    "to_dict",
    "to_yaml",
    "weighted_branches",
]
