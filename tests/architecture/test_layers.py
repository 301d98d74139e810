import numpy as np
import pytest

from ntkmc.architecture import (
    LAYERS,
    ArchitectureError,
    Conv,
    Downsample,
    Identity,
    LeakyRelu,
    Relu,
    Sequential,
    Upsample,
    autoencoder,
)


def test_layers_compare_and_hash_by_value(unchecked):
    assert Conv(3) == Conv(np.int64(3), 1, "circular")
    assert len({Conv(3), Conv(3), Conv(5), Relu(), Relu(), LeakyRelu(0), LeakyRelu(0.0)}) == 4
    assert hash(autoencoder(2)) == hash(autoencoder(2))


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: Conv(4), "Conv: filter_size was 4; pass an odd number"),
        (lambda: Conv(0), "Conv: filter_size was 0"),
        (lambda: Conv(3.0), "Conv: filter_size was 3.0; pass a whole number"),
        (lambda: Conv(True), "Conv: filter_size was True"),
        (lambda: Conv(3, stride=0), "Conv: stride was 0"),
        (lambda: Conv(3, padding="valid"), "padding was 'valid'; pass one of circular, same"),
        (lambda: LeakyRelu(1.0), "LeakyRelu: negative_slope was 1.0; pass a number between"),
        (lambda: LeakyRelu(float("nan")), "negative_slope was nan"),
        (lambda: LeakyRelu("0.1"), "negative_slope was '0.1'"),
        (lambda: Downsample(1), "Downsample: factor was 1"),
        (lambda: Conv((3, 4)), r"Conv: filter_size was \(3, 4\); pass an odd number"),
        (lambda: Conv(()), r"Conv: filter_size was \(\); pass one whole number for each axis"),
        (lambda: Upsample((2, 0)), r"factor was \(2, 0\); pass one whole number for each axis"),
        (lambda: Downsample((1, 1)), r"factor was \(1, 1\); pass .* at least one of them 2"),
        (lambda: Downsample((2, 1.5)), r"factor was \(2, 1.5\)"),
        (lambda: Upsample(2, "cubic"), "Upsample: method was 'cubic'; pass one of nearest"),
    ],
)
def test_a_wrong_field_is_refused_by_name(unchecked, make, words):
    with pytest.raises(ArchitectureError, match=words):
        make()


def test_sequential_flattens_what_is_nested():
    inner = Sequential([Conv(3), Relu()])
    network = Sequential([inner, Sequential([inner]), Conv(5)])
    assert list(network) == [Conv(3), Relu(), Conv(3), Relu(), Conv(5)]
    assert len(network) == 5
    assert network[-1] == Conv(5)
    assert network == Sequential([Conv(3), Relu(), Conv(3), Relu(), Conv(5)])


def test_sequential_refuses_what_is_not_a_layer_by_position(unchecked):
    with pytest.raises(ArchitectureError, match=r"layer 1: 'relu' is not a layer; pass one of"):
        Sequential([Conv(3), "relu"])
    with pytest.raises(ArchitectureError, match=r"layer 0: Relu is the class; pass an instance"):
        Sequential([Relu])


@pytest.mark.parametrize("layer", [Conv(3), Conv(3, 2), Downsample(3), Upsample(4), Relu()])
def test_output_shape_is_the_shape_of_strided_slices(layer):
    image = np.zeros((12, 24))
    expected = image[:: layer.reduction, :: layer.reduction].repeat(layer.enlargement, 0)
    height, width = layer.output_shape(image.shape)
    assert (height, width // 2) == (expected.shape[0], expected.shape[0])


@pytest.mark.parametrize(
    ("layers", "multiple"),
    [
        ([Conv(3)], 1),
        ([Downsample(2), Downsample(2)], 4),
        ([Downsample(2), Upsample(2), Downsample(2)], 2),
        ([Upsample(2), Downsample(3)], 3),
        ([Upsample(4), Downsample(2), Conv(3, 6)], 3),
    ],
)
def test_side_multiple_is_the_smallest_that_passes(layers, multiple):
    def passes(side):
        shape = (side, side)
        for layer in layers:
            shape = layer.output_shape(shape)
        return True

    assert Sequential(layers).side_multiple == multiple
    assert all(passes(multiple * n) for n in range(1, 9))
    for smaller in range(1, multiple):
        with pytest.raises(ArchitectureError):
            passes(smaller)


def test_what_a_layer_does_along_each_axis(unchecked):
    assert Conv([3, 1], 2) == Conv((3, 1), 2)
    assert [Conv((3, 1), 2).along(axis) for axis in range(2)] == [Conv(3, 2), Conv(1, 2)]
    assert [Upsample((1, 3), "bilinear").along(axis) for axis in range(2)] == [
        Identity(),
        Upsample(3, "bilinear"),
    ]
    network = Sequential([Conv(3), Relu(), Downsample((1, 2, 4)), Upsample((1, 2, 4)), Conv(3)])
    assert network.axes == 3
    assert network.along(0) == Sequential([Conv(3), Relu(), Identity(), Identity(), Conv(3)])
    assert network.along(2).side_multiple == network.side_multiple == 4
    assert Downsample((1, 2, 4)).output_shape((3, 4, 8)) == (3, 2, 2)
    assert Conv((5, 1), padding="reflect").output_shape((3, 1)) == (3, 1)
    assert Relu().along(7) == Relu()


def test_an_image_of_other_axes_than_a_layer_is_refused():
    with pytest.raises(ArchitectureError, match="the image is 8 x 8 here, and factor is for 3"):
        Upsample((1, 2, 4)).output_shape((8, 8))
    with pytest.raises(ArchitectureError, match="its sides must divide by 1 x 2 x 4"):
        Downsample((1, 2, 4)).output_shape((8, 8, 6))
    with pytest.raises(ArchitectureError, match="is for images of 2 axes; pass one number for"):
        Conv((3, 1)).along(2)


def test_is_circular():
    assert autoencoder(1).is_circular
    assert not autoencoder(1, padding="same").is_circular


def test_every_layer_is_listed_under_its_name():
    for name, layer in LAYERS.items():
        assert name.replace("_", "") == layer.__name__.lower()
