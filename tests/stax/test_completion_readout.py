"""The readout of matrix completion, its kernels, and neural-tangents' tools on them."""

import jax
import jax.numpy as jnp
import jaxtyping
import numpy as np
import pytest
from compiled import by_operation, initialised
from stax.sampling import assert_agrees, exact_kernels, sample_kernels

from ntkmc import stax
from ntkmc._neural_tangents import neural_tangents as nt

ROWS, COLUMNS = [0, 2, 0, 1, 2], [3, 1, 0, 3, 3]  # of a 3 x 4 matrix
ENTRIES = np.stack([ROWS, COLUMNS], axis=1)
OTHER = np.array([[1, 1], [0, 2]])
KEY = jax.random.key(0)
READOUT = stax.CompletionReadout(ROWS, COLUMNS)


def prior(*shape, seed=0):
    return jnp.asarray(np.random.default_rng(seed).standard_normal(shape))


def dense(rows=3, width=2048, activation=stax.Relu):
    return stax.serial(stax.Dense(width), activation(), stax.Dense(rows))


def conv(n_convs=2, width=2048, activation=stax.Relu):
    """An odd number of convolutions leaves the kernel's spatial axes reversed."""
    hidden = [stax.Conv(width, (3, 3), padding="SAME"), activation()] * (n_convs - 1)
    return stax.serial(*hidden, stax.Conv(1, (3, 3), padding="CIRCULAR"))


@pytest.fixture
def unchecked(monkeypatch):
    """Turns the tests' run-time types off: what is refused is what a user would be refused."""
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)


class TestOutputs:
    @pytest.mark.parametrize("axes", ["columns, rows", "priors, columns, rows", "feature maps"])
    def test_are_the_entries(self, axes):
        y = np.asarray(prior(2, 3, 4))  # two 3 x 4 matrices
        if axes == "columns, rows":
            y = y[:1]
            x = y[0].T
        else:
            x = y.swapaxes(1, 2) if "rows" in axes else y[..., None]
        init_fn, apply_fn, _ = READOUT
        shape, params = init_fn(KEY, x.shape)
        apply_fn = by_operation(apply_fn)
        read = apply_fn(params, x)
        assert read.shape == shape == (5 * len(y), 1)
        np.testing.assert_array_equal(read[:, 0], y[:, ROWS, COLUMNS].ravel())
        other = apply_fn(params, x, entries=jnp.asarray(OTHER))
        np.testing.assert_array_equal(other[:, 0], y[:, OTHER[:, 0], OTHER[:, 1]].ravel())


class TestKernels:
    @pytest.mark.slow
    def test_rows_are_independent(self, x64):
        z = prior(4, 5)
        networks = dense()[2], stax.serial(dense(), READOUT)[2]
        both = by_operation(lambda z: [f(z, None, ("nngp", "ntk")) for f in networks])(z)
        inner, read = jax.tree.map(np.asarray, both)
        same = np.equal.outer(ROWS, ROWS)
        for block, full in zip(read, inner, strict=True):
            assert block.shape == (5, 5)
            np.testing.assert_array_equal(block[~same], 0)
            np.testing.assert_array_equal(block[same], full[np.ix_(COLUMNS, COLUMNS)][same])

    @pytest.mark.slow
    @pytest.mark.parametrize("n_convs", [1, 2])
    def test_entries_of_a_feature_map(self, x64, n_convs):
        z = prior(1, 3, 4, 2)
        networks = conv(n_convs)[2], stax.serial(conv(n_convs), READOUT)[2]
        inner, read = by_operation(lambda z: [f(z) for f in networks])(z)
        full = exact_kernels(lambda k: k, inner)
        assert not read.is_reversed
        assert read.shape1 == (5, 1)
        i, j = np.array(ROWS), np.array(COLUMNS)
        for name, mat in full.items():
            expected = mat[0, 0][i[:, None], i, j[:, None], j]  # (H, H, W, W)
            np.testing.assert_array_equal(getattr(read, name), expected)
        np.testing.assert_allclose(read.cov1, np.diag(read.nngp), rtol=1e-12)

    @pytest.mark.parametrize("case", ["columns", "stack of columns", "feature map"])
    def test_two_sides(self, x64, case):
        """Other priors and other entries on either side are blocks of the whole kernel."""
        # Erf, as compiled differently twice a ReLU's derivative at correlation 1 differs by 1e-8.
        make = conv if case == "feature map" else dense
        kernel_fn = stax.serial(make(activation=stax.Erf), READOUT)[2]
        shape = {"columns": (4, 5), "stack of columns": (1, 4, 5), "feature map": (1, 3, 4, 2)}[
            case
        ]
        z1, z2 = prior(*shape), prior(*shape, seed=1)
        both = np.concatenate([ENTRIES, OTHER])

        @by_operation
        def of_one(z):
            chosen = (
                kernel_fn(z, z, "ntk", entries=(both, both)),
                kernel_fn(z, z, "nngp", entries=(OTHER, OTHER)),
            )
            return *chosen, kernel_fn(z, None, "ntk"), kernel_fn(z, None, entries=(ENTRIES, OTHER))

        whole, other, own, cross = of_one(z1)
        np.testing.assert_allclose(own, whole[:5, :5], rtol=1e-12)
        np.testing.assert_allclose(cross.ntk, whole[:5, 5:], rtol=1e-12)
        np.testing.assert_allclose(cross.cov2, np.diag(other))
        assert (cross.shape1, cross.shape2) == ((5, 1), (2, 1))
        if case == "columns":
            return

        @by_operation
        def of_two(z1, z2):
            pair = jnp.concatenate([z1, z2])
            full = kernel_fn(pair, None, diagonal_batch=False)
            return kernel_fn(pair, None, "ntk"), kernel_fn(z1, z2, "ntk"), full.cov1, full.nngp

        stacked, across, cov1, nngp = of_two(z1, z2)
        assert stacked.shape == (10, 10)
        np.testing.assert_allclose(stacked[:5, 5:], across, rtol=1e-9)
        np.testing.assert_allclose(cov1, nngp, rtol=1e-9)

    def test_a_stack_of_columns_is_the_batch_of_columns(self, x64):
        z = prior(4, 5)
        kernel_fn = stax.serial(dense(), READOUT)[2]
        compiled = by_operation(lambda z: kernel_fn(z, None, "ntk"))
        stack, batch = np.asarray(compiled(z[None])), np.asarray(compiled(z))
        # neural-tangents takes a ReLU's kernel from sqrt(n11 n22 - n12^2): at correlation one, that
        # of an entry with itself, it is the root of a rounding, sqrt(eps) = 1.5e-8 at most.
        itself = np.eye(5, dtype=bool)
        np.testing.assert_allclose(stack[~itself], batch[~itself], rtol=1e-12)
        np.testing.assert_allclose(stack[itself], batch[itself], rtol=2e-8)

    def test_masked_entries(self):
        z = np.array(prior(1, 3, 4, 1))
        z[0, 0, :, 0] = 100.0
        kernel_fn = stax.serial(stax.Conv(1, (1, 1)), READOUT)[2]
        k = by_operation(lambda z: kernel_fn(z, None, mask_constant=100.0))(z)
        np.testing.assert_array_equal(k.mask1[:, 0], np.equal(ROWS, 0))
        assert (np.asarray(k.nngp)[np.equal(ROWS, 0)] == 0).all()


class TestSampled:
    """Networks of width 2048, 200 of them; different rows too, which only the mean has at zero."""

    @pytest.mark.parametrize("shape", [(4, 3), (3, 4, 3)], ids=str)
    def test_fully_connected(self, shape):
        z = prior(*shape).astype(jnp.float32)
        network = stax.serial(dense(), READOUT)
        assert_agrees(sample_kernels(network, z), exact_kernels(by_operation(network[2]), z))

    @pytest.mark.slow
    def test_two_feature_maps(self):
        z = prior(2, 3, 4, 1).astype(jnp.float32)
        network = stax.serial(conv(), READOUT)
        assert_agrees(sample_kernels(network, z), exact_kernels(by_operation(network[2]), z))

    @pytest.mark.slow
    def test_axes_that_are_traced(self):
        """The one channel, which is neural-tangents' default, or none: they give the same."""
        z = prior(4, 3)
        init_fn, apply_fn, _ = stax.serial(dense(width=16), READOUT)
        _, params = initialised(init_fn, z.shape)
        ntk_fn = nt.empirical_ntk_fn(apply_fn)
        untraced_fn = nt.empirical_ntk_fn(apply_fn, trace_axes=())
        traced = by_operation(lambda z, params: ntk_fn(z, None, params))(z, params)
        untraced = by_operation(lambda z, params: untraced_fn(z, None, params))(z, params)
        assert traced.shape == (5, 5)
        np.testing.assert_allclose(traced, untraced[:, :, 0, 0], rtol=1e-6)
        pair = (jnp.asarray(ENTRIES), jnp.asarray(OTHER))
        cross = by_operation(ntk_fn)(z, z, params, entries=pair)
        assert cross.shape == (5, 2)

    @pytest.mark.parametrize("case", ["columns", "feature map"])
    def test_monte_carlo_kernel_fn(self, case):
        network, z = (dense(), prior(4, 3)) if case == "columns" else (conv(), prior(1, 3, 4, 1))
        init_fn, apply_fn, kernel_fn = stax.serial(network, READOUT)
        sampled_fn = nt.monte_carlo_kernel_fn(
            init_fn, apply_fn, jax.random.PRNGKey(3), n_samples=16, device_count=0
        )
        exact = by_operation(kernel_fn)(z).ntk
        atol = 0.05 * float(jnp.abs(exact).max())
        np.testing.assert_allclose(sampled_fn(z, None, "ntk"), exact, atol=atol)


class TestTransformations:
    @pytest.mark.slow
    @pytest.mark.parametrize("case", ["columns", "feature map"])
    def test_jit(self, case):
        network, z = (dense(), prior(4, 3)) if case == "columns" else (conv(), prior(1, 3, 4, 1))
        kernel_fn = stax.serial(network, READOUT)[2]
        traced = jax.jit(lambda z: kernel_fn(z, None, "ntk"))(z)
        inner = by_operation(lambda z: network[2](z, None, diagonal_spatial=False))(z)
        np.testing.assert_allclose(traced, READOUT[2](inner).ntk, rtol=1e-4, atol=1e-6)
        entries = jnp.asarray(ENTRIES)
        chosen = by_operation(lambda z, e: kernel_fn(z, z, "ntk", entries=(e, e)))(z, entries)
        np.testing.assert_allclose(chosen, traced, rtol=1e-4, atol=1e-6)

    @pytest.mark.parametrize("case", ["stack of columns", "feature map"])
    def test_batches(self, case):
        network, z = (dense(), prior(4, 4, 3)) if "columns" in case else (conv(), prior(4, 3, 4, 1))
        kernel_fn = stax.serial(network, READOUT)[2]
        batched = nt.batch(kernel_fn, batch_size=2, device_count=0)
        expected = by_operation(kernel_fn)(z, z[:2])
        np.testing.assert_allclose(batched(z, z[:2], "ntk"), expected.ntk, rtol=1e-4, atol=1e-6)
        whole = jax.eval_shape(batched, z, z[:2])  # a Kernel
        assert (whole.shape1, whole.shape2) == ((20, 1), (10, 1))

    def test_columns_in_batches(self):
        """A part of the columns is no matrix: the whole as one batch, or a stack of one."""
        kernel_fn = stax.serial(dense(), READOUT)[2]
        with pytest.raises(ValueError, match=r"entry \(0, 3\) was asked for .* \(1, columns, feat"):
            nt.batch(kernel_fn, batch_size=2, device_count=0)(prior(4, 3), None, "ntk")

    @pytest.mark.slow
    @pytest.mark.parametrize("case", ["columns", "feature map"])
    def test_prediction_of_missing_entries(self, x64, case):
        network, z = (dense(), prior(4, 3)) if case == "columns" else (conv(), prior(1, 3, 4, 1))
        kernel_fn = by_operation(stax.serial(network, READOUT)[2], static_argnames="get")
        y = np.asarray(prior(5, 1, seed=1))
        predict = nt.predict.gradient_descent_mse_ensemble(
            kernel_fn, z, y, entries=(ENTRIES, ENTRIES)
        )
        np.testing.assert_allclose(predict(x_test=z, get="ntk", entries=(ENTRIES, ENTRIES)), y)
        both = np.concatenate([ENTRIES, OTHER])
        whole = np.asarray(kernel_fn(z, z, "ntk", entries=(both, both)))
        expected = whole[5:, :5] @ np.linalg.solve(whole[:5, :5], y)
        got = predict(x_test=z, get="ntk", entries=(OTHER, OTHER))
        np.testing.assert_allclose(got, expected, rtol=1e-8, atol=1e-12)
        plain = nt.predict.gradient_descent_mse_ensemble(kernel_fn, z, y)
        np.testing.assert_allclose(plain(x_test=z, get="nngp"), y)
        flow = nt.predict.gradient_descent_mse(whole[:5, :5], y)
        _, later = flow(np.inf, 0.0, np.zeros((2, 1)), whole[5:, :5])
        np.testing.assert_allclose(later, expected, rtol=1e-8, atol=1e-12)


class TestRefused:
    @pytest.mark.parametrize(
        ("rows", "columns", "message"),
        [
            ([0.5], [1], "rows was .0.5.; pass a sequence of at least one whole number"),
            ([0, 1], [0, -1], "columns was .0, -1.; pass a sequence"),
            ([], [], "rows was ..; pass a sequence"),
            (3, [1], "rows was 3; pass a sequence"),
            ([0, 1], [1], "rows had 2 entries and columns 1; pass one row and one column for each"),
        ],
    )
    def test_rows_and_columns(self, unchecked, rows, columns, message):
        with pytest.raises(ValueError, match=message):
            stax.CompletionReadout(rows, columns)

    def test_entries_outside(self):
        for shape in ((4, 2), (2, 3), (1, 3, 3, 1)):
            with pytest.raises(ValueError, match=r"entry \(\d, \d\) was asked for and the output"):
                READOUT[0](KEY, shape)
        with pytest.raises(ValueError, match=r"entry \(2, 1\) was asked for .* 1 rows and 4"):
            stax.serial(dense(rows=1), READOUT)[2](prior(4, 5))
        with pytest.raises(ValueError, match=r"entry \(7, 0\)"):
            stax.serial(dense(), READOUT)[2](prior(4, 5), None, "ntk", entries=np.array([[7, 0]]))

    def test_outputs_of_another_kind(self):
        with pytest.raises(ValueError, match="of which the last has one channel"):
            jax.eval_shape(stax.serial(stax.Conv(2, (3, 3)), READOUT)[2], prior(1, 5, 6, 1))
        with pytest.raises(ValueError, match=r"pass whole numbers of shape \(entries, 2\)"):
            stax.serial(dense(), READOUT)[2](prior(4, 5), None, "ntk", entries=ENTRIES[:, 0])

    def test_entries_of_masked_inputs(self):
        with pytest.raises(ValueError, match="entries was passed with masked inputs"):
            stax.serial(dense(), READOUT)[2](prior(4, 5), None, mask_constant=0.0, entries=ENTRIES)
