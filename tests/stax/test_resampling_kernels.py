"""Kernels of the resampling layers: L K L', in every form in which neural-tangents keeps K."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from compiled import by_operation
from stax.sampling import assert_agrees, exact_kernels, sample_kernels, z_scores

from ntkmc import stax
from ntkmc._neural_tangents import neural_tangents as nt

LAYERS = {
    "subsample": stax.Subsample(2),
    "nearest": stax.NearestUpsample(2),
    "nearest, 3": stax.NearestUpsample(3),
    "half-pixel": stax.BilinearUpsample(2),
    "half-pixel, circular": stax.BilinearUpsample(3, boundary="circular"),
    "aligned corners": stax.BilinearUpsample(2, align_corners=True),
    "reflection": stax.ReflectPad(1),
}
SELECTING = ["subsample", "nearest", "nearest, 3", "reflection"]
ARRAYS = ("nngp", "ntk", "cov1", "cov2")


@pytest.fixture(params=LAYERS)
def layer(request):
    return LAYERS[request.param]


def images(*shape, seed=0):
    return jnp.asarray(np.random.default_rng(seed).standard_normal(shape))


@functools.cache  # of float64, in all tests
def matrix(layer, side):
    """The layer's L on an axis of this length: what it makes of each unit vector."""
    return np.asarray(by_operation(layer[1])((), np.eye(side)[:, :, None])[:, :, 0]).T


def resampled(layer, mat, sides, batch_ndim=2):
    """L K L' for K of (batches, H, H, W, W), by matrix products."""
    left, right = (matrix(layer, side) for side in sides)
    lead = "ab"[:batch_ndim]
    subscripts = f"ph,qH,rw,sW,{lead}hHwW->{lead}pqrs"
    return np.einsum(subscripts, left, left, right, right, mat, optimize=True)


def before(*layers, **options):
    """Kernels (a `Kernel`) that a network gives to the next layer."""
    x1, x2 = images(2, 3, 4, 2), images(3, 3, 4, 2, seed=1)
    return kernel_fn_of(*layers, **options)(x1, x2)


@functools.cache
def kernel_fn_of(*layers, **options):
    return by_operation(lambda *x: stax.serial(*layers)[2](*x, **options))


CONV = stax.Conv(1, (3, 2), padding="SAME")
reverse = by_operation(lambda k: k.reverse())


class TestExact:
    @pytest.mark.parametrize("n_convs", [0, 1])  # one leaves the spatial axes reversed
    def test_covariances(self, x64, layer, n_convs):
        k = before(*[CONV, stax.Relu()] * n_convs, stax.Identity(), diagonal_spatial=False)
        assert k.is_reversed == (n_convs == 1)
        after = by_operation(layer[2])(k)
        assert after.is_reversed == k.is_reversed
        k, plain = (reverse(kernel) if n_convs == 1 else kernel for kernel in (k, after))
        for name in ARRAYS:
            mat = getattr(k, name)
            if mat.ndim == 0:  # the NTK of no weights
                continue
            expected = resampled(layer, mat, (3, 4), batch_ndim=1 if "cov" in name else 2)
            np.testing.assert_allclose(getattr(plain, name), expected, atol=1e-14, err_msg=name)
        sides = tuple(len(matrix(layer, side)) for side in (3, 4))
        assert (after.shape1, after.shape2) == (
            (2, *sides, 1 if n_convs else 2),
            (3, *after.shape2[1:]),
        )

    def test_full_batch_covariance(self, x64, layer):
        k = before(CONV, CONV, diagonal_batch=False)
        expected = resampled(layer, k.cov1, (3, 4))
        np.testing.assert_allclose(by_operation(layer[2])(k).cov1, expected, atol=1e-14)

    def test_one_input_batch(self, x64, layer):
        k = by_operation(stax.serial(CONV, CONV, layer)[2])(images(2, 3, 4, 2))
        assert k.cov2 is None
        same = np.arange(2)
        np.testing.assert_allclose(np.asarray(k.nngp)[same, same], k.cov1, rtol=1e-12)

    @pytest.mark.parametrize("name", SELECTING)
    def test_diagonal_only(self, x64, name):
        """Selecting pixels needs variances only, and a network that ends in Flatten keeps those."""
        layers = [CONV, stax.Erf(), LAYERS[name]]
        diagonal, full = (before(*layers, diagonal_spatial=d) for d in (True, False))
        assert diagonal.diagonal_spatial
        assert not full.diagonal_spatial
        np.testing.assert_allclose(diagonal.ntk, np.einsum("abwwhh->abhw", full.ntk), rtol=1e-12)
        flat = before(*layers, stax.Flatten()).ntk
        np.testing.assert_allclose(flat, np.mean(diagonal.ntk, (2, 3)), rtol=1e-12)

    @pytest.mark.parametrize("name", ["half-pixel", "aligned corners"])
    def test_interpolation_asks_for_all_covariances(self, name):
        network, x = stax.serial(CONV, LAYERS[name])[2], images(1, 3, 4, 1)
        with pytest.raises(ValueError, match="diagonal_spatial"):
            network(x, None, diagonal_spatial=True)
        assert not jax.eval_shape(network, x).diagonal_spatial

    @pytest.mark.parametrize("name", ["nearest", "reflection"])
    def test_copies_of_a_pixel_are_correlated(self, x64, name):
        """Unshared filters leave pixels independent, and copies are not: pooling needs to know."""
        x = images(2, 3, 4, 2)
        local = stax.ConvLocal(1, (1, 1))
        pool = stax.serial(stax.AvgPool((2, 2)), stax.Flatten())[2]
        pooled = stax.serial(local, LAYERS[name], stax.AvgPool((2, 2)), stax.Flatten())[2]
        resized = stax.serial(local, LAYERS[name], stax.Identity())[2]
        expected = by_operation(lambda x: pool(resized(x, diagonal_spatial=False)).nngp)(x)
        np.testing.assert_allclose(by_operation(pooled)(x).nngp, expected, rtol=1e-12)

    @pytest.mark.parametrize("ours_and_theirs", ["nearest", "bilinear"])
    def test_agrees_with_image_resize(self, x64, ours_and_theirs):
        ours = {"nearest": stax.NearestUpsample(2), "bilinear": stax.BilinearUpsample(2)}
        resize = stax.ImageResize((-1, 6, 4, -1), ours_and_theirs)
        x1, x2 = images(2, 3, 2, 2), images(1, 3, 2, 2, seed=1)
        # Behind two convolutions: ImageResize does not look at whether axes are reversed.
        kernels = [
            by_operation(stax.serial(CONV, stax.Relu(), CONV, up, stax.Relu())[2])(x1, x2)
            for up in (ours[ours_and_theirs], resize)
        ]
        for name in ARRAYS:
            mine, other = (getattr(k, name) for k in kernels)
            np.testing.assert_allclose(mine, other, rtol=1e-12, atol=1e-14)

    @pytest.mark.parametrize("name", ["nearest", "half-pixel"])
    def test_volumes_and_signals(self, x64, name):
        layer = LAYERS[name]

        @by_operation
        def both(x):
            return layer[2](stax.Identity()[2](x, diagonal_spatial=False)), layer[1]((), x)

        for shape, subscripts in (
            ((1, 3, 2), "apc,bqc->abpq"),
            ((2, 3, 1, 2, 1), "apqrc,bstuc->abpsqtru"),
        ):
            k, y = both(images(*shape))
            expected = np.einsum(subscripts, y, y) / shape[-1]
            np.testing.assert_allclose(k.nngp, expected, atol=1e-13)

    def test_masks(self, x64, layer):
        """Masked pixels count as zeros, and what nothing visible contributes to is masked."""
        x = np.array(images(2, 3, 4, 2))
        x[0, 1, :2] = x[1, :, 1] = 100.0
        network = stax.serial(layer, stax.Identity())

        @by_operation
        def compiled(x):
            masked = network[2](x, None, mask_constant=100.0, diagonal_spatial=False)
            zeros = network[2](jnp.where(x == 100, 0, x), None, diagonal_spatial=False)
            y = layer[1]((), x, mask_constant=100.0)
            return masked.nngp, zeros.nngp, masked.mask1[..., :1], y.mask[..., :1]

        masked, zeros, mask_of_kernel, mask_of_output = compiled(x)
        np.testing.assert_allclose(masked, zeros, atol=1e-14)
        np.testing.assert_array_equal(mask_of_kernel, mask_of_output)


class TestTransformations:
    @pytest.mark.slow
    @pytest.mark.parametrize("name", ["nearest", "aligned corners"])
    def test_jit_batches_and_prediction(self, name):
        network = stax.serial(CONV, stax.Relu(), LAYERS[name], CONV)
        x, test, y = images(4, 3, 2, 1), images(2, 3, 2, 1, seed=1), images(4, 1, seed=2)
        inner = stax.serial(CONV, stax.Relu())[2]
        k = by_operation(lambda x: inner(x, None, diagonal_spatial=False))(x)
        by_itself = by_operation(CONV[2])(LAYERS[name][2](k))
        traced = jax.jit(network[2])(x)
        for get in ("nngp", "ntk"):
            one, other = getattr(traced, get), getattr(by_itself, get)
            np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-6)
        kernel_fn = stax.serial(network, stax.GlobalAvgPool())[2]
        train, cross = jax.jit(lambda *x: (kernel_fn(x[0], None).ntk, kernel_fn(*x).ntk))(x, test)
        batched = nt.batch(kernel_fn, batch_size=2, device_count=0)
        np.testing.assert_allclose(batched(test, x, "ntk"), cross.T, rtol=1e-4, atol=1e-6)
        predict = nt.predict.gradient_descent_mse_ensemble(batched, x, y, diag_reg=1e-2)
        ridge = 1e-2 * np.trace(train) / 4 * np.eye(4)
        expected = cross.T @ np.linalg.solve(train + ridge, y)
        np.testing.assert_allclose(predict(x_test=test, get="ntk"), expected, rtol=1e-3, atol=1e-5)

    @pytest.mark.parametrize("name", ["reflection", "half-pixel, circular"])
    def test_batches_of_a_kernel(self, name):
        k, whole = before(CONV, CONV), before(CONV, CONV, LAYERS[name])
        batched = nt.batch(LAYERS[name][2], batch_size=1, device_count=0)(k)
        np.testing.assert_allclose(batched.ntk, whole.ntk, atol=1e-7)
        assert batched.shape1 == whole.shape1


def network(name, channels=1, width=2048):
    """The layer between a convolution, whose kernel is reversed, and an activation."""
    first = stax.Conv(width, (3, 3), padding="CIRCULAR")
    return stax.serial(first, LAYERS[name], stax.Relu(), stax.Conv(channels, (1, 1)))


class TestSampled:
    """Networks of width 2048, 100 of them."""

    @pytest.mark.slow
    @pytest.mark.parametrize("name", [name for name in LAYERS if name != "nearest, 3"])
    def test_mean_of_finite_networks(self, name):
        """Between all pixels of two images that are no squares."""
        x = images(2, 3, 2, 1).astype(jnp.float32)
        if name == "half-pixel, circular":
            x = x[:, -2:, :1]  # three times larger is large enough
        samples = sample_kernels(
            network(name), x, many_outputs=network(name, 64), draws=100, vmap_axes=0
        )
        assert_agrees(samples, exact_kernels(jax.jit(network(name)[2]), x))

    @pytest.mark.slow
    def test_would_see_another_convention(self):
        x = images(1, 3, 2, 1).astype(jnp.float32)
        wrong = exact_kernels(jax.jit(network("half-pixel")[2]), x)
        samples = sample_kernels(network("aligned corners"), x, draws=50, vmap_axes=0)
        assert z_scores(samples["ntk"], wrong["ntk"]).max() > 10

    @pytest.mark.slow
    def test_monte_carlo_kernel_fn(self):
        init_fn, apply_fn, kernel_fn = network("half-pixel", width=512)
        x1, x2 = images(2, 3, 2, 1), images(1, 3, 2, 1, seed=1)
        sampled_fn = nt.monte_carlo_kernel_fn(
            init_fn, apply_fn, jax.random.PRNGKey(3), n_samples=16, device_count=0, vmap_axes=0
        )
        exact = jax.jit(kernel_fn)(x1, x2).ntk
        atol = 0.05 * float(jnp.abs(exact).max())
        np.testing.assert_allclose(sampled_fn(x1, x2, "ntk"), exact, atol=atol)
