from .autoencoder import (
    autoencoder_style_transfer as autoencoder_style_transfer,
    train_autoencoder as train_autoencoder,
)
from .biharmonic import biharmonic as biharmonic, biharmonic_bytes as biharmonic_bytes
from .colour_histogram import (
    colour_histograms as colour_histograms,
    histogram_kernel as histogram_kernel,
)
from .dnpp import dnpp as dnpp
from .falrtc import (
    TensorResult as TensorResult,
    complete_tensor as complete_tensor,
    falrtc as falrtc,
)
from .interpolation import (
    interpolate_along as interpolate_along,
    interpolate_linearly as interpolate_linearly,
    interpolate_smoothly as interpolate_smoothly,
    nearest_observed as nearest_observed,
)
from .means import (
    mean_over_cell as mean_over_cell,
    mean_over_drug as mean_over_drug,
    two_way_mean as two_way_mean,
)
from .soft_impute import soft_impute as soft_impute, soft_impute_responses as soft_impute_responses
from .style_transfer import in_latent_space as in_latent_space, style_transfer as style_transfer
from .synthetic_control import (
    SyntheticControl as SyntheticControl,
    synthetic_control as synthetic_control,
)
from .synthetic_interventions import (
    SyntheticInterventions as SyntheticInterventions,
    synthetic_interventions as synthetic_interventions,
)
from .tables import TABLE_BASELINES as TABLE_BASELINES
