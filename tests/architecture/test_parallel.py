import numpy as np
import pytest

from ntkmc.architecture import (
    ArchitectureError,
    Conv,
    LeakyRelu,
    Parallel,
    Sequential,
    autoencoder,
    check,
    from_dict,
    from_yaml,
    network_from_dict,
    resolve,
    to_dict,
    to_yaml,
    weighted_branches,
)

ONE, TWO = autoencoder(1), autoencoder(2, upsampling="bilinear")


def test_a_network_alone_is_one_branch_of_weight_one():
    assert list(weighted_branches(ONE)) == [(1.0, ONE)]
    assert list(weighted_branches(Parallel([ONE, TWO], [1, 0.5]))) == [(1.0, ONE), (0.5, TWO)]
    assert Parallel([ONE, TWO]).weights == (1.0, 1.0)


def test_round_trip_and_by_hand():
    network = Parallel([ONE, TWO], [1, np.float64(0.25)])
    assert from_dict(to_dict(network)) == from_yaml(to_yaml(network)) == network
    text = """
    parallel:
      branches:
      - autoencoder: {levels: 1}
      - - conv: {filter_size: 3}
        - leaky_relu
        - conv: {filter_size: 1}
      weights: [1, 3]
    """
    by_hand = Parallel([ONE, Sequential([Conv(3), LeakyRelu(), Conv(1)])], [1, 3])
    assert from_yaml(text) == by_hand
    spelled = resolve({"parallel": {"branches": [{"autoencoder": {"levels": 1}}]}})
    assert spelled["parallel"]["branches"][0]["autoencoder"]["convs_per_level"] == 2
    assert network_from_dict(spelled) == Parallel([ONE])
    assert network_from_dict({"conv": {"filter_size": 3}}) == Sequential([Conv(3)])


def test_check_walks_every_branch():
    assert check(Parallel([ONE, TWO]), (8, 8), image_to_image=True)[-1] == (8, 8)
    assert Parallel([ONE, TWO]).side_multiple == 4
    with pytest.raises(ArchitectureError, match=r"branch 1: layer 9 .*pass sides that are a multi"):
        check(Parallel([ONE, TWO]), (6, 6))
    halved = Sequential([Conv(3, stride=2)])
    with pytest.raises(ArchitectureError, match=r"branch 1 makes \(4, 4\) .* and branch 0 \(8, 8"):
        check(Parallel([ONE, halved]), (8, 8))


@pytest.mark.parametrize(
    ("branches", "weights", "words"),
    [
        ([], None, "branches was empty"),
        ([Conv(3)], None, r"branch 0 was Conv\(.*pass a Sequential"),
        ([ONE], [1, 2], "2 weights for 1 branches"),
        ([ONE], [0.0], r"weight 0 was 0\.0; pass a positive number"),
        ([ONE, TWO], [1.0, float("nan")], "weight 1 was nan"),
    ],
)
def test_refused(branches, weights, words, unchecked):
    with pytest.raises(ArchitectureError, match=words):
        Parallel(branches, weights)


@pytest.mark.parametrize(
    ("spelling", "words"),
    [
        ({"parallel": {"branches": "autoencoder"}}, r"network \(parallel\): branches was 'auto"),
        ({"parallel": {"branches": ["rellu"]}}, r"network\.branches\[0\]: unknown name 'rellu'"),
        ({"parallel": {"branches": ["relu"], "weight": [1]}}, "unknown key 'weight'; did you mean"),
    ],
)
def test_misspelled(spelling, words):
    with pytest.raises(ArchitectureError, match=words):
        from_dict(spelling)
