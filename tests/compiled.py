"""What a test computes, compiled in one go: each operation by itself takes many times longer."""

import jax


def by_operation(function, **options):
    """Compiled as a whole, but products and sums are rounded one after the other.

    Optimised code rounds a product and a sum in one go. neural-tangents finds 1 - correlation by
    subtraction: where it is zero, that leaves 1e-16 of it, and a square root makes it 1e-8. To
    compile without optimisation is also faster. (A sum of products may still be taken in another
    order than by the operation alone, so two programs are not equal to the last bit.)
    """
    return jax.jit(function, compiler_options={"xla_backend_optimization_level": 0}, **options)


def initialised(init_fn, input_shape):
    """The output shape, and weights at random."""
    shape = None

    def draw(key):
        nonlocal shape
        shape, params = init_fn(key, input_shape)
        return params

    params = by_operation(draw)(jax.random.key(0))
    return shape, params
