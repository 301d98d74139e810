"""neural-tangents through the shim: its import's side effects, and its numbers."""

import json
import re
import subprocess
import sys
import textwrap

import jax
import jax.flatten_util
import jax.numpy as jnp
import numpy as np
import pytest
from compiled import by_operation, initialised

from ntkmc import stax
from ntkmc._neural_tangents import neural_tangents as nt
from ntkmc._random import normal


def run_python(code: str) -> str:
    """Run code in a fresh interpreter and return what it printed."""
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


class TestImport:
    def test_leaves_others_as_they_were(self):
        report = json.loads(
            run_python("""
            import importlib, json, sys
            import jax, jax.core, jax.interpreters.ad, scipy.linalg

            names = ["jax", "jax.core", "jax.interpreters.ad", "scipy", "scipy.linalg"]
            watched = [importlib.import_module(name) for name in names]
            before = [dict(vars(module)) for module in watched]
            util = sys.modules.get("jax.util")

            from ntkmc import stax

            # A submodule that is imported becomes an attribute of its package: that is no trace.
            changed = [
                f"{module.__name__}.{name}"
                for module, old in zip(watched, before)
                for name in old.keys() | vars(module).keys()
                if old.get(name) is not vars(module).get(name)
                and sys.modules.get(f"{module.__name__}.{name}") is not vars(module).get(name)
            ]
            import neural_tangents
            print(json.dumps({
                "changed": changed,
                "util": sys.modules.get("jax.util") is util,
                "tensorflow": sorted({"tensorflow", "tf2jax"} & sys.modules.keys()),
                "stand-in": "neural_tangents.experimental" in sys.modules
                            or hasattr(neural_tangents, "experimental"),
            }))
            """)
        )
        assert report == {"changed": [], "util": True, "tensorflow": [], "stand-in": False}

    def test_does_not_import_an_installed_tensorflow(self, tmp_path):
        for name in ("tensorflow", "tf2jax"):
            (tmp_path / f"{name}.py").write_text("raise SystemExit('imported ' + __name__)")
        run_python(f"import sys; sys.path.insert(0, {str(tmp_path)!r}); from ntkmc import stax")

    def test_plain_package_does_not_import_it(self):
        run_python("import sys, ntkmc; assert 'neural_tangents' not in sys.modules")

    def test_says_how_to_install_it(self):
        printed = run_python("""
            import sys
            sys.modules.pop("neural_tangents", None)
            class Absent:
                def find_spec(self, name, path=None, target=None):
                    if name == "neural_tangents":
                        raise ModuleNotFoundError(f"No module named {name!r}", name=name)
            sys.meta_path.insert(0, Absent())
            try:
                from ntkmc import stax
            except ImportError as error:
                print(error)
            """)
        assert "pip install --no-deps neural-tangents==0.6.5" in printed

    def test_keeps_a_neural_tangents_that_is_already_imported(self):
        run_python("""
            from ntkmc import stax
            import neural_tangents, sys
            del sys.modules["ntkmc._neural_tangents"], sys.modules["ntkmc.stax"]
            from ntkmc import _neural_tangents
            assert _neural_tangents.neural_tangents is neural_tangents
            """)

    def test_re_exports_every_public_name(self):
        public = {name for name in vars(nt.stax) if not name.startswith("_")}
        assert {"Dense", "Conv", "serial", "ImageResize"} <= public
        assert all(getattr(stax, name) is getattr(nt.stax, name) for name in public)


@pytest.fixture
def x1():
    return normal(jax.random.key(1), (4, 3))


@pytest.fixture
def x2():
    return normal(jax.random.key(2), (3, 3))


@pytest.fixture
def mlp():
    return stax.serial(stax.Dense(8), stax.Relu(), stax.Dense(2))


@pytest.fixture
def cnn():
    return stax.serial(
        stax.Conv(3, (3, 3), padding="SAME", b_std=0.1),
        stax.Relu(),
        stax.Conv(3, (3, 3), padding="CIRCULAR"),
        stax.Erf(),
        stax.GlobalAvgPool(),
        stax.Dense(2),
    )


def compiled(kernel_fn):
    return by_operation(kernel_fn, static_argnums=2)


def relu_kernels(x1, x2):
    """NNGP and NTK of Dense, ReLU, Dense with unit weights' variances, no biases, in float64."""
    x1, x2 = np.asarray(x1, float), np.asarray(x2, float)
    k = x1 @ x2.T / x1.shape[1]
    scale = np.sqrt(np.outer((x1**2).mean(1), (x2**2).mean(1)))
    angle = np.arccos(np.clip(k / scale, -1, 1))
    nngp = scale * (np.sin(angle) + (np.pi - angle) * np.cos(angle)) / (2 * np.pi)
    return nngp, nngp + k * (np.pi - angle) / (2 * np.pi)


class TestKernels:
    def test_dense_closed_form(self, mlp, x1, x2):
        _, _, kernel_fn = mlp
        kernel = kernel_fn(x1, x2, ("nngp", "ntk"))
        nngp, ntk = relu_kernels(x1, x2)
        # To the rounding of numbers of the size of the norms: one pair is nearly opposite.
        np.testing.assert_allclose(kernel.nngp, nngp, rtol=1e-5, atol=3e-8)
        np.testing.assert_allclose(kernel.ntk, ntk, rtol=1e-5, atol=3e-8)

    def test_inputs_that_cannot_be_multiplied(self, mlp, cnn, x1):
        for network, one, other, axis in (
            (mlp, x1, x1[:, :2], 1),
            (cnn, jnp.ones((1, 4, 4, 3)), jnp.ones((2, 4, 4, 1)), 3),
            (cnn, jnp.ones((1, 4, 4, 3)), jnp.ones((4, 3)), 3),
        ):
            words = f"kernel_fn: x1 has shape {one.shape} and x2 {other.shape}; pass two with as "
            with pytest.raises(ValueError, match=f"{re.escape(words)}.*, on axis {axis}"):
                network[2](one, other, "ntk")

    def test_dense_closed_form_in_64_bits(self, x64, mlp):
        x = normal(jax.random.key(1), (4, 3))
        kernel = compiled(mlp[2])(x, x[:2] + 1, ("nngp", "ntk"))
        assert kernel.ntk.dtype == jnp.float64
        nngp, ntk = relu_kernels(x, x[:2] + 1)
        np.testing.assert_allclose(kernel.nngp, nngp, rtol=1e-12)
        np.testing.assert_allclose(kernel.ntk, ntk, rtol=1e-12)

    def test_convolution_on_one_pixel_is_dense(self, x1, x2):
        # A 1x1 image under a 1x1 filter is a vector under a matrix.
        _, _, kernel_fn = stax.serial(
            stax.Conv(1, (1, 1)), stax.Relu(), stax.Conv(1, (1, 1)), stax.Flatten()
        )
        kernel = kernel_fn(x1[:, None, None], x2[:, None, None], ("nngp", "ntk"))
        nngp, ntk = relu_kernels(x1, x2)
        # To the rounding of numbers of the size of the norms: one pair is nearly opposite.
        np.testing.assert_allclose(kernel.nngp, nngp, rtol=1e-5, atol=3e-8)
        np.testing.assert_allclose(kernel.ntk, ntk, rtol=1e-5, atol=3e-8)

    def test_linear_convolution_averages_patches(self):
        # One circular 3x3 convolution and a flattening: mean over pixels and offsets of x x'.
        x = np.asarray(normal(jax.random.key(0), (2, 4, 5, 2)))
        _, _, kernel_fn = stax.serial(stax.Conv(1, (3, 3), padding="CIRCULAR"), stax.Flatten())
        expected = np.einsum("ihwc,jhwc->ij", x, x) / x[0].size
        np.testing.assert_allclose(compiled(kernel_fn)(x, None, "ntk"), expected, rtol=1e-5)

    def test_monte_carlo_agrees_with_the_infinite_width(self, x1, x2):
        init_fn, apply_fn, kernel_fn = stax.serial(stax.Dense(2048), stax.Relu(), stax.Dense(1))
        sampled_fn = nt.monte_carlo_kernel_fn(
            init_fn, apply_fn, jax.random.key(3), n_samples=32, device_count=0
        )
        sampled, exact = sampled_fn(x1, x2, "ntk"), compiled(kernel_fn)(x1, x2, "ntk")
        # 32 networks of width 2048 scatter by about 1 / sqrt(65536) of a kernel entry.
        np.testing.assert_allclose(sampled, exact, atol=0.03 * float(jnp.abs(exact).max()))

    @pytest.mark.slow
    def test_batches_are_the_whole(self, cnn):
        kernel_fn = cnn[2]
        x = normal(jax.random.key(0), (4, 4, 4, 2))
        batched = nt.batch(kernel_fn, batch_size=2, device_count=0)(x, None, "ntk")
        np.testing.assert_allclose(batched, compiled(kernel_fn)(x, None, "ntk"), rtol=1e-5)

    @pytest.mark.filterwarnings("ignore:Linear scaling attention")
    def test_position_embeddings_under_jit(self):
        # Attention computes its table of positions with what was `jax.core.eval_context`.
        _, _, kernel_fn = stax.serial(
            stax.GlobalSelfAttention(
                n_chan_out=2,
                n_chan_key=2,
                n_chan_val=2,
                n_heads=2,
                linear_scaling=True,
                pos_emb_type="SUM",
                pos_emb_decay_fn=lambda distance: 1 / (1 + distance**2),
                W_pos_emb_std=0.5,
            ),
            stax.Flatten(),
        )
        x = normal(jax.random.key(0), (2, 4, 2))
        traced = jax.jit(lambda x: kernel_fn(x, None, "nngp"))(x)
        np.testing.assert_allclose(traced, kernel_fn(x, None, "nngp"), rtol=1e-5)


class TestPredict:
    @pytest.fixture
    def problem(self, mlp, x1, x2):
        y = normal(jax.random.key(4), (4, 2))
        return jax.jit(mlp[2], static_argnames="get"), x1, x2, y

    def test_ensemble_is_kernel_regression(self, problem):
        kernel_fn, x, x_test, y = problem
        predict = nt.predict.gradient_descent_mse_ensemble(kernel_fn, x, y, diag_reg=1e-3)
        _, train = relu_kernels(x, x)
        _, test = relu_kernels(x_test, x)
        ridge = 1e-3 * np.trace(train) / len(train) * np.eye(len(train))
        expected = test @ np.linalg.solve(train + ridge, np.asarray(y, float))
        np.testing.assert_allclose(predict(x_test=x_test, get="ntk"), expected, rtol=1e-3)

    def test_infinite_time_is_the_limit_of_finite_time(self, problem):
        kernel_fn, x, x_test, y = problem
        predict = nt.predict.gradient_descent_mse_ensemble(kernel_fn, x, y, diag_reg=1e-3)
        late, limit = (predict(t=t, x_test=x_test, get="ntk") for t in (1e6, None))
        np.testing.assert_allclose(late, limit, rtol=1e-3, atol=1e-4)

    @pytest.mark.parametrize("t", [None, 2.0])
    def test_under_jit(self, problem, t):
        kernel_fn, x, x_test, y = problem

        def posterior(x, y, x_test):
            predict = nt.predict.gradient_descent_mse_ensemble(kernel_fn, x, y, diag_reg=1e-3)
            return predict(t=t, x_test=x_test, get="ntk")

        traced = jax.jit(posterior)(x, y, x_test)
        np.testing.assert_allclose(traced, posterior(x, y, x_test), rtol=1e-3, atol=1e-5)

    def test_largest_learning_rate(self, problem):
        kernel_fn, x, _, _ = problem
        kernel = kernel_fn(x, None, "ntk")
        largest = np.linalg.eigvalsh(np.asarray(kernel, float))[-1]
        rate = nt.predict.max_learning_rate(kernel)
        np.testing.assert_allclose(rate, 2 * len(kernel) / largest, rtol=1e-5)


IMPLEMENTATIONS = [
    pytest.param(nt.NtkImplementation[name], id=name.lower().replace("_", "-"))
    for name in ("NTK_VECTOR_PRODUCTS", "STRUCTURED_DERIVATIVES", "AUTO")
]


class TestEmpiricalKernel:
    """Finite networks: all ways to the same kernel, and that kernel against Jacobians."""

    @pytest.fixture(params=["mlp", "cnn"])
    def network(self, request):
        init_fn, apply_fn, _ = request.getfixturevalue(request.param)
        shape = (4, 3) if request.param == "mlp" else (4, 4, 4, 2)
        x1 = normal(jax.random.key(5), shape)
        x2 = normal(jax.random.key(6), (2, *shape[1:]))
        _, params = initialised(init_fn, shape)
        return apply_fn, x1, x2, params

    @pytest.fixture
    def reference(self, network):
        """The kernel [a, b, i, j] of outputs i and j on inputs a and b."""
        apply_fn, x1, x2, params = network

        @by_operation
        def contract(params, *inputs):
            flat, unravel = jax.flatten_util.ravel_pytree(params)
            j1, j2 = (jax.jacobian(lambda p, x=x: apply_fn(unravel(p), x))(flat) for x in inputs)
            return jnp.einsum("aip,bjp->abij", j1, j2)

        return np.asarray(contract(params, x1, x2))

    def check(self, network, reference, implementation, trace_axes=(), **options):
        apply_fn, x1, x2, params = network
        ntk_fn = nt.empirical_ntk_fn(
            apply_fn, trace_axes=trace_axes, implementation=implementation, **options
        )
        kernel = by_operation(ntk_fn)(x1, x2, params)
        tolerance = 1e-5 * np.abs(reference).max()  # float32 sums in another order
        np.testing.assert_allclose(kernel, reference, atol=tolerance)

    @pytest.mark.slow
    def test_jacobian_contraction(self, network, reference):
        self.check(network, reference, nt.NtkImplementation.JACOBIAN_CONTRACTION)

    @pytest.mark.parametrize("vmap_axes", [None, 0])
    @pytest.mark.parametrize("implementation", IMPLEMENTATIONS)
    def test_implementations_agree(self, network, reference, implementation, vmap_axes):
        self.check(network, reference, implementation, vmap_axes=vmap_axes)

    @pytest.mark.parametrize("forward", [True, False])
    def test_structured_derivatives_without_rules(self, network, reference, forward):
        # Without rules, each equation's Jacobian comes from its JVP or from its transpose.
        self.check(
            network,
            reference,
            nt.NtkImplementation.STRUCTURED_DERIVATIVES,
            _j_rules=False,
            _s_rules=False,
            _fwd=forward,
        )

    def test_structured_derivatives_mean_over_outputs(self, network, reference):
        expected = np.einsum("abii->ab", reference) / reference.shape[-1]
        self.check(
            network,
            expected,
            nt.NtkImplementation.STRUCTURED_DERIVATIVES,
            trace_axes=(-1,),
            vmap_axes=0,
        )
