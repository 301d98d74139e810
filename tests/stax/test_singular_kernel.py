"""What the docstring of `ntkmc.stax` says of kernels that are singular to float32's precision."""

import numpy as np
import pytest
from compiled import by_operation

from ntkmc import stax
from ntkmc._neural_tangents import neural_tangents as nt
from ntkmc.kernels import FunctionKernel
from ntkmc.solvers import Cholesky, SingularKernelError


@pytest.mark.slow
@pytest.mark.parametrize("factor", [1, 2])
def test_predict_is_silent_and_a_solver_is_not(factor):
    """Two equal inputs, or with linear layers an input and its double."""
    layers = [stax.Dense(1), stax.Relu(), stax.Dense(1)] if factor == 1 else [stax.Dense(1)]
    kernel_fn = stax.serial(*layers)[2]
    compiled = by_operation(kernel_fn, static_argnums=2)
    rng = np.random.default_rng(0)
    x_train, x_test = (rng.standard_normal((n, 8)).astype(np.float32) for n in (6, 2))
    x_train[3] = factor * x_train[1]
    y_train = rng.standard_normal((6, 1))
    between = compiled(x_test, x_train, "ntk")
    predict = nt.predict.gp_inference(compiled(x_train, None, "ntk"), y_train.astype(np.float32))
    silent = predict(get="ntk", k_test_train=between)
    assert not np.isfinite(silent).all() or abs(silent).max() > 1e3

    kernel = FunctionKernel.build(lambda x, y: kernel_fn(x, y, "ntk"), x_train)
    with pytest.raises(SingularKernelError, match=r"is singular: .* Pass a larger ridge"):
        Cholesky().prepare(kernel, kernel.pixels)
    weights = Cholesky(ridge=1e-4).prepare(kernel, kernel.pixels).solve(y_train).weights
    matrix = np.asarray(compiled(x_train, None, "ntk"), np.float64)
    matrix += 1e-4 * matrix.diagonal().mean() * np.eye(6)
    expected = np.asarray(between) @ np.linalg.solve(matrix, y_train)
    np.testing.assert_allclose(between @ weights, expected, atol=1e-2 * abs(expected).max())
