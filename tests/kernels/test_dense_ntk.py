"""The kernel of tables against neural-tangents, its definition, its theorems and drawn networks."""

import importlib

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.spatial
from compiled import by_operation

from ntkmc import memory, stax
from ntkmc.architecture import Conv, Erf, Identity, LeakyRelu, Relu, Sequential
from ntkmc.finite import sample_kernels
from ntkmc.kernels import dense_ntk

ACTIVATIONS = [Relu(), LeakyRelu(0.2), Identity()]


def by_definition(xi, depth, activation):
    """Theorem 1 as it is printed, for correlations that are not next to one."""
    slope = {Relu: 0.0, Identity: 1.0}.get(
        type(activation), getattr(activation, "negative_slope", 0)
    )
    bent = (1 - slope) ** 2 / (1 + slope**2)
    tangent = xi
    for _ in range(depth):
        angle = np.arccos(np.clip(xi, -1, 1))
        kappa_1 = (np.sin(angle) + (np.pi - angle) * np.cos(angle)) / np.pi
        dual_slope = 1 - bent + bent * (np.pi - angle) / np.pi
        xi = (1 - bent) * xi + bent * kappa_1
        tangent = xi + tangent * dual_slope
    return tangent, xi


@pytest.mark.parametrize("activation", ACTIVATIONS, ids=repr)
@pytest.mark.parametrize("depth", [0, 1, 3])
def test_theorem_1(activation, depth):
    Z = np.random.default_rng(0).standard_normal((9, 20)) * np.linspace(0.1, 10, 20)
    norms = np.linalg.norm(Z, axis=0)
    scale = np.outer(norms, norms)
    xi = Z.T @ Z / scale
    tangent, nngp = by_definition(xi, depth, activation)
    np.fill_diagonal(tangent, depth + 1)  # where arccos loses half the digits
    np.fill_diagonal(nngp, 1)
    for kind, expected in (("ntk", tangent), ("nngp", nngp)):
        kernel = dense_ntk(Z, depth=depth, activation=activation, kind=kind)
        np.testing.assert_allclose(kernel / scale, expected, rtol=1e-13, atol=1e-14)
        assert (kernel == kernel.T).all()
        assert kernel.dtype == np.float64
        between = dense_ntk(Z, Z[:, :3], depth=depth, activation=activation, kind=kind)
        np.testing.assert_allclose(between, kernel[:, :3], rtol=1e-13, atol=1e-12)


@pytest.mark.parametrize("slope", [0.0, 0.2])
@pytest.mark.parametrize("depth", [1, 2, 3, 4, 5])
def test_neural_tangents(slope, depth, x64):
    """It divides the inputs by the root of their number.

    On the diagonal it loses half the digits on some devices: a root of what rounding leaves.
    """
    Z = np.random.default_rng(1).standard_normal((6, 15)) * np.linspace(0.2, 5, 15)
    c = np.sqrt(2 / (1 + slope**2))
    hidden = [stax.Dense(1), stax.ABRelu(c * slope, c)] * depth
    kernel_fn = stax.serial(*hidden, stax.Dense(1))[2]
    activation = LeakyRelu(slope) if slope else Relu()
    expected = kernel_fn(jnp.asarray(Z.T), None, ("ntk", "nngp"))
    for kind in ("ntk", "nngp"):
        kernel = dense_ntk(Z, depth=depth, activation=activation, kind=kind) / len(Z)
        theirs = np.array(getattr(expected, kind))
        np.testing.assert_allclose(kernel, theirs, rtol=1e-7)
        np.fill_diagonal(theirs, np.diagonal(kernel))
        np.testing.assert_allclose(kernel, theirs, rtol=1e-10)
        size = depth + 1 if kind == "ntk" else 1
        exact = size * np.sum(Z**2, axis=0) / len(Z)
        np.testing.assert_allclose(np.diagonal(kernel), exact, rtol=1e-14)


def of_angle(angle, depth):
    """The NTK of a ReLU network between unit vectors at a small angle, by power series."""
    gap = angle**2 / 2 - angle**4 / 24
    tangent = 1 - gap
    for _ in range(depth):
        gap -= (angle**3 / 3 - angle**5 / 30) / np.pi
        tangent = 1 - gap + tangent * (1 - angle / np.pi)
        angle = 2 * np.arcsin(np.sqrt(gap / 2))
    return tangent


@pytest.mark.parametrize("size", [1.0, 1e-140, 1e140])
def test_columns_that_are_nearly_equal_lose_no_digits(size):
    angles = np.array([0, 1e-12, 1e-9, 1e-7, 1e-5, 1e-3])
    Z = np.zeros((5, 6))
    Z[1], Z[3] = np.cos(angles), np.sin(angles)
    Z *= np.array([1, 2, 3, 4, 5, 6]) * size
    for depth in (1, 3):
        kernel = dense_ntk(Z, depth=depth) / size / size / np.arange(1, 7)
        np.testing.assert_allclose(kernel[0], of_angle(angles, depth), rtol=3e-15)
    # what the plain formula makes of it
    naive = np.arccos(np.cos(1e-9)) / np.pi
    assert abs(naive - 1e-9 / np.pi) > 1e-10


@pytest.mark.parametrize("norm", [1.0, 3e120])
def test_columns_that_are_nearly_opposite_lose_no_digits(norm):
    """kappa_0 is angle / pi there, and kappa_1 of the order of its cube."""
    angles = np.array([0, 1e-15, 1e-12, 1e-9, 1e-7, 1e-5, 1e-3])
    Z = np.zeros((5, 7))
    Z[1], Z[3] = np.cos(angles), np.sin(angles)
    nngp = (angles**3 / 3 - angles**5 / 30) / np.pi
    expected = nngp - np.cos(angles) * angles / np.pi
    for kernel in (
        dense_ntk(norm * Z[:, :1], -2 * norm * Z)[0] / norm / norm / 2,
        dense_ntk(np.concatenate([-norm * Z[:, :1], norm * Z], axis=1))[0, 1:] / norm / norm,
    ):
        np.testing.assert_allclose(kernel, expected, rtol=1e-14, atol=2e-16)


def test_columns_of_any_norm():
    """Homogeneous: duplicates, multiples, opposites, and zero, which has no direction."""
    z = np.random.default_rng(2).standard_normal(8)
    Z = np.stack([z, z, 3 * z, -2 * z, 0 * z], axis=1)
    expected = np.outer([1, 1, 3, 2, 0], [1, 1, 3, 2, 0]) * 2.0 * (z @ z)
    expected[3, :3] = expected[:3, 3] = 0  # kappa_1(-1) = 0
    np.testing.assert_allclose(dense_ntk(Z), expected, rtol=1e-15, atol=1e-15 * expected.max())


def test_blocks_do_not_show(monkeypatch):
    Z = np.random.default_rng(3).standard_normal((4, 50))
    Z[:, 40] = Z[:, 3]  # in one tile that is whole; there are others without such a pair
    whole, across = dense_ntk(Z), dense_ntk(Z, Z[:, ::-1])
    module = importlib.import_module("ntkmc.kernels.dense_ntk")
    monkeypatch.setattr(module, "TILE", 16)
    np.testing.assert_allclose(dense_ntk(Z), whole, rtol=1e-13, atol=1e-13)
    np.testing.assert_allclose(dense_ntk(Z, Z[:, ::-1]), across, rtol=1e-13, atol=1e-13)
    assert dense_ntk(Z)[3, 40] == dense_ntk(Z)[3, 3]


def test_under_jit_in_either_precision(x64):
    Z = np.random.default_rng(4).standard_normal((5, 9))
    Z[:, 7] = 2 * Z[:, 2]
    compiled = jax.jit(lambda Z: dense_ntk(Z, depth=2))
    exact = dense_ntk(Z, depth=2)
    np.testing.assert_allclose(compiled(jnp.asarray(Z)), exact, rtol=1e-13, atol=1e-13)
    narrow = jnp.asarray(Z, jnp.float32)
    assert compiled(narrow).dtype == jnp.float32
    # equal columns are 1 - c = 0 exactly; others have that to float32's rounding
    np.testing.assert_allclose(compiled(narrow), exact, rtol=1e-5, atol=1e-5)
    across = dense_ntk(jnp.asarray(Z), jnp.asarray(Z[:, :4]), depth=2)
    np.testing.assert_allclose(across, exact[:, :4], rtol=1e-13, atol=1e-13)


@pytest.mark.parametrize("features", [3, 20, 300])
@pytest.mark.parametrize("depth", [1, 20])
def test_the_bound_of_jax_arrays(features, depth):
    """In float32 columns nearer than an angle that the docstring gives count as equal."""
    rng = np.random.default_rng(8)
    first, across = np.linalg.qr(rng.standard_normal((features, 2)))[0].T
    angles = np.concatenate([np.geomspace(1e-6, 0.1, 60), np.pi - np.geomspace(1e-6, 0.1, 60)])
    Z = np.float32(np.outer(first, np.cos(angles)) + np.outer(across, np.sin(angles)))
    found = dense_ntk(jnp.asarray(Z), depth=depth)
    error = abs(found - dense_ntk(Z, depth=depth)).max() / (depth + 1)
    seen = np.sqrt(8 * np.finfo(np.float32).eps * np.sqrt(features))
    assert error < 1.1 * depth / 2 / np.pi * seen


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["ntk", "nngp"])
def test_gradients_are_finite(kind, x64):
    """Also of a column of zeros, of equal ones and of opposite ones; right where there is one."""
    rng = np.random.default_rng(9)
    weights, Z = jnp.asarray(rng.standard_normal((6, 6))), rng.standard_normal((4, 6))
    special = Z.copy()
    special[:, 2], special[:, 3], special[:, 5] = 0, Z[:, 1], -2 * Z[:, 0]

    def total(Z):
        return (weights * dense_ntk(Z, depth=2, kind=kind)).sum()

    gradient = by_operation(jax.grad(total))
    assert np.isfinite(gradient(jnp.asarray(special))).all()
    step = 1e-6 * rng.standard_normal(Z.shape)
    change = (total(jnp.asarray(Z + step)) - total(jnp.asarray(Z - step))) / 2
    np.testing.assert_allclose(change, (gradient(jnp.asarray(Z)) * step).sum(), rtol=1e-6)


def test_narrow_jax_arrays_and_whole_numbers(unchecked):
    columns = np.array([[1, 0, 1], [0, 1, 1]])
    exact = dense_ntk(columns)
    for dtype, tolerance in ((jnp.float16, 4e-3), (jnp.bfloat16, 3e-2), (jnp.int8, 1e-6)):
        found = dense_ntk(jnp.asarray(columns, dtype))
        np.testing.assert_allclose(found.astype(np.float32), exact, rtol=tolerance)


def test_float64_where_jax_computes_in_32_bits():
    kernel = dense_ntk(np.array([[1.0, 0, 1], [0, 1, 1]]))
    assert isinstance(kernel, np.ndarray)
    np.testing.assert_allclose(kernel[0, 1], 1 / np.pi, rtol=1e-13)
    np.testing.assert_allclose(kernel[0, 0], 2, rtol=1e-15)


def predictions(kernel, values):
    """Ridgeless regression on the first columns, for all of them."""
    seen = values.shape[1]
    return np.linalg.solve(kernel[:seen, :seen], values.T).T @ kernel[:seen]


@pytest.mark.parametrize("seen", [1, 5, 40])
def test_proposition_2_one_hot_drugs_give_the_mean_over_the_cell(seen):
    r"""SI appendix E: K = (2 - 1/pi) I + J / pi, so that predictions are the mean, scaled.

    Its last formula has pi l where the inverse of this matrix has l.
    """
    Y = np.random.default_rng(5).standard_normal((6, seen))
    predicted = predictions(dense_ntk(np.eye(50)), Y)[:, seen:]
    scale = seen / (2 * np.pi - 1 + seen)
    expected = np.repeat(scale * Y.mean(axis=1, keepdims=True), 50 - seen, axis=1)
    np.testing.assert_allclose(predicted, expected, rtol=1e-8)


def test_laplacian_corollary_a_linear_network_is_linear_regression():
    """SI appendix B: on eigenvectors of a graph Laplacian, Belkin and Niyogi's method."""
    rng = np.random.default_rng(6)
    points = rng.standard_normal((40, 3))
    weights = np.exp(-scipy.spatial.distance.cdist(points, points, "sqeuclidean"))
    laplacian = np.diag(weights.sum(axis=1)) - weights
    Z = np.linalg.eigh(laplacian)[1][:, :30].T
    Y = rng.standard_normal((2, 12))
    w = np.linalg.lstsq(Z[:, :12].T, Y.T, rcond=None)[0].T
    predicted = predictions(dense_ntk(Z, activation=Identity()), Y)
    np.testing.assert_allclose(predicted, w @ Z, rtol=1e-8, atol=1e-8)


def test_networks_of_finite_width():
    """One-by-one convolutions on a row of pixels; with one hidden layer, without bias."""
    Z = np.random.default_rng(7).standard_normal((3, 4))
    network = Sequential([Conv(1), Relu(), Conv(1)])
    drawn = sample_kernels(network, 256, np.float32(Z.T[None]), "ntk", draws=60, seed=0)
    error = drawn.mean(axis=0) - dense_ntk(Z) / 3
    assert (abs(error) < 5 * drawn.std(axis=0) / np.sqrt(60)).all()
    assert abs(error).max() < 0.02 * dense_ntk(Z).max() / 3


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"Z1": np.ones(3)}, r"Z1 has shape \(3,\)"),
        ({"Z1": np.ones((3, 0))}, r"Z1 has shape \(3, 0\)"),
        ({"Z1": np.array([[1.0, np.nan]])}, r"Z1\[0, 1\] was nan; pass a prior without missing"),
        ({"Z1": np.ones((2, 2)), "Z2": np.ones((3, 2))}, "of length 2 and Z2 of length 3"),
        ({"Z1": np.full((2, 2), 1e200)}, r"norms 1.4e\+200 and .*beyond float64; multiply"),
        ({"Z1": np.full((2, 2), 1e-200)}, r"norms 1.4e-200 and .*beyond float64"),
        ({"Z1": np.eye(2), "Z2": np.full((2, 2), 1.5e308)}, "norms 1.0e\\+00 and inf"),
        ({"Z1": np.full((2, 2), 1j)}, "Z1 has complex numbers"),
        ({"Z1": np.ones((2, 2)), "depth": 1.5}, "depth was 1.5"),
        ({"Z1": np.ones((2, 2)), "depth": -1}, "depth was -1"),
        ({"Z1": np.ones((2, 2)), "kind": "cntk"}, "kind was 'cntk'"),
        ({"Z1": np.ones((2, 2)), "activation": Erf()}, r"Erf\(\), which is not homogeneous"),
        ({"Z1": np.ones((2, 2)), "activation": "rleu"}, "did you mean 'relu'"),
    ],
)
def test_arguments_are_checked(arguments, words, unchecked):
    with pytest.raises(ValueError, match=words):
        dense_ntk(**arguments)


def test_memory_is_predicted(monkeypatch):
    monkeypatch.setattr(memory, "available_bytes", lambda: 10_000)
    with pytest.raises(memory.NotEnoughMemoryError, match="a dense 100 x 100 kernel"):
        dense_ntk(np.ones((2, 100)))
