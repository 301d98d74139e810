"""Gram matrices: neural-tangents, the definition, symmetries, precision, what is refused."""

import os
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from compiled import by_operation
from stax import group_reference as reference

from ntkmc import stax
from ntkmc._compat import enable_x64
from ntkmc.architecture import (
    ArchitectureError,
    Conv,
    Dense,
    Downsample,
    Erf,
    Flatten,
    GlobalAvgPool,
    GroupConv,
    GroupPool,
    LeakyRelu,
    LiftingConv,
    Parallel,
    Relu,
    Sequential,
    Upsample,
)
from ntkmc.groups import POINT_GROUPS
from ntkmc.kernels import _gram_tiles, gram


def images(*shape, seed=0, dtype=np.float64):
    return np.random.default_rng(seed).standard_normal(shape).astype(dtype)


def group_network(group="C4", padding="valid", end=GlobalAvgPool(), head=(), activation=Relu()):
    settings = {"padding": padding, "group": group}
    return Sequential(
        [
            LiftingConv(3, **settings),
            activation,
            GroupConv(3, **settings),
            activation,
            GroupPool(),
            end,
            Dense(),
            *head,
        ]
    )


def of_neural_tangents(network, x1, x2=None):
    kernel_fn = stax.from_architecture(network)[2]
    with enable_x64():
        # Optimised, LLVM also crashes now and then.
        found = by_operation(kernel_fn, static_argnums=2)(x1, x2, ("nngp", "ntk"))
        return np.asarray(found.nngp), np.asarray(found.ntk)


def assert_close(found, expected, tolerance):
    for kernel, exact in zip(found, expected, strict=True):
        np.testing.assert_allclose(kernel, exact, rtol=0, atol=tolerance * abs(exact).max())


NETWORKS = {
    "flattened": (group_network("C4", "valid", Flatten()), (6, 6)),
    "circular, flattened, C1": (group_network("C1", "circular", Flatten()), (4, 6)),
    "rectangle": (group_network("D2", "circular"), (4, 6)),
    "head": (group_network("C1", "valid", head=(LeakyRelu(0.2), Dense(), Erf(), Dense())), (6, 7)),
    "erf": (group_network("D1", "same", activation=Erf()), (4, 5)),
    "strides without padding": (
        Sequential(
            [
                LiftingConv(5, 3, "valid", "C4"),
                Relu(),
                GroupConv(3, 1, "valid", "C4"),
                LeakyRelu(0.1),
                GroupConv(3, 1, "same", "C4"),
                GroupPool(),
                GlobalAvgPool(),
                Dense(),
            ]
        ),
        (14, 14),
    ),
    "strides with zeros": (
        Sequential(
            [
                LiftingConv(3, 2, "same", "D4"),
                Relu(),
                GroupConv(3, 2, "same", "D4"),
                Relu(),
                GroupPool(),
                Flatten(),
                Dense(),
            ]
        ),
        (9, 9),
    ),
    "plain, strides, subsampling": (
        Sequential(
            [
                *(Conv(3, 2, "same"), Erf(), Conv(3, padding="same"), Relu(), Downsample(2)),
                *(Conv(3, padding="same"), Relu(), GlobalAvgPool(), Dense()),
            ]
        ),
        (8, 12),
    ),
    "plain, linear layers between": (
        Sequential([Conv(3, 2), Relu(), Conv(3), Conv(3), Relu(), Flatten(), Dense()]),
        (8, 12),
    ),
    "no convolution": (Sequential([GlobalAvgPool(), Dense(), Relu(), Dense()]), (3, 4)),
}


class TestKernels:
    @pytest.mark.slow
    @pytest.mark.parametrize("name", NETWORKS)
    def test_equal_to_neural_tangents(self, name):
        network, shape = NETWORKS[name]
        x1, x2 = images(3, *shape, 2), images(2, *shape, 2, seed=1)
        assert_close(gram(network, x1, x2), of_neural_tangents(network, x1, x2), 1e-13)

    @pytest.mark.slow
    def test_symmetric_gram_of_branches(self):
        ends = [Relu(), GlobalAvgPool(), Dense()]
        branches = [Sequential([Conv(3, padding=p), *ends]) for p in ("same", "circular")]
        network = Parallel(branches, [0.3, 2.0])
        x = images(5, 6, 6, 3)
        found = gram(network, x)
        assert_close(found, of_neural_tangents(network, x), 1e-13)
        for kernel in found:
            np.testing.assert_array_equal(kernel, kernel.T)

    @pytest.mark.parametrize("group", POINT_GROUPS)
    @pytest.mark.parametrize("padding", ["valid", "same", "circular"])
    def test_by_definition_with_all_elements(self, group, padding):
        """Pooled means of the recursion that keeps all pairs of elements, ReLU of variance 1/2."""
        x = images(3, 5, 5, 2)
        matrices = [((a, b), (c, d)) for a, b, c, d in POINT_GROUPS[group].matrices]
        options = matrices, (3, 3), 1, padding.upper(), 1.0, None
        grid, *kernels = reference.initial(x)
        for _ in range(2):
            grid, kernels = reference.convolution(grid, kernels, *options)
            kernels = [2 * kernel for kernel in reference.relu(kernels)]
        nngp, ntk = (kernel.mean(axis=(2, 3)) for kernel in kernels)
        assert_close(gram(group_network(group, padding), x), (nngp, ntk + nngp), 1e-12)

    def test_one_kind(self):
        network, shape = NETWORKS["head"]
        x = images(3, *shape, 2)
        both = gram(network, x)
        np.testing.assert_array_equal(gram(network, x, kind="ntk"), both.ntk)
        np.testing.assert_array_equal(gram(network, x, kind=["ntk"]).ntk, both.ntk)
        np.testing.assert_allclose(gram(network, x, kind="nngp"), both.nngp, rtol=1e-14)

    @pytest.mark.parametrize(("dtype", "tolerance"), [(np.float32, 1e-6), (np.float64, 1e-12)])
    def test_invariant_on_either_side(self, dtype, tolerance):
        network = group_network("D4")
        x1, x2 = images(2, 7, 7, 3, dtype=dtype), images(3, 7, 7, 3, seed=1, dtype=dtype)
        kernels = gram(network, x1, x2)
        group = POINT_GROUPS["D4"]
        for element in range(1, len(group)):
            turned = [np.ascontiguousarray(group.act(x, element, (1, 2))) for x in (x1, x2)]
            assert_close(gram(network, turned[0], x2), kernels, tolerance)
            assert_close(gram(network, x1, turned[1]), kernels, tolerance)
        plain = gram(group_network("C1"), x1, x2).ntk
        turned = np.ascontiguousarray(group.act(x1, 1, (1, 2)))
        assert abs(gram(group_network("C1"), turned, x2).ntk - plain).max() > 1e-3


class TestPrecision:
    def test_float32_where_images_are_equal(self):
        """Also images of one colour, of which all pairs of pixels have the correlation 1."""
        x = images(6, 8, 8, 3)
        x[1], x[2], x[3] = x[0], 0.25, 0.0
        x[4] = x[0] + 1e-4 * x[5]
        network = group_network("C4")
        exact = gram(network, x)
        found = gram(network, x.astype(np.float32))
        # 1e-6: rounding of a few sums; the root of a rounded 1 - c would leave 1e-4.
        assert_close(found, exact, 1e-6)
        assert found.ntk[0, 0] == found.ntk[0, 1] == found.ntk[1, 1]

    def test_precision_is_that_of_the_images(self):
        x = images(2, 5, 5, 1)
        assert gram(group_network(), x).ntk.dtype == np.float64
        assert gram(group_network(), x.astype(np.float32)).ntk.dtype == np.float32
        whole = np.arange(50).reshape(2, 5, 5, 1)
        expected = gram(group_network(), whole.astype(np.float32)).ntk
        np.testing.assert_array_equal(gram(group_network(), whole.astype(np.uint8)).ntk, expected)


class TestWork:
    def test_tiles_cover_each_pair(self):
        for n1, n2, symmetric in ((7, 7, True), (33, 33, True), (5, 12, False)):
            seen = np.zeros((n1, n2), int)
            for i, j in _gram_tiles.tiles(n1, n2, 3, 5, symmetric):
                seen[np.ix_(i, j)] += 1
            assert (np.triu(seen) == np.triu(np.ones_like(seen))).all()
            assert symmetric or (seen == 1).all()

    @pytest.fixture
    def small_blocks(self, monkeypatch):
        monkeypatch.setattr(_gram_tiles, "_NUMBERS_ON_CPU", 0)

    def test_many_blocks_are_as_one(self, small_blocks):
        network = group_network("C2")
        x = images(41, 5, 5, 1)
        stages = []
        whole = gram(network, x, progress=lambda *stage: stages.append(stage))
        assert stages[-1][1:] == (len(stages), len(stages))
        assert len(stages) > 1
        part = gram(network, x[:3], x)
        assert_close(part, [kernel[:3] for kernel in whole], 1e-14)

    def test_goes_on_from_a_checkpoint(self, tmp_path, monkeypatch, small_blocks):
        network, x = group_network("C1"), images(41, 5, 5, 1)
        path = tmp_path / "gram.npz"
        monkeypatch.setattr(sys.modules["ntkmc.kernels.gram"], "SAVE_SECONDS", 0.0)

        class Stop(Exception):
            pass

        def stop(stage, done, total):
            if done == 3:
                raise Stop

        with pytest.raises(Stop):
            gram(network, x, checkpoint=path, progress=stop)
        steps = []
        again = gram(network, x, checkpoint=path, progress=lambda *at: steps.append(at))
        expected = gram(network, x, progress=lambda *at: steps.append(at))
        assert_close(again, expected, 1e-15)
        assert steps[0][2] < steps[-1][2]
        with pytest.raises(ValueError, match="images is"):
            gram(network, x[:5], checkpoint=path)
        with pytest.raises(ValueError, match="another network"):
            gram(group_network("C2"), x, checkpoint=path)

    @pytest.mark.slow
    def test_on_several_devices(self):
        code = (
            "import jax, numpy as np\n"
            "from ntkmc.architecture import *\n"
            "from ntkmc.kernels import gram\n"
            "x = np.random.default_rng(0).standard_normal((41, 5, 5, 1))\n"
            "net = Sequential([Conv(3), Relu(), GlobalAvgPool(), Dense(), Relu(), Dense()])\n"
            "print(jax.device_count(), gram(net, x).ntk.sum())\n"
        )
        flags = {"XLA_FLAGS": "--xla_force_host_platform_device_count=3"}
        out = subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, **flags},
            capture_output=True,
            text=True,
            check=True,
        ).stdout.split()
        network = Sequential([Conv(3), Relu(), GlobalAvgPool(), Dense(), Relu(), Dense()])
        assert out[0] == "3"
        assert float(out[1]) == pytest.approx(gram(network, images(41, 5, 5, 1)).ntk.sum(), 1e-12)

    def test_barriers_compute_what_branches_do(self):
        """What a GPU runs, on whatever there is."""
        from ntkmc.kernels._gram_block import block
        from ntkmc.kernels._gram_plan import plan_of

        network = group_network("C4")
        x = jnp.asarray(images(3, 6, 6, 2, dtype=np.float32)), jnp.ones(3)
        settings = {"plan": plan_of(network, (6, 6)), "with_ntk": True, "as_pairs": False}
        one, other = (
            np.asarray(block(x, x, True, stores=how, **settings)) for how in ("branch", "barrier")
        )
        np.testing.assert_allclose(one, other, rtol=1e-5)


@pytest.mark.usefixtures("unchecked")
class TestRefused:
    @pytest.mark.parametrize(
        ("change", "message"),
        [
            ({"x1": np.ones((2, 5, 6, 1))}, "5 x 6 and C4 exchanges rows"),
            ({"x1": np.ones((5, 5, 1))}, "x1 has shape"),
            ({"x1": np.ones((0, 5, 5, 1))}, "x1 has shape"),
            ({"x1": np.ones((1, 5, 5, 1), complex)}, "x1 has type complex128"),
            ({"x2": np.ones((2, 5, 5, 3))}, r"x1 has images of \(5, 5, 1\) and x2 of"),
            ({"x2": np.ones((2, 5, 5, 1), np.float32)}, "x1 has type float64 and x2 float32"),
            ({"kind": "both"}, "kind was 'both'"),
            ({"kind": ()}, "kind was"),
            ({"network": group_network("C4", "valid").layers[0]}, "network was"),
        ],
    )
    def test_arguments(self, change, message):
        arguments = {"network": group_network(), "x1": np.ones((2, 5, 5, 1)), **change}
        with pytest.raises(ValueError, match=message):
            gram(**arguments)

    def test_missing_pixels(self):
        x = np.ones((3, 5, 5, 1))
        x[2, 1, 4] = np.nan
        with pytest.raises(ValueError, match=r"x2\[2\] has the value nan in pixel \(1, 4\)"):
            gram(group_network(), np.ones((1, 5, 5, 1)), x)

    @pytest.mark.parametrize(
        ("layers", "message"),
        [
            ([Conv(3), Relu(), Conv(3)], "gives an image"),
            ([Conv(3, padding="reflect"), GlobalAvgPool(), Dense()], r"layer 0 .*no reading"),
            ([Conv(3), Upsample(2), GlobalAvgPool(), Dense()], r"layer 1 .*no reading"),
            (
                [LiftingConv(3), GroupPool(), Conv(3), GlobalAvgPool(), Dense()],
                r"layer 2 .*follows a GroupPool",
            ),
            ([Conv(3), Conv(3, padding="same"), GlobalAvgPool(), Dense()], "mixed with other"),
            ([LiftingConv(9), GroupPool(), GlobalAvgPool(), Dense()], "less than the filter"),
            ([LiftingConv(3, 2), GroupPool(), GlobalAvgPool(), Dense()], "stride 2"),
        ],
    )
    def test_networks(self, layers, message):
        with pytest.raises(ArchitectureError, match=message):
            gram(Sequential(layers), np.ones((2, 6, 6, 1)))

    def test_too_little_memory(self, monkeypatch):
        from ntkmc import memory

        monkeypatch.setattr(memory, "available_bytes", lambda: 1000)
        with pytest.raises(memory.NotEnoughMemoryError, match="2 and 200 images"):
            gram(group_network(), np.zeros((2, 50, 50, 1)), np.zeros((200, 50, 50, 1)))


def test_solver_takes_a_gram(x64):
    """A kernel regression on it, as nt.predict would have it, and as invariant as the kernel."""
    x = images(8, 5, 5, 1)
    kernel = gram(group_network("C4"), x).ntk
    weights = np.linalg.solve(kernel, np.eye(8))
    turned = np.ascontiguousarray(np.rot90(x, axes=(1, 2)))
    predicted = gram(group_network("C4"), turned, x).ntk @ weights
    np.testing.assert_allclose(predicted, np.eye(8), atol=1e-9)
    assert jax.config.jax_enable_x64
