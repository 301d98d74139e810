"""Everything in `neural_tangents.stax`, on current JAX and without TensorFlow.

>>> from ntkmc import stax
>>> init_fn, apply_fn, kernel_fn = stax.serial(stax.Dense(512), stax.Relu(), stax.Dense(1))

Importing this package is also what makes `import neural_tangents` work afterwards in the same process.
"""

from ntkmc._neural_tangents import neural_tangents as _neural_tangents  # isort: skip  # first: it mends the next import
from neural_tangents.stax import *  # noqa: F403
