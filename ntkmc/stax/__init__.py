"""Everything in `neural_tangents.stax`, on current JAX and without TensorFlow.

>>> from ntkmc import stax
>>> init_fn, apply_fn, kernel_fn = stax.serial(stax.Dense(512), stax.Relu(), stax.Dense(1))

Importing this package is also what makes `import neural_tangents` work afterwards in the same
process.
"""

from typing import TYPE_CHECKING, Any

from ntkmc import _neural_tangents  # noqa: F401  (it mends the next import)

# isort: split
from neural_tangents.stax import *  # noqa: F403

if TYPE_CHECKING:  # neural-tangents is not typed: a checker sees no names in the line above

    def __getattr__(name: str) -> Any: ...
