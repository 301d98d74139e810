from dataclasses import dataclass

import pytest

from ntkmc.architecture import (
    ArchitectureError,
    Conv,
    Downsample,
    Identity,
    Layer,
    LeakyRelu,
    Relu,
    Sequential,
    Upsample,
    autoencoder,
    check,
)


@dataclass(frozen=True)
class Dropout(Layer):
    rate: float = 0.5


def refused(layers, shape=(8, 8), **flags):
    with pytest.raises(ArchitectureError) as refusal:
        check(Sequential(layers), shape, **flags)
    return str(refusal.value)


def test_gives_the_size_after_each_layer():
    network = Sequential([Conv(3), Relu(), Downsample(2), Upsample(4), Conv(3, 2)])
    assert check(network, (4, 6)) == ((4, 6), (4, 6), (2, 3), (8, 12), (4, 6))


def test_an_odd_size_at_a_subsampling():
    message = refused(autoencoder(3), (100, 64))
    assert message.startswith("layer 14 (Downsample(factor=2)): the image is 25 x 16 here")
    assert "pass sides that are a multiple of 8 (they were 100 x 64)" in message


def test_a_stride_that_does_not_divide():
    message = refused([Conv(3), Relu(), Conv(3, stride=3)])
    assert message.startswith("layer 2 (Conv(filter_size=3, stride=3, padding='circular'))")
    assert "multiple of 3" in message


def test_a_reflection_wider_than_the_image():
    message = refused([Conv(3), Downsample(4), Conv(5, padding="reflect")])
    assert "the image is 2 x 2 here, too small to reflect 2 pixel(s)" in message
    assert "pass a larger image (it was 8 x 8)" in message


def test_an_unknown_layer():
    message = refused([Conv(3), Dropout(), Conv(3)])
    assert message.startswith("layer 1 (Dropout(rate=0.5)): no kernel is known for this layer")


@pytest.mark.parametrize("between", [[], [Identity()], [Downsample(2)], [Upsample(2, "bilinear")]])
def test_an_activation_needs_a_convolution_before_it(between):
    assert "layer 0 (Relu()): no convolution precedes it" in refused([Relu(), Conv(3)])
    message = refused([Conv(3), Relu(), *between, LeakyRelu(), Conv(3)])
    assert "stands between it and the activation before" in message
    assert message.startswith(f"layer {2 + len(between)} (LeakyRelu")


def test_gaussian_values_stay_gaussian_through_resampling():
    check(Sequential([Conv(3), Downsample(2), Upsample(2, "bilinear"), Relu(), Conv(3)]), (4, 4))


def test_no_convolution():
    assert "the network has no convolution" in refused([Downsample(2), Upsample(2)])
    assert "the network has no convolution" in refused([])


def test_the_output_must_be_a_convolution():
    message = refused([Conv(3), Relu(), Conv(3), Upsample(2), Relu()])
    assert message.startswith("layer 4 (Relu()): an activation follows the last convolution")
    check(Sequential([Conv(3), Upsample(2)]), (4, 4))


def test_image_to_image():
    message = refused([Conv(3), Downsample(2), Conv(3)], image_to_image=True)
    assert "turns 8 x 8 into 4 x 4" in message


@pytest.mark.parametrize("shape", [8, (8,), (8, 8, 3), (0, 8), ("a", 8)])
def test_a_wrong_shape(unchecked, shape):
    assert "shape was" in refused([Conv(3)], shape)


def test_not_a_network(unchecked):
    with pytest.raises(ArchitectureError, match="pass a Sequential"):
        check([Conv(3)], (8, 8))
