"""Other people's methods, in the conventions of this package.

Those that impute responses of cells to drugs are functions of what is observed and of the pairs
that are asked for, ``(observed, drug, cell) -> profiles``.
"""

from ntkmc.baselines.autoencoder import autoencoder_style_transfer, train_autoencoder
from ntkmc.baselines.biharmonic import biharmonic
from ntkmc.baselines.colour_histogram import colour_histograms, histogram_kernel
from ntkmc.baselines.dnpp import dnpp
from ntkmc.baselines.falrtc import TensorResult, complete_tensor, falrtc
from ntkmc.baselines.means import mean_over_cell, mean_over_drug, two_way_mean
from ntkmc.baselines.soft_impute import soft_impute, soft_impute_responses
from ntkmc.baselines.style_transfer import in_latent_space, style_transfer
from ntkmc.baselines.synthetic_control import SyntheticControl, synthetic_control
from ntkmc.baselines.synthetic_interventions import (
    SyntheticInterventions,
    synthetic_interventions,
)
from ntkmc.baselines.tables import TABLE_BASELINES

__all__ = [
    "TABLE_BASELINES",
    "SyntheticControl",
    "SyntheticInterventions",
    "TensorResult",
    "autoencoder_style_transfer",
    "biharmonic",
    "colour_histograms",
    "complete_tensor",
    "dnpp",
    "falrtc",
    "histogram_kernel",
    "in_latent_space",
    "mean_over_cell",
    "mean_over_drug",
    "soft_impute",
    "soft_impute_responses",
    "style_transfer",
    "synthetic_control",
    "synthetic_interventions",
    "train_autoencoder",
    "two_way_mean",
]
