"""A network chosen by the image."""

import numpy as np
import pytest

from ntkmc import NotEnoughMemoryError, SingularKernelError, autoencoder, inpaint, memory
from ntkmc.architecture import Conv, Parallel, Sequential, describe
from ntkmc.inpainting.selection import choose_network, standard_candidates
from ntkmc.kernels import PeriodicKernel, padded_shape

ROUGH, SMOOTH = autoencoder(2), autoencoder(2, upsampling="bilinear")
SHAPE = (64, 64)


def drawn(network, seed=0, shape=SHAPE):
    """A draw from the Gaussian process that a network's kernel is the covariance of."""
    kernel = PeriodicKernel.build(network, padded_shape(network, shape))
    pixels = tuple(side.ravel() for side in np.indices(shape))
    matrix = np.asarray(kernel.dense(pixels, pixels), np.float64)
    factor = np.linalg.cholesky(matrix + 1e-6 * np.mean(np.diag(matrix)) * np.eye(len(matrix)))
    return (factor @ np.random.default_rng(seed).normal(size=len(matrix))).reshape(shape)


@pytest.fixture
def mask():
    return np.random.default_rng(3).random(SHAPE) < 0.5


@pytest.mark.slow
@pytest.mark.parametrize("network", [ROUGH, SMOOTH])
def test_chooses_the_network_that_an_image_was_drawn_from(network, mask, tmp_path):
    image = drawn(network)
    heard = []
    selection = choose_network(
        image,
        mask,
        candidates=[ROUGH, SMOOTH],
        cache=tmp_path,
        progress=lambda *call: heard.append(call),
    )
    assert selection.network == network
    assert {trial.network for trial in selection.trials} >= {ROUGH, SMOOTH, selection.network}
    products = [trial.rmse * trial.relative_rmse for trial in selection.trials]
    assert products == sorted(products)
    assert len(heard) == len(selection.trials) >= 6
    assert len(list(tmp_path.iterdir())) == 2


@pytest.mark.parametrize("network", [ROUGH, SMOOTH])
def test_chooses_the_network_of_a_volume(network, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(
        "ntkmc.inpainting.selection.standard_candidates", lambda gap, axes: (ROUGH, SMOOTH)
    )
    shape = (12, 14, 10)
    volume, mask = drawn(network, shape=shape), np.random.default_rng(3).random(shape) < 0.5
    result = inpaint(volume, mask, network="auto")
    assert result.network == network
    assert result.image_prior is None
    assert len(result.kernel.shape) == 3


def test_a_sum_is_found_where_the_image_is_one_(mask, tmp_path):
    image = drawn(Parallel([SMOOTH, ROUGH], [1, 0.2]))
    selection = choose_network(image, mask, candidates=[ROUGH, SMOOTH], cache=tmp_path)
    assert isinstance(selection.network, Parallel)
    assert max(selection.network.weights) == 1
    alone = [trial for trial in selection.trials if isinstance(trial.network, Sequential)]
    best, *_ = selection.trials
    assert best.rmse * best.relative_rmse < 0.99 * min(t.rmse * t.relative_rmse for t in alone)


@pytest.mark.slow
def test_inpaint_auto(mask, monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(
        "ntkmc.inpainting.selection.standard_candidates", lambda gap, axes: (ROUGH, SMOOTH)
    )
    image = drawn(ROUGH)
    result = inpaint(image, mask, network="auto")
    assert result.selection is not None
    assert result.network == result.selection.network
    assert "choosing a network" in result.seconds
    assert list((tmp_path / "ntkmc" / "kernels").iterdir())
    # In other units, and with the sign turned, the choice is the same.
    for factor, offset in ((-1e-5, 0.02), (300.0, 1e6)):
        other = inpaint(factor * image + offset, mask, network="auto")
        assert (other.network, other.selection.ridge) == (result.network, result.selection.ridge)
        assert other.selection.trials[0].rmse == pytest.approx(
            abs(factor) * result.selection.trials[0].rmse, rel=1e-6
        )
        expected = factor * result.prediction + offset
        tolerance = 1e-4 * abs(factor)
        np.testing.assert_allclose(other.prediction, expected, rtol=0, atol=tolerance)
    given = inpaint(image, mask, network=result.network, ridge=result.selection.ridge)
    np.testing.assert_array_equal(given.prediction, result.prediction)
    assert given.selection is None
    fixed = inpaint(image, mask, network="auto", ridge=1e-3)
    assert {trial.ridge for trial in fixed.selection.trials} == {1e-3}
    with pytest.raises(ValueError, match="network was 'automatic'; pass 'auto'"):
        inpaint(image, mask, network="automatic")


def test_standard_candidates():
    narrow, wide = standard_candidates(2.0), standard_candidates(40.0)
    assert len(set(narrow)) == len(narrow)
    assert autoencoder(6) in wide
    assert autoencoder(6) not in narrow
    of_volumes = standard_candidates(2.0, axes=3)
    assert set(of_volumes) < set(narrow)
    assert autoencoder(3) in of_volumes
    assert autoencoder(4) not in of_volumes  # the table alone has 15 million entries
    assert (
        describe(autoencoder(6)) == "autoencoder(6 levels, 2 convolution(s), slope 0.01, nearest)"
    )
    assert describe(Sequential([Conv(3)])) == "1 layers"
    assert describe(Parallel([ROUGH, SMOOTH], [1, 0.25])).startswith("1 x autoencoder(2 levels")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"candidates": []}, "candidates was empty"),
        ({"candidates": [autoencoder(2, padding="same")]}, "has no periodic kernel; leave it out"),
        ({"prior": np.ones((3, 64, 64))}, "prior was features"),
        ({"kind": "cntk"}, "kind was 'cntk'"),
        ({"dtype": "float64"}, "dtype was float64 but JAX runs in 32 bits"),
        ({"dtype": "int32"}, "dtype was int32"),
    ],
)
def test_refused(options, words, mask, tmp_path, unchecked):
    with pytest.raises(ValueError, match=words):
        choose_network(np.zeros(SHAPE), mask, cache=tmp_path, **options)


@pytest.mark.slow
def test_what_cannot_be_solved_is_not_chosen(mask, tmp_path):
    nearly = autoencoder(3, 1, upsampling="bilinear")
    options = {"candidates": [nearly], "cache": tmp_path}
    with pytest.raises(SingularKernelError, match=r"with ridge 0: pass a larger ridge, such as 0"):
        choose_network(drawn(SMOOTH), mask, ridge=0.0, **options)
    assert choose_network(drawn(SMOOTH), mask, **options).ridge > 0


def test_memory_is_predicted(mask, tmp_path, monkeypatch):
    monkeypatch.setattr(memory, "available_bytes", lambda: 1000)
    with pytest.raises(NotEnoughMemoryError, match="one of the candidates"):
        choose_network(np.zeros(SHAPE), mask, candidates=[ROUGH], cache=tmp_path)


def test_a_folder_that_cannot_be_written_is_no_hindrance(mask, tmp_path):
    (tmp_path / "file").write_text("")
    selection = choose_network(
        drawn(ROUGH), mask, candidates=[ROUGH], cache=tmp_path / "file" / "kernels"
    )
    assert selection.network == ROUGH
