import pytest

from ntkmc.architecture import (
    LAYERS,
    ArchitectureError,
    Conv,
    Downsample,
    LeakyRelu,
    LiftingConv,
    Relu,
    Sequential,
    Upsample,
    autoencoder,
    from_dict,
    from_yaml,
    resolve,
    to_dict,
    to_yaml,
)


def example(layer):
    return layer(5) if "filter_size" in layer.__dataclass_fields__ else layer()


@pytest.mark.parametrize(
    "network",
    [
        *[example(layer) for layer in LAYERS.values()],
        Conv(5, 2, "reflect"),
        LeakyRelu(-0.25),
        Upsample(3, "bilinear"),
        LiftingConv(3, 2, "circular", "D4"),
        Sequential([]),
        Sequential([Conv(3), Relu(), Conv(1)]),
        autoencoder(6),
        autoencoder(2, 1, 0.0, 5, "bilinear", "same"),
        autoencoder((1, 3), filter_size=(1, 3)),
    ],
)
def test_round_trip(network):
    assert from_dict(to_dict(network)) == network
    assert from_yaml(to_yaml(network)) == network


def test_written_by_hand():
    text = """
    - conv: {filter_size: 3}
    - relu
    - downsample
    - leaky_relu: {negative_slope: 0.2}
    """
    assert from_yaml(text) == Sequential([Conv(3), Relu(), Downsample(2), LeakyRelu(0.2)])
    assert from_yaml("autoencoder: {levels: 6}") == autoencoder(6)
    assert from_yaml("[{autoencoder: {levels: 1}}, relu]") == Sequential([autoencoder(1), Relu()])


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("- conv: {filter_size: 3}\n- rellu", r"network\[1\]: unknown name 'rellu'; did you mean"),
        ("autoencodr: {levels: 6}", "network: unknown name 'autoencodr'; did you mean 'autoenc"),
        ("- xyz", r"unknown name 'xyz'; known: conv, relu"),
        ("- conv: {filtersize: 3}", r"network\[0\] \(conv\): unknown key 'filtersize'; did you m"),
        ("- relu: {slope: 1}", r"unknown key 'slope'; it takes none"),
        ("- conv", r"network\[0\] \(conv\): filter_size is missing"),
        ("- conv: 3", r"network\[0\] \(conv\): 3 has no names"),
        ("- conv: {filter_size: 4}", r"network\[0\]: Conv: filter_size was 4"),
        ("- {conv: {filter_size: 3}, relu: {}}", r"network\[0\]: .* is neither a name nor"),
        ("7", "network: 7 is neither a name nor"),
        ("[", "not YAML"),
    ],
)
def test_what_is_unknown_is_refused_by_position(text, words):
    with pytest.raises(ArchitectureError, match=words):
        from_yaml(text)


def test_a_layer_without_a_spelling(unchecked):
    with pytest.raises(ArchitectureError, match="has no spelling"):
        to_dict("relu")


def test_resolve_writes_the_defaults_and_keeps_the_name():
    assert resolve({"autoencoder": {"levels": 6}}) == {
        "autoencoder": {
            "levels": 6,
            "convs_per_level": 2,
            "negative_slope": 0.01,
            "filter_size": 3,
            "upsampling": "nearest",
            "padding": "circular",
        }
    }
    assert resolve(["downsample", {"autoencoder": {"levels": 1}}])[0] == {
        "downsample": {"factor": 2}
    }
    with pytest.raises(ArchitectureError):
        resolve({"autoencoder": {"level": 6}})
