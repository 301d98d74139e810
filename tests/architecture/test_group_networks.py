"""Networks with group convolutions and vectors: which ones can be, and on which images."""

import numpy as np
import pytest

from ntkmc import GridKernel, PeriodicKernel
from ntkmc.architecture import (
    ArchitectureError,
    Conv,
    Dense,
    Domain,
    Downsample,
    Flatten,
    GlobalAvgPool,
    GroupConv,
    GroupPool,
    Identity,
    LiftingConv,
    Relu,
    Sequential,
    check,
    check_structure,
    from_yaml,
)
from ntkmc.priors import IIDUniform

BODY = [LiftingConv(3), Relu(), GroupConv(3), GroupPool()]


def test_sizes_and_what_a_network_ends_in():
    network = Sequential([*BODY, Conv(3, 2), Flatten(), Dense(), Relu(), Dense()])
    assert check(network, (6, 6)) == ((4, 4), (4, 4), (2, 2), (2, 2), (1, 1), *[(1, 1)] * 4)
    assert check_structure(network) is Domain.VECTOR
    assert check_structure(Sequential(BODY)) is Domain.IMAGE
    same = [LiftingConv(3, 1, "same", "D2"), GroupConv(5, 1, "circular", "D2"), GroupPool()]
    assert check(Sequential(same), (4, 6), image_to_image=True)[-1] == (4, 6)
    assert check(Sequential([LiftingConv(3, 2, "same"), GroupPool()]), (7, 7))[0] == (4, 4)


def test_is_circular():
    assert Sequential([LiftingConv(3, 1, "circular"), GroupPool(), Conv(3)]).is_circular
    assert not Sequential(BODY).is_circular


@pytest.mark.parametrize(
    ("layers", "words"),
    [
        ([GroupConv(3), GroupPool()], r"layer 0 \(GroupConv.*is given values of pixels; put a Lif"),
        ([Conv(3), Relu(), GroupPool()], r"layer 2 \(GroupPool\(\)\): .* put a LiftingConv before"),
        ([Conv(3), LiftingConv(3), GroupPool()], r"layer 1 .*other layers precede it.* put it fi"),
        ([*BODY, LiftingConv(3), GroupPool()], r"layer 4 .*other layers precede it"),
        (
            [*BODY[:2], Conv(3)],
            r"layer 2 \(Conv.*elements of a point group; put a GroupPool before",
        ),
        ([*BODY[:2], Downsample(2)], r"layer 2 \(Downsample.* put a GroupPool before it"),
        ([*BODY[:3], Flatten()], r"layer 3 \(Flatten\(\)\): .* put a GroupPool before it"),
        ([*BODY[:3], Dense()], r"layer 3 \(Dense\(\)\): .* put a GroupPool, then Flatten or Glob"),
        ([*BODY, Dense()], r"layer 4 \(Dense\(\)\): .* put a Flatten or GlobalAvgPool before it"),
        ([Conv(3), Flatten(), Conv(3)], r"layer 2 .* put it before the pixels are flattened"),
        ([*BODY, GlobalAvgPool(), GroupConv(3)], r"layer 5 .* put it before the pixels are"),
        (BODY[:3], "ends in values for each element of the group; add a GroupPool"),
        (
            [LiftingConv(3), Relu(), GroupConv(3, group="D2"), GroupPool()],
            r"layer 2 .*its group is D2, and the image was lifted to C4; pass group='C4'",
        ),
        ([LiftingConv(3), Relu(), GroupPool()], r"layer 1 .*an activation follows the last conv"),
    ],
)
def test_structures_that_cannot_be(layers, words):
    with pytest.raises(ArchitectureError, match=words):
        check_structure(Sequential(layers))


@pytest.mark.parametrize(
    ("layers", "shape", "words"),
    [
        (BODY, (6, 8), r"layer 0 \(LiftingConv.*the image is 6 x 8 and C4 exchanges rows and col"),
        (BODY, (4, 4), r"layer 2 \(GroupConv.*the image is 2 x 2, less than the filter, 3 x 3"),
        ([LiftingConv(3, 2, "same"), GroupPool()], (6, 6), r"stride 2 .* \(the next is 7\)$"),
    ],
)
def test_images_that_do_not_fit(layers, shape, words):
    with pytest.raises(ArchitectureError, match=words):
        check(Sequential(layers), shape)


def test_a_vector_is_no_image():
    with pytest.raises(ArchitectureError, match="turns an image into a vector"):
        check(Sequential([*BODY, GlobalAvgPool()]), (6, 6), image_to_image=True)


@pytest.mark.parametrize("layer", [LiftingConv, GroupConv])
@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"filter_size": 4}, "filter_size was 4; pass an odd number"),
        ({"filter_size": 3, "stride": 0}, "stride was 0; pass a whole number"),
        (
            {"filter_size": 3, "padding": "reflect"},
            "padding was 'reflect'; pass one of valid, same",
        ),
        ({"filter_size": 3, "group": "C8"}, "group was 'C8'; pass one of C1, C2, C4, D1, D2, D4"),
    ],
)
def test_wrong_fields(unchecked, layer, fields, words):
    with pytest.raises(ArchitectureError, match=f"{layer.__name__}: {words}"):
        layer(**fields)


def test_written_by_hand():
    text = "[lifting_conv: {filter_size: 3, group: D4}, group_pool, global_avg_pool, dense]"
    layers = [LiftingConv(3, 1, "valid", "D4"), GroupPool(), GlobalAvgPool(), Dense()]
    assert from_yaml(text) == Sequential(layers)


def test_kernels_between_pixels_refuse_other_layers():
    network = Sequential([Identity(), Conv(3), Flatten(), Dense()])
    prior = IIDUniform(0.0, 1.0)
    with pytest.raises(ArchitectureError, match=r"layer 2 \(Flatten\(\)\): PeriodicKernel has"):
        PeriodicKernel.build(network, (4, 4), prior=prior)
    features = np.ones((4, 4, 4), np.float32)
    with pytest.raises(ArchitectureError, match=r"layer 2 \(Flatten\(\)\): GridKernel has layers"):
        GridKernel.build(network, features)
