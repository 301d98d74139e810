"""Gram matrices of very large, very small and parallel images, and bounds of what float32 loses."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ntkmc.architecture import (
    Conv,
    Dense,
    Erf,
    Flatten,
    GlobalAvgPool,
    LeakyRelu,
    Parallel,
    Relu,
    Sequential,
)
from ntkmc.kernels import gram

HEAD = (Relu(), Dense())


def network(activation=Relu(), size=3, end=GlobalAvgPool(), head=()):
    convolution = Conv(size, padding="same")
    return Sequential([convolution, activation, convolution, activation, end, Dense(), *head])


def images(count=4, channels=3, seed=0):
    return np.random.default_rng(seed).random((count, 8, 8, channels)).astype(np.float32)


def error(found, exact):
    """Largest error, in roots of the product of two images' own kernels."""
    sizes = [np.sqrt(np.outer(np.diag(kernel), np.diag(kernel))) for kernel in exact]
    return max((abs(f - e) / size).max() for f, e, size in zip(found, exact, sizes, strict=True))


def in_both(net, x):
    return error(gram(net, x), gram(net, x.astype(np.float64)))


@settings(max_examples=10, deadline=None, derandomize=True)
@given(exponents=st.lists(st.integers(-55, 55), min_size=4, max_size=4))
def test_powers_of_two_are_undone_exactly(exponents):
    """Each image by its own."""
    x, powers = images(), np.array(exponents)
    found = gram(network(), np.ldexp(x, powers[:, None, None, None]))
    for kernel, plain in zip(found, gram(network(), x), strict=True):
        np.testing.assert_array_equal(kernel, np.ldexp(plain, np.add.outer(powers, powers)))


@pytest.mark.parametrize("size", [7e18, 5e18, 1e-3, 3e-17, 1e-18])
def test_float32_of_any_size(size):
    assert in_both(network(), images() * np.float32(size)) < 1e-6


@pytest.mark.parametrize("size", [1e20, 3e38, 1e-20, 1e-25, 1e-30])
def test_what_float32_cannot_hold_is_refused_before_the_work(size):
    x = images()
    x[2] *= np.float32(size)
    steps = []
    with pytest.raises(ValueError, match=r"kernel of x1\[2\] .* beyond float32; pass float64, or"):
        gram(network(), x, progress=lambda *step: steps.append(step))
    assert not steps
    # its kernels with other images would not be
    kernel = gram(network(), x, x[:1], kind="ntk")
    exact = gram(network(), x.astype(np.float64), x[:1].astype(np.float64), kind="ntk")
    np.testing.assert_allclose(kernel, exact, rtol=1e-6)


def test_float64_at_its_own_edges():
    x = images().astype(np.float64)
    for size in (1e150, 1e-150):
        scaled, plain = gram(network(), x * size), gram(network(), x)
        assert error([kernel / size / size for kernel in scaled], plain) < 1e-13
    for size in (1e160, 1e-200):
        with pytest.raises(ValueError, match=r"beyond float64; multiply all images"):
            gram(network(), x * size)
        with pytest.raises(ValueError, match=r"x1\[\d\] .* and x2\[\d\] .* beyond float64"):
            gram(network(), x * size, x * size)


@pytest.mark.parametrize("size", [1e18, 1e-14])
def test_erf_is_refused_what_it_cannot_square(size):
    with pytest.raises(ValueError, match=r"x1\[\d\] .* beyond float32"):
        gram(network(Erf()), images() * np.float32(size))


@pytest.mark.parametrize("end", [GlobalAvgPool(), Flatten()], ids=repr)
@pytest.mark.parametrize("size", [1e-9, 0.1, 7, 255, 1000, 4000, 1e4, 1e7])
def test_erf_of_large_images(size, end):
    assert in_both(network(Erf(), end=end), images() * np.float32(size)) < 1e-6


def test_erf_of_large_flat_regions():
    """Pixels that are parallel and not equally long, where a determinant cancels."""
    x = images()
    x[:, :, 4:], x[:, :, :4] = x[:, :1, :1], x[:, :1, :1] * np.float32(0.37)
    for size in (1, 8, 300, 3e4):
        assert in_both(network(Erf()), x * np.float32(size)) < 1e-6
    whole = np.uint8(255 * x)
    np.testing.assert_array_equal(
        gram(network(Erf()), whole), gram(network(Erf()), whole.astype(np.float32))
    )


@pytest.mark.slow
@pytest.mark.parametrize("settings", [{}, {"head": HEAD}, {"end": Flatten()}], ids=repr)
def test_multiples_are_as_exact_as_the_image_itself(settings):
    net = network(LeakyRelu(0.1), **settings)
    for dtype, tolerance in ((np.float32, 3e-6), (np.float64, 1e-12)):
        x = images().astype(dtype)
        plain = gram(net, x)
        for factor in (3, 0.3, 7e4):
            across = gram(net, x, (x * dtype(factor)))
            assert error([kernel / factor for kernel in across], plain) < tolerance
        together = gram(net, np.concatenate([x, x * dtype(3)]))
        parts = [[k[:4, :4], k[:4, 4:] / 3, k[4:, 4:] / 9] for k in together]
        for nngp, ntk in zip(*parts, strict=True):
            assert error([nngp, ntk], plain) < tolerance


@pytest.mark.slow
@pytest.mark.parametrize("head", [(), HEAD], ids=["no head", "head"])
@pytest.mark.parametrize("end", [GlobalAvgPool(), Flatten()], ids=repr)
def test_the_bound_of_float32(end, head):
    """What the docstring says of parallel patches, opposite images and heads: 3e-4."""
    x = images() - np.float32(0.5)
    near = [x + np.float32(step) * x[::-1] for step in (1e-3, 1e-5)]
    assert in_both(network(end=end, head=head), np.concatenate([x, -x, *near])) < 3e-4
    grey = images(channels=1)
    brighter = np.exp(5 * grey)
    assert in_both(network(size=1, end=end, head=head), np.concatenate([grey, brighter])) < 3e-4


def test_whole_numbers_take_the_type_of_the_other_list():
    whole = np.arange(2 * 192).reshape(2, 8, 8, 3)
    other = images().astype(np.float64)
    found = gram(network(), whole.astype(np.uint16), other)
    np.testing.assert_array_equal(found, gram(network(), whole.astype(np.float64), other))
    assert found.ntk.dtype == np.float64


def write_text(path):
    path.write_text("x")


def write_one_array(path):
    with path.open("wb") as file:
        np.save(file, np.ones(3))


def write_other_arrays(path):
    with path.open("wb") as file:
        np.savez(file, a=np.ones(3))


def write_a_part(path):
    gram(network(), images(), checkpoint=path)
    path.write_bytes(path.read_bytes()[:-30])


class TestCheckpoint:
    @pytest.mark.parametrize(
        "make",
        [write_text, Path.touch, write_one_array, write_other_arrays, write_a_part, Path.mkdir],
    )
    def test_a_file_that_is_none(self, tmp_path, make):
        make(tmp_path / "bad.npz")
        with pytest.raises(
            ValueError, match=r"checkpoint was .*bad.npz.*delete that file or pass another path"
        ) as caught:
            gram(network(), images(), checkpoint=tmp_path / "bad.npz")
        assert "\n" not in str(caught.value)

    def test_of_another_network_or_in_no_folder(self, tmp_path):
        gram(network(), images(), checkpoint=tmp_path / "a.npz")
        with pytest.raises(ValueError, match=r"checkpoint was .*another network.*pass another"):
            gram(network(head=HEAD), images(), checkpoint=tmp_path / "a.npz")
        with pytest.raises(ValueError, match=r"checkpoint was .*none/a.npz'; make the folder"):
            gram(network(), images(), checkpoint=tmp_path / "none" / "a.npz")

    def test_every_branch_is_read_before_the_work(self, tmp_path):
        (tmp_path / "a.npz.1").write_text("x")
        steps = []
        with pytest.raises(ValueError, match=r"checkpoint was .*a.npz.1"):
            gram(
                Parallel([network(), network(size=1)]),
                images(),
                checkpoint=tmp_path / "a.npz",
                progress=lambda *step: steps.append(step),
            )
        assert not steps
