"""Architectures as neural-tangents' layers: the kernels and the finite networks they describe."""

import jax
import jax.numpy as jnp
import jaxtyping
import numpy as np
import pytest
from compiled import by_operation, initialised
from stax.sampling import exact_kernels

from ntkmc import stax
from ntkmc.architecture import (
    ArchitectureError,
    Conv,
    Downsample,
    Erf,
    Identity,
    LeakyRelu,
    Relu,
    Sequential,
    Upsample,
    autoencoder,
)
from ntkmc.kernels import PeriodicKernel
from ntkmc.priors import IIDNormal, IIDUniform

CASES = {
    "nearest": (autoencoder(2, 1, 0.1), (8, 12), IIDUniform(0.0, 0.1)),
    "bilinear": (autoencoder(1, 1, 0.0, upsampling="bilinear"), (8, 10), IIDUniform(0.0, 0.1)),
    "strides, erf, an odd number of convolutions": (
        Sequential([Conv(3, stride=2), Erf(), Upsample(2), Conv(3), Relu(), Conv(3)]),
        (4, 6),
        IIDNormal(0.3, 2.0),
    ),
}


@pytest.fixture
def unchecked(monkeypatch):
    """Turns the tests' run-time types off: what is refused is what a user would be refused."""
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)


def periodic(network, shape, prior):
    rows, columns = np.indices(shape)
    kernels = PeriodicKernel.build_both(network, shape, prior, "float64")
    pixels = (rows[:, :, None, None], columns[:, :, None, None]), (rows, columns)
    return {kind: np.asarray(getattr(kernels, kind).entries(*pixels)) for kind in ("nngp", "ntk")}


def of_prior(kernel_fn, z):
    """The two kernels of one prior (H, W, channels) as (H, W, H, W)."""
    kernels = exact_kernels(kernel_fn, jnp.asarray(z)[None])
    return {kind: k[0, 0].transpose(0, 2, 1, 3) for kind, k in kernels.items()}


def with_covariance(same, different, shape):
    """A prior whose covariance is C1 and C2 exactly: a channel for each pixel, and a constant."""
    pixels = shape[0] * shape[1]
    channels = pixels + 1
    one_hot = np.sqrt(channels * (same - different)) * np.eye(pixels)
    constant = np.full((pixels, 1), np.sqrt(channels * different))
    return np.concatenate([one_hot, constant], axis=1).reshape(*shape, channels)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("case", "transform", "tolerance"),
    [
        *(pytest.param(case, by_operation, 1e-13, id=f"{case}, by operation") for case in CASES),
        # What XLA fuses is rounded differently; see `by_operation`.
        pytest.param("bilinear", jax.jit, 1e-7, id="bilinear, compiled as a whole"),
    ],
)
def test_equals_the_periodic_kernel_of_the_same_covariance(x64, case, transform, tolerance):
    network, shape, prior = CASES[case]
    z = with_covariance(prior.same, prior.different, shape)
    computed = of_prior(transform(stax.from_architecture(network)[2]), z)
    for kind, exact in periodic(network, shape, prior).items():
        np.testing.assert_allclose(computed[kind], exact, rtol=0, atol=tolerance * exact.max())


@pytest.mark.slow
@pytest.mark.parametrize("case", ["bilinear", "strides, erf, an odd number of convolutions"])
def test_approaches_the_periodic_kernel_with_more_channels(x64, case):
    network, shape, prior = CASES[case]
    exact = periodic(network, shape, prior)
    kernel_fn = jax.jit(stax.from_architecture(network)[2])
    sample = jax.jit(
        lambda seed, channels: prior.sample(jax.random.key(seed), (*shape, channels)),
        static_argnums=1,
    )
    errors = {}
    for channels in (100, 6400):
        # So many channels again and again, up to 6400: the covariance is the same.
        samples = [
            of_prior(kernel_fn, np.tile(sample(seed, channels), 6400 // channels))
            for seed in range(32)
        ]
        for kind, truth in exact.items():
            squares = [np.sum((s[kind] - truth) ** 2) / np.sum(truth**2) for s in samples]
            errors[kind, channels] = np.sqrt(np.mean(squares))
    for kind in exact:  # the Monte-Carlo rate: 64 times the channels, an eighth of the error
        assert 5 < errors[kind, 100] / errors[kind, 6400] < 13
        assert errors[kind, 6400] < 0.05


@pytest.mark.slow
@pytest.mark.parametrize("padding", ["circular", "same", "reflect"])
def test_finite_network_is_the_architecture(padding):
    """Outputs against the layers written out with SciPy's convention for each padding."""
    import scipy.ndimage

    layers = [Conv(3, 2, padding), LeakyRelu(0.2), Identity(), Upsample(2, "bilinear")]
    network = Sequential([*layers, Conv(5, 1, padding), Downsample(2)])
    init_fn, apply_fn, _ = stax.from_architecture(network, width=3)
    x = np.random.default_rng(0).standard_normal((2, 6, 8, 2))
    shape, params = initialised(init_fn, x.shape)
    first, second = (np.asarray(p[0], float) for p in params if len(p))
    assert (first.shape, second.shape) == ((3, 3, 2, 3), (5, 5, 3, 1))
    mode = {"circular": "wrap", "same": "constant", "reflect": "mirror"}[padding]

    def convolve(image, weights):
        out = [
            sum(
                scipy.ndimage.correlate(image[..., c], weights[..., c, o], mode=mode)
                for c in range(image.shape[-1])
            )
            for o in range(weights.shape[-1])
        ]
        return np.stack(out, axis=-1) / np.sqrt(weights[..., 0].size)

    def upsample(image):
        at = np.meshgrid(
            *((np.arange(2 * s) + 0.5) / 2 - 0.5 for s in image.shape[:2]), indexing="ij"
        )
        beyond = "grid-wrap" if padding == "circular" else "nearest"
        planes = np.moveaxis(image, -1, 0)
        planes = [scipy.ndimage.map_coordinates(p, at, order=1, mode=beyond) for p in planes]
        return np.stack(planes, axis=-1)

    expected = []
    for image in x:
        hidden = convolve(image, first)[::2, ::2]
        hidden = np.sqrt(2 / 1.04) * np.where(hidden > 0, hidden, 0.2 * hidden)
        expected.append(convolve(upsample(hidden), second)[::2, ::2])
    outputs = by_operation(apply_fn)(params, x)
    assert outputs.shape == shape == (2, 3, 4, 1)
    np.testing.assert_allclose(outputs, expected, atol=1e-5)


def test_goes_on_with_other_layers():
    network = stax.from_architecture(autoencoder(1, 1))
    init_fn, apply_fn, kernel_fn = stax.serial(network, stax.CompletionReadout([0, 3], [1, 2]))
    z = jnp.asarray(np.random.default_rng(0).standard_normal((1, 4, 4, 2)))
    shape, params = initialised(init_fn, z.shape)
    assert jax.eval_shape(apply_fn, params, z).shape == shape == (2, 1)
    assert jax.eval_shape(kernel_fn, z).ntk.shape == (2, 2)


def test_refuses_what_has_no_kernel(unchecked):
    with pytest.raises(ArchitectureError, match=r"layer 0 .*: no convolution precedes it"):
        stax.from_architecture(Sequential([Relu(), Conv(3)]))
    with pytest.raises(ArchitectureError, match="end in a Conv"):
        stax.from_architecture(Sequential([Conv(3), Relu()]))
    with pytest.raises(ArchitectureError, match="width was 0; pass a whole number"):
        stax.from_architecture(autoencoder(1), width=0)
    with pytest.raises(ArchitectureError, match=r"network was \[\]; pass a Sequential"):
        stax.from_architecture([])
    deep = Sequential([Conv(3), Downsample(8), Conv(9, padding="reflect"), Downsample(3)])
    assert len(stax.from_architecture(deep)) == 3
