from .dense_ntk import dense_ntk as dense_ntk
from .duals import (
    apply_dual as apply_dual,
    dual_variance as dual_variance,
    kappa_0 as kappa_0,
    kappa_1 as kappa_1,
)
from .function import FunctionKernel as FunctionKernel
from .gram import Grams as Grams, gram as gram
from .grid import GridKernel as GridKernel
from .patches import PatchKernel as PatchKernel
from .periodic import (
    Kernels as Kernels,
    PeriodicKernel as PeriodicKernel,
    covers as covers,
    padded_shape as padded_shape,
    predicted_bytes as predicted_bytes,
)
from .weighted import WeightedKernel as WeightedKernel
