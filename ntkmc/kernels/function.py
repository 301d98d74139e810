"""Any function of two lists of points as a kernel operator."""

import dataclasses
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from ntkmc import memory
from ntkmc.kernels.operator import Pixels

BLOCK_BYTES = 2**24  # of the matrix, made at a time in a product


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class FunctionKernel:
    """The kernel that a function gives, between n points.

    To a solver point i is pixel (i, 0) of a grid of (n, 1); `pixels` lists them all, and a subset
    of the list is a subset of the points. Weights of the points solved with, and zeros elsewhere,
    give by `matvec` the predictions at every point.

    The function is called with parts of the points, never with more than a product or a solver
    needs at a time. `Cholesky` and `EigenPro` take any such kernel; the preconditioner of
    `ConjugateGradient` looks for near points among those of near index, and helps where these are.

    Attributes
    ----------
    points : (n, ...), a point each.
    function : k(x, y) of (a, ...) and (b, ...) points, the matrix (a, b).
    dtype : of the matrix.
    """

    points: Float[Array, "n ..."]
    function: Callable[[jax.Array, jax.Array], jax.Array] = dataclasses.field(
        metadata={"static": True}
    )
    dtype: np.dtype = dataclasses.field(metadata={"static": True})

    @classmethod
    def build(
        cls, function: Callable[[jax.Array, jax.Array], jax.Array], points
    ) -> "FunctionKernel":
        """Look at what the function returns for points like these.

        Parameters
        ----------
        function : k(x, y) of JAX arrays (a, ...) and (b, ...), symmetric and positive
            semidefinite: the matrix (a, b). For instance neural-tangents'
            `lambda x, y: kernel_fn(x, y, "ntk")`.
        points : (n, ...), floating; n >= 1.

        Raises
        ------
        ValueError : the points are no such array or not finite; the function returns another shape
            or type.
        TypeError : JAX cannot trace the function.
        """
        points = jnp.asarray(points)
        if not points.ndim or not points.size or not jnp.issubdtype(points.dtype, jnp.floating):
            raise ValueError(
                f"points have shape {points.shape} and type {points.dtype}; expected floating "
                "numbers, a row for each of at least one point"
            )
        if not jnp.isfinite(points).all():
            bad = int(jnp.argwhere(~jnp.isfinite(points))[0][0])
            raise ValueError(f"points[{bad}] is not finite: leave it out")
        few = [jax.ShapeDtypeStruct((count, *points.shape[1:]), points.dtype) for count in (2, 3)]
        try:
            block = jax.eval_shape(function, *few)
        except jax.errors.JAXTypeError as error:
            raise TypeError(
                f"function was {function!r}, which JAX cannot trace; pass a function made of "
                "jax.numpy (or wrap NumPy's in jax.pure_callback)"
            ) from error
        if getattr(block, "shape", None) != (2, 3) or not jnp.issubdtype(block.dtype, jnp.floating):
            raise ValueError(
                f"function returned {block} for 2 and 3 points; expected a matrix (2, 3) of "
                "floating numbers, k(x, y) of every pair"
            )
        return cls(points, function, np.dtype(block.dtype))

    @property
    def shape(self) -> tuple[int, int]:
        """(n, 1)."""
        return len(self.points), 1

    @property
    def pixels(self) -> tuple[np.ndarray, np.ndarray]:
        """All points, in the way solvers name them."""
        return np.arange(len(self.points)), np.zeros(len(self.points), int)

    @property
    def memory_bytes(self) -> int:
        """Bytes the points occupy."""
        return self.points.nbytes

    @property
    def diagonal(self) -> Float[Array, "n 1"]:
        """K(x, x) of every point."""
        return self.entries(self.pixels, self.pixels)[:, None]

    def entries(self, pixels_a: Pixels, pixels_b: Pixels) -> Float[Array, "..."]:
        """Kernel between points, broadcast against each other, a pair at a time."""
        return _entries(self, jnp.asarray(pixels_a[0]), jnp.asarray(pixels_b[0]))

    def dense(self, pixels_a: Pixels, pixels_b: Pixels) -> Float[Array, "a b"]:
        """Kernel matrix between two lists of points, by one call of the function.

        Raises
        ------
        NotEnoughMemoryError : the matrix would not fit.
        """
        a, b = jnp.asarray(pixels_a[0]), jnp.asarray(pixels_b[0])
        memory.require(
            2 * self.dtype.itemsize * a.size * b.size,
            f"a dense {a.size} x {b.size} kernel matrix",
            "ask for fewer points at a time, or use matvec, which needs no matrix of these",
        )
        return _block(self, a, b)

    def matvec(self, images: Float[Array, "... n 1"]) -> Float[Array, "... n 1"]:
        """Kernel matrix times vectors, in their precision, a block of rows at a time."""
        if images.shape[-2:] != self.shape:
            raise ValueError(
                f"images have shape {images.shape}; the last two sides must be {self.shape}"
            )
        return _multiply(self, images.reshape(-1, len(self.points)).T).T.reshape(images.shape)


@jax.jit
def _block(kernel, a, b):
    # In the precision it was built for, whatever that of the points has become: a product in
    # float64 is then one with these entries, not with those of another function.
    points = kernel.points.astype(kernel.dtype)
    return kernel.function(points[a], points[b]).astype(kernel.dtype)


@jax.jit
def _entries(kernel, a, b):
    a, b = jnp.broadcast_arrays(a, b)
    pairs = jax.vmap(lambda i, j: _block(kernel, i[None], j[None])[0, 0])(a.ravel(), b.ravel())
    return pairs.reshape(a.shape)


@jax.jit
def _multiply(kernel, columns):
    n = len(columns)
    rows = min(n, max(1, BLOCK_BYTES // (n * kernel.dtype.itemsize)))
    places = np.arange(-(-n // rows) * rows).reshape(-1, rows) % n

    def of_some(some):
        block = _block(kernel, some, np.arange(n)).astype(columns.dtype)
        return jnp.matmul(block, columns, precision=jax.lax.Precision.HIGHEST)

    return jax.lax.map(of_some, places).reshape(-1, columns.shape[1])[:n]
