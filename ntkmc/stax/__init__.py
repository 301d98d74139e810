"""Everything in `neural_tangents.stax`, on current JAX and without TensorFlow, and more layers.

>>> from ntkmc import stax
>>> init_fn, apply_fn, kernel_fn = stax.serial(stax.Dense(512), stax.Relu(), stax.Dense(1))

The layers `CompletionReadout`, `Subsample`, `NearestUpsample`, `BilinearUpsample` and `ReflectPad`
follow the protocol of neural-tangents' own and combine with them; `from_architecture` reads a
network of `ntkmc.architecture` as one.

Importing this package is also what makes `import neural_tangents` work afterwards in the same
process.
"""

from typing import TYPE_CHECKING, Any

from ntkmc import _neural_tangents  # noqa: F401  (it mends the next import)

# isort: split
from neural_tangents.stax import *  # noqa: F403

from ntkmc.stax.bilinear_upsample import BilinearUpsample
from ntkmc.stax.completion_readout import CompletionReadout
from ntkmc.stax.nearest_upsample import NearestUpsample
from ntkmc.stax.reading import from_architecture
from ntkmc.stax.reflect_pad import ReflectPad
from ntkmc.stax.subsample import Subsample

# Without __all__ on purpose: `from ntkmc.stax import *` gives neural-tangents' names too.

if TYPE_CHECKING:  # neural-tangents is not typed: a checker sees no names in its line above

    def __getattr__(name: str) -> Any: ...
