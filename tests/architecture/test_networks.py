import pytest

from ntkmc.architecture import (
    ArchitectureError,
    Conv,
    Downsample,
    LeakyRelu,
    Relu,
    Sequential,
    Upsample,
    autoencoder,
    check,
    describe,
)

act = LeakyRelu(0.01)
down = Downsample(2)
up = Upsample(2)


def test_two_convolutions_a_level():
    assert autoencoder(1) == Sequential(
        [Conv(3), act, Conv(3), act, down, up, Conv(3), act, Conv(3)]
    )


def test_one_convolution_a_level_has_one_more_at_the_bottom():
    assert autoencoder(2, convs_per_level=1) == Sequential(
        [Conv(3), act, down] * 2 + [Conv(3), act] + [up, Conv(3), act, up, Conv(3)]
    )


def test_slope_zero_is_a_relu():
    assert Relu() in list(autoencoder(1, negative_slope=0.0))
    assert not any(isinstance(layer, LeakyRelu) for layer in autoencoder(1, negative_slope=0.0))


def test_arguments_reach_the_layers():
    network = autoencoder(2, 3, 0.2, 5, "bilinear", "reflect")
    convolutions = [layer for layer in network if isinstance(layer, Conv)]
    assert convolutions == [Conv(5, padding="reflect")] * 12
    assert [layer for layer in network if isinstance(layer, Upsample)] == [
        Upsample(2, "bilinear")
    ] * 2
    assert LeakyRelu(0.2) in list(network)


def test_an_axis_with_fewer_levels_is_halved_at_the_bottom(unchecked):
    network = autoencoder((1, 0, 3), 1, upsampling="bilinear", filter_size=(3, 1, 3))
    conv = [Conv((3, 1, 3)), act]
    assert network == Sequential(
        [
            *([*conv, Downsample((1, 1, 2))] * 2),
            *(*conv, Downsample((2, 1, 2)), *conv),
            *(Upsample((2, 1, 2), "bilinear"), *conv),
            *([Upsample((1, 1, 2), "bilinear"), *conv] * 2)[:-1],
        ]
    )
    assert check(network, (2, 5, 8), axes=3, image_to_image=True)[-1] == (2, 5, 8)
    assert (
        describe(network) == "autoencoder(1 x 0 x 3 levels, 1 convolution(s), slope 0.01, bilinear)"
    )
    assert autoencoder([2, 2]) == autoencoder((2, 2))
    with pytest.raises(
        ArchitectureError, match="the image is 8 x 8 here, and filter_size is for 3 axes"
    ):
        check(network, (8, 8))


@pytest.mark.parametrize("levels", [1, 2, 3, 6])
@pytest.mark.parametrize("convs_per_level", [1, 2])
def test_takes_images_of_its_side_multiple(levels, convs_per_level):
    network = autoencoder(levels, convs_per_level)
    side = network.side_multiple
    assert side == 2**levels
    sizes = check(network, (side, 3 * side), image_to_image=True)
    assert sizes[-1] == (side, 3 * side)
    assert min(sizes) == (1, 3)


@pytest.mark.parametrize("levels", [0, -1, 1.5, True, "six", (0, 0), (1, -1), (), (2, 1.5)])
def test_wrong_levels_are_refused(unchecked, levels):
    with pytest.raises(ArchitectureError, match="autoencoder: levels was"):
        autoencoder(levels)
