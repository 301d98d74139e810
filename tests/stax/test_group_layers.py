"""Group convolutions: kernels against their definition, symmetries, use, and what is refused."""

import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from compiled import by_operation, initialised
from stax import group_reference as reference

from ntkmc import stax
from ntkmc._neural_tangents import neural_tangents as nt
from ntkmc.groups import PADDINGS, POINT_GROUPS

STDS = {"W_std": 1.3, "b_std": 0.4}


def images(*shape, seed=0):
    return jnp.asarray(np.random.default_rng(seed).standard_normal(shape))


def matrices(group):
    return [((a, b), (c, d)) for a, b, c, d in POINT_GROUPS[group].matrices]


def assert_defined(k, kernels, message=""):
    """A `Kernel` of one batch with itself against the reference's nngp and ntk."""
    for name, exact in zip(("nngp", "ntk"), kernels, strict=True):
        found = reference.points_last(getattr(k, name))
        tolerance = 1e-12 * abs(exact).max()
        np.testing.assert_allclose(found, exact, rtol=0, atol=tolerance, err_msg=message + name)


class TestDefinition:
    # One operation after the other: groups of one order share what is compiled.
    @pytest.mark.slow
    @pytest.mark.parametrize("order", [1, 2, 4, 8])
    def test_kernels_of_up_to_three_convolutions(self, x64, order):
        for group in (name for name, elements in POINT_GROUPS.items() if len(elements) == order):
            for padding in PADDINGS:
                self.check(group, padding)

    def check(self, group, padding):
        side, sizes = (6, (3, 1, 3)) if padding == "VALID" else (4, (3, 3, 3))
        x = images(2, side, side, 2)
        options = {"padding": padding, "group": group, **STDS}
        grid, *kernels = reference.initial(x)
        k = None
        for depth, size in enumerate(sizes):
            if depth == 0:
                layer = stax.LiftingConv(1, (size, size), **options)[2]
                k = layer(x, None, diagonal_batch=False)
            else:
                kernels = reference.relu(kernels)
                k = stax.GroupConv(1, (size, size), **options)[2](stax.Relu()[2](k))
            grid, kernels = reference.convolution(
                grid, kernels, matrices(group), (size, size), 1, padding, *STDS.values()
            )
            assert_defined(k, kernels, f"{group}, {padding}, layer {depth}: ")
            np.testing.assert_array_equal(k.cov1, k.nngp)

    @pytest.mark.parametrize(
        ("group", "padding", "shape", "filter_shape", "stride"),
        [
            ("D4", "SAME", (5, 5), (3, 3), 2),
            ("C4", "VALID", (7, 7), (3, 3), 2),
            ("C4", "CIRCULAR", (6, 6), (3, 3), 3),
            ("D2", "SAME", (5, 4), (3, 1), 1),
        ],
    )
    def test_strides_and_rectangles(self, x64, group, padding, shape, filter_shape, stride):
        x = images(2, *shape, 3)
        strides = (stride, stride)
        lifting = stax.LiftingConv(1, filter_shape, strides, padding, group, **STDS)
        k = by_operation(lambda x: lifting[2](x, None, diagonal_batch=False))(x)
        grid, *kernels = reference.initial(x)
        grid, kernels = reference.convolution(
            grid, kernels, matrices(group), filter_shape, stride, padding, *STDS.values()
        )
        assert_defined(k, kernels)
        assert k.shape1 == (2, *grid.shape, len(matrices(group)), 1)

    def test_the_standard_parameterization(self, x64):
        options = {"padding": "SAME", "group": "D2", "parameterization": "standard", **STDS}
        layers = [
            stax.LiftingConv(7, (3, 3), **options),
            stax.Erf(),
            stax.GroupConv(5, (3, 3), **options),
        ]
        x = images(2, 4, 4, 3)
        grid, *kernels = reference.initial(x)
        convolution = (matrices("D2"), (3, 3), 1, "SAME", *STDS.values())
        grid, kernels = reference.convolution(grid, kernels, *convolution, 3)
        kernels = reference.erf(kernels)
        grid, kernels = reference.convolution(grid, kernels, *convolution, 7)
        network = stax.serial(*layers)[2]
        k = by_operation(lambda x: network(x, None, diagonal_batch=False))(x)
        assert_defined(k, kernels)
        assert k.shape1 == (2, 4, 4, 4, 5)
        weights, biases = initialised(layers[2][0], (1, 4, 4, 4, 7))[1]
        assert (weights.shape, biases.shape) == ((4, 3, 3, 7, 5), (5,))

    def test_residual_networks_and_pooling(self, x64):
        x = images(2, 4, 4, 2)
        options = {"padding": "SAME", "group": "D2"}
        block = stax.serial(
            stax.FanOut(2),
            stax.parallel(
                stax.serial(stax.Erf(), stax.GroupConv(1, (3, 3), **options)), stax.Identity()
            ),
            stax.FanInSum(),
        )
        lifting = stax.LiftingConv(1, (3, 3), **options)
        network = stax.serial(lifting, block, stax.GroupPool(), stax.GlobalAvgPool())
        grid, *kernels = reference.initial(x)
        convolution = (matrices("D2"), (3, 3), 1, "SAME", 1.0, None)
        grid, kernels = reference.convolution(grid, kernels, *convolution)
        _, branch = reference.convolution(grid, reference.erf(kernels), *convolution)
        kernels = [one + other for one, other in zip(kernels, branch, strict=True)]
        k = by_operation(network[2])(x)
        for name, kernel in zip(("nngp", "ntk"), kernels, strict=True):
            np.testing.assert_allclose(getattr(k, name), kernel.mean((2, 3)), rtol=1e-12)
        np.testing.assert_allclose(k.cov1, np.diag(k.nngp), rtol=1e-12)

    def test_pooled_pixels_between_convolutions(self, x64):
        """Two group convolutions with the means of 2 x 2 pixels between them."""
        x = images(2, 4, 4, 2)
        options = {"padding": "SAME", "group": "C4", **STDS}
        layers = [
            stax.LiftingConv(1, (3, 3), **options),
            stax.AvgPool((2, 2, 1), (2, 2, 1)),
            stax.GroupConv(1, (3, 3), **options),
        ]
        network = stax.serial(*layers)[2]
        k = by_operation(lambda x: network(x, None, diagonal_batch=False))(x)
        grid, *kernels = reference.initial(x)
        convolution = (matrices("C4"), (3, 3), 1, "SAME", *STDS.values())
        grid, kernels = reference.convolution(grid, kernels, *convolution)
        blocks = (2, 2, *(2, 2, 2, 2, 4) * 2)
        kernels = [
            kernel.reshape(blocks).mean((3, 5, 8, 10)).reshape(2, 2, 16, 16) for kernel in kernels
        ]
        _, kernels = reference.convolution(
            reference.Grid((2, 2), matrices("C4")), kernels, *convolution
        )
        assert_defined(k, kernels)

    def test_only_variances_where_no_more_is_needed(self, x64):
        """A network that ends in Flatten keeps diagonals, and they are those of the full kernel."""
        layers = [
            stax.LiftingConv(1, (3, 3), group="D1", **STDS),
            stax.Erf(),
            stax.GroupConv(1, (3, 3), padding="SAME", group="D1", **STDS),
        ]
        x1, x2 = images(2, 5, 5, 2), images(1, 5, 5, 2, seed=1)
        full = by_operation(stax.serial(*layers)[2])(x1, x2)
        flat = by_operation(stax.serial(*layers, stax.Flatten())[2])(x1, x2)
        diagonal = stax.serial(*layers)[2]
        kept = jax.eval_shape(lambda a, b: diagonal(a, b, diagonal_spatial=True), x1, x2)
        assert kept.ntk.shape == (2, 1, 3, 3, 2)
        for name in ("nngp", "ntk"):
            expected = np.einsum("abpp->ab", reference.points_last(getattr(full, name))) / 18
            np.testing.assert_allclose(getattr(flat, name), expected, rtol=1e-12)
        with pytest.raises(ValueError, match="diagonal_spatial"):
            stax.serial(*layers, stax.GroupPool())[2](x1, x2, diagonal_spatial=True)


def turned(group, x):
    """All that a group makes of each image: (order, images, ...)."""
    return [group.act(x, r, (1, 2)) for r in range(len(group))]


class TestSymmetry:
    @pytest.mark.slow
    @pytest.mark.parametrize(
        ("precision", "tolerance", "name"), [("float64", 1e-12, "D4"), ("float32", 1e-6, "C4")]
    )
    def test_pooled_kernels_are_invariant(self, request, precision, tolerance, name):
        """To turn either image changes nothing; also where one is the other, turned."""
        if precision == "float64":
            request.getfixturevalue("x64")
        group, options = POINT_GROUPS[name], {"padding": "SAME", "group": name}
        network = stax.serial(
            stax.LiftingConv(1, (3, 3), **options),
            stax.Relu(),
            stax.GroupConv(1, (3, 3), **options),
            stax.GroupPool(),
            stax.GlobalAvgPool(),
        )[2]
        kernels = by_operation(lambda *pair: network(*pair, ("nngp", "ntk")))
        one, other = (
            np.concatenate(turned(group, np.asarray(images(1, 3, 3, 1, seed=seed)))).astype(
                precision
            )
            for seed in (0, 1)
        )
        for pair in ((one, one), (one, other)):
            for found in kernels(*pair):
                assert found.dtype == precision
                every = np.full((len(group), len(group)), found[0, 0])
                np.testing.assert_allclose(found, every, rtol=tolerance)

    @pytest.mark.parametrize(
        ("name", "padding", "stride"),
        [
            *[(name, PADDINGS[i % 3], 1) for i, name in enumerate(POINT_GROUPS) if i],
            ("D4", "SAME", 2),
        ],
    )
    def test_finite_networks_are_equivariant(self, x64, name, padding, stride):
        """y(g x)(t r) = y(x)(g^-1 t, g^-1 r), with a residual connection and pooling."""
        group = POINT_GROUPS[name]
        options = {"padding": padding, "group": name, **STDS}
        same = stax.GroupConv(3, (3, 3), padding="SAME", group=name)
        init_fn, apply_fn, _ = stax.serial(
            stax.LiftingConv(3, (3, 3), (stride, stride), **options),
            stax.Relu(),
            stax.FanOut(2),
            stax.parallel(same, stax.Identity()),
            stax.FanInSum(),
            stax.AvgPool((2, 2, 1)),
        )
        rng = np.random.default_rng(0)
        x = rng.standard_normal((1, 5, 5, 2))
        params = jax.eval_shape(lambda: init_fn(jax.random.key(0), x.shape)[1])
        params = jax.tree.map(lambda p: rng.standard_normal(p.shape), params)
        outputs = np.asarray(jax.jit(apply_fn)(params, np.concatenate(turned(group, x))))
        assert outputs.dtype == np.float64
        for r in range(len(group)):
            expected = group.act(outputs[0], r)[:, :, group.product[group.inverse[r]]]
            np.testing.assert_allclose(outputs[r], expected, atol=1e-14 * abs(outputs).max())


class TestUse:
    """With the rest of neural-tangents, in one precision and of one shape."""

    @pytest.fixture
    def network(self):
        options = {"padding": "CIRCULAR", "group": "C2"}
        return stax.serial(
            stax.LiftingConv(64, (3, 3), **options),
            stax.Relu(),
            stax.GroupConv(1, (3, 3), **options),
            stax.GroupPool(),
            stax.GlobalAvgPool(),
        )

    @pytest.mark.slow
    def test_transformations_prediction_and_sampling(self, network):
        init_fn, apply_fn, kernel_fn = network
        x1, x2, y = images(4, 3, 3, 1), images(2, 3, 3, 1, seed=1), images(4, 1, seed=2)
        batched = nt.batch(kernel_fn, batch_size=2, device_count=0)
        train, cross = batched(x1, None, "ntk"), batched(x2, x1, "ntk")
        both = jax.jit(lambda *x: kernel_fn(*x, ("nngp", "ntk")))(x2, x1)
        assert both.nngp.shape == (2, 4)
        np.testing.assert_allclose(cross, both.ntk, rtol=1e-4)
        holed = np.asarray(batched(x1.at[1, 2, 0, 0].set(np.nan), None, "ntk"))
        np.testing.assert_array_equal(np.isnan(holed), np.eye(4)[1] + np.eye(4)[:, [1]] > 0)
        np.testing.assert_array_equal(holed[~np.isnan(holed)], train[~np.isnan(holed)])
        predict = nt.predict.gradient_descent_mse_ensemble(batched, x1, y, diag_reg=1e-2)
        ridge = 1e-2 * np.trace(train) / 4 * np.eye(4)
        expected = cross @ np.linalg.solve(train + ridge, y)
        np.testing.assert_allclose(predict(x_test=x2, get="ntk"), expected, rtol=1e-3, atol=1e-4)
        shape, params = init_fn(jax.random.PRNGKey(0), x1.shape)
        assert jax.eval_shape(apply_fn, params, x1).shape == shape == (4, 1)
        sampled_fn = nt.monte_carlo_kernel_fn(
            init_fn, apply_fn, jax.random.PRNGKey(3), 16, device_count=0, vmap_axes=0
        )
        np.testing.assert_allclose(sampled_fn(x2, x1, "ntk"), cross, rtol=0.3)


LIFTING = stax.LiftingConv(4, (3, 3), group="D2")
GROUP = stax.GroupConv(4, (3, 3), group="D2")


class TestRefusals:
    @pytest.mark.parametrize("layer", [stax.LiftingConv, stax.GroupConv])
    @pytest.mark.parametrize(
        ("change", "words"),
        [
            ({"out_chan": 0}, "out_chan was 0; pass a whole number"),
            ({"group": "C8"}, r"group was 'C8'; pass one of C1, .* there is no interpolation"),
            ({"filter_shape": (4, 4)}, r"filter_shape was \(4, 4\); pass odd sides"),
            ({"filter_shape": (1, 3)}, "filter_shape was .* C4 exchanges rows and columns"),
            ({"strides": (1, 2)}, "strides was .* C4 exchanges rows and columns"),
            ({"padding": "REFLECT"}, "padding was 'REFLECT'; pass one of"),
            ({"W_std": -1.0}, "W_std was -1.0; pass a number that is at least 0"),
            ({"W_std": None}, "W_std was None"),
            ({"b_std": float("nan")}, "b_std was nan"),
            ({"parameterization": "mup"}, "parameterization was 'mup'; pass one of 'ntk', 'stand"),
        ],
    )
    def test_arguments(self, unchecked, layer, change, words):
        with pytest.raises(ValueError, match=f"{layer.__name__}: {words}"):
            layer(**{"out_chan": 4, "filter_shape": (3, 3)} | change)

    @pytest.mark.parametrize(
        ("layer", "shape", "words"),
        [
            (stax.LiftingConv(4, (3, 3)), (1, 4, 6, 2), "LiftingConv: the image is 4 x 6 and C4"),
            (LIFTING, (1, 2, 4, 2), "LiftingConv: the image is 2 x 4, less than the filter"),
            (LIFTING, (1, 4, 2), "LiftingConv: the inputs have shape .* pass images"),
            (LIFTING, (1, 4, 4, 4, 2), "LiftingConv: the inputs have shape .* pass images"),
            (stax.LiftingConv(4, (3, 3), (2, 2), "SAME"), (1, 6, 6, 1), "stride 2 .*next is 7"),
            (GROUP, (1, 4, 4, 2), "GroupConv: .* put a LiftingConv before it"),
            (GROUP, (1, 4, 4, 8, 2), "group was D2, of 4 elements, and the inputs have 8; pass"),
            (stax.GroupPool(), (1, 4, 4, 2), "GroupPool: .* put a LiftingConv before it"),
        ],
    )
    def test_shapes(self, layer, shape, words):
        init_fn, apply_fn, kernel_fn = layer
        x = np.ones(shape, np.float32)
        with pytest.raises(ValueError, match=words):
            init_fn(jax.random.key(0), shape)
        if layer[0].__name__ == "GroupPool":
            with pytest.raises(ValueError, match=words):
                apply_fn((), x)
        with pytest.raises(ValueError, match=words):
            jax.eval_shape(lambda x: kernel_fn(x, None, "ntk"), x)

    @pytest.mark.parametrize(
        ("layer", "shape"), [(LIFTING, (1, 4, 4)), (GROUP, (1, 4, 4, 4))], ids=["lift", "group"]
    )
    def test_other_channels(self, layer, shape):
        name, two, three = layer[0].__name__, (*shape, 2), (*shape, 3)
        params = initialised(layer[0], two)[1]
        words = f"{name}: .*{re.escape(str(three))} and the weights were made for 2 chan.*; pass"
        with pytest.raises(ValueError, match=words):
            layer[1](params, np.ones(three, np.float32))
        words = re.escape(f"kernel_fn: x1 has shape {two} and x2 {three}; pass two with as many")
        for kernel_fn in (layer[2], stax.serial(layer, stax.Relu())[2]):
            with pytest.raises(ValueError, match=words):
                kernel_fn(np.ones(two, np.float32), np.ones(three, np.float32), "ntk")

    @pytest.mark.parametrize("value", [np.nan, -np.inf])
    def test_missing_and_masked_pixels(self, value):
        x = np.ones((1, 4, 4, 2), np.float32)
        holed = x.copy()
        holed[0, 1, 2, 0] = value
        params = initialised(LIFTING[0], x.shape)[1]
        words = "LiftingConv: the inputs hold values that are NaN or infinite; fill in or drop"
        for inputs in ((holed, None), (holed, x), (x, holed)):
            with pytest.raises(ValueError, match=words):
                stax.serial(LIFTING, stax.Relu())[2](*inputs, "nngp")
        with pytest.raises(ValueError, match=words):
            LIFTING[1](params, holed)
        with pytest.raises(ValueError, match="LiftingConv: mask_constant was passed"):
            LIFTING[2](x, None, "nngp", mask_constant=value)

    @pytest.mark.parametrize("value", [np.nan, -np.inf])
    def test_missing_pixels_where_values_are_not_known(self, value):
        """Under jit no error can be raised; then all that an image has a part in is NaN.

        With zeros around the image a kernel leaves out products of a missing pixel and a zero, and
        activations have finite limits: neither makes a number of it.
        """
        lifting = stax.LiftingConv(4, (3, 3), padding="SAME", group="C2")
        init_fn, apply_fn, _ = stax.serial(lifting, stax.Erf())
        x1, x2 = images(3, 2, 4, 1), images(2, 2, 4, 1, seed=1)
        params = initialised(init_fn, x1.shape)[1]

        @by_operation
        def traced(x1, x2):
            first = lifting[2](x1, x2)
            own = lifting[2](x1, None, diagonal_batch=False)
            kernels = [(k.nngp, k.ntk) for k in (first, stax.Erf()[2](first), own)]
            return kernels, first.cov1, own.cov1, first.cov2, apply_fn(params, x1)

        known, *others = traced(x1, x2)
        found, *holed = traced(x1.at[1, 0, 0, 0].set(value), x2.at[0, 1, 3, 0].set(value))
        one, two = np.arange(3) == 1, np.arange(2) == 0
        across, square = one[:, None] | two, one[:, None] | one
        for missing, before, after in zip(
            [across, across, across, across, square, square, one, square, two, one],
            [*jax.tree.leaves(known), *others],
            [*jax.tree.leaves(found), *holed],
            strict=True,
        ):
            assert np.isfinite(before).all()
            np.testing.assert_array_equal(after[~missing], before[~missing])
            assert np.isnan(after[missing]).all()
