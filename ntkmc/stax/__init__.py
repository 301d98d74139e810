"""Everything in `neural_tangents.stax`, on current JAX and without TensorFlow, and more layers.

>>> from ntkmc import stax
>>> init_fn, apply_fn, kernel_fn = stax.serial(stax.Dense(512), stax.Relu(), stax.Dense(1))

The layers `CompletionReadout`, `Subsample`, `NearestUpsample`, `BilinearUpsample`, `ReflectPad`,
and for rotations and reflections `LiftingConv`, `GroupConv` and `GroupPool`, follow the protocol of
neural-tangents' own and combine with them; `from_architecture` reads a network of
`ntkmc.architecture` as one.

`neural_tangents.predict` returns NaN, without a word, where the kernel matrix is singular to its
precision, as a float32 one of two equal inputs is. The solvers here factorise in float64 and raise
`SingularKernelError`, which says by how much and what ridge to try:

>>> from ntkmc.kernels import FunctionKernel
>>> from ntkmc.solvers import Cholesky
>>> kernel = FunctionKernel.build(lambda x, y: kernel_fn(x, y, "ntk"), x_train)
>>> weights = Cholesky(ridge=1e-4).prepare(kernel, kernel.pixels).solve(y_train).weights
>>> predicted = kernel_fn(x_test, x_train, "ntk") @ weights

Importing this package is also what makes `import neural_tangents` work afterwards in the same
process.
"""

from typing import TYPE_CHECKING, Any

from ntkmc import _neural_tangents  # noqa: F401  (it mends the next import)

# isort: split
from neural_tangents.stax import *  # noqa: F403

from ntkmc.stax.bilinear_upsample import BilinearUpsample as BilinearUpsample
from ntkmc.stax.completion_readout import CompletionReadout as CompletionReadout
from ntkmc.stax.group_conv import GroupConv as GroupConv
from ntkmc.stax.group_pool import GroupPool as GroupPool
from ntkmc.stax.lifting_conv import LiftingConv as LiftingConv
from ntkmc.stax.nearest_upsample import NearestUpsample as NearestUpsample
from ntkmc.stax.reading import from_architecture as from_architecture
from ntkmc.stax.reflect_pad import ReflectPad as ReflectPad
from ntkmc.stax.subsample import Subsample as Subsample

if TYPE_CHECKING:  # neural-tangents is not typed: a checker sees no names in its line above

    def __getattr__(name: str) -> Any: ...
