import pytest
import yaml

from ntkmc.config import Config, ConfigError, read, validate


class Solver(Config):
    ridge: float = 0.0
    name: str = "auto"


class Example(Config):
    image: str
    levels: int = 6
    solver: Solver = Solver()


@pytest.fixture
def written(tmp_path):
    def write(text):
        path = tmp_path / "example.yaml"
        path.write_text(text)
        return path

    return write


def load(path, *overrides):
    return validate(Example, read(path, overrides), path)


def test_defaults_and_values(written):
    config = load(written("image: vase\nsolver: {ridge: 1e-3}"))
    assert config == Example(image="vase", solver=Solver(ridge=0.001))


def test_overrides_reach_inner_keys_and_make_them(written):
    path = written("image: vase")
    config = load(path, "levels=3", "solver.ridge=1e-3", "solver.name=cg", "image=a=b")
    assert config == Example(image="a=b", levels=3, solver=Solver(ridge=0.001, name="cg"))


def test_what_is_written_is_what_is_read(written):
    config = load(written("image: vase"), "levels=2")
    assert yaml.safe_load(config.to_yaml()) == {
        "image": "vase",
        "levels": 2,
        "solver": {"ridge": 0.0, "name": "auto"},
    }
    assert load(written(config.to_yaml())) == config


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("image: a\nlevel: 3", r"example.yaml: unknown key 'level'; did you mean 'levels'\?"),
        ("image: a\nsolver: {rdige: 1}", r"unknown key 'solver.rdige'; did you mean 'ridge'\?"),
        ("image: a\nxyzzy: 3", r"unknown key 'xyzzy'; known: image, levels, solver"),
        ("levels: 3", "example.yaml: image is missing"),
        ("image: a\nlevels: many", "levels was 'many': input should be a valid integer"),
        ("image: a\nlevels: x\nother: 1", "levels was 'x': .*; unknown key 'other'"),
        ("- 1", r"\[1\] is not a mapping"),
        ("a: [", "example.yaml: not YAML"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(written, text, words):
    with pytest.raises(ConfigError, match=words) as refusal:
        load(written(text))
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("levels", "write key=value"),
        ("=3", "write key=value"),
        ("solver.=3", "write key=value"),
        ("levels.deep=3", "levels is 6, which has no keys"),
        ("levels=[", "not YAML"),
    ],
)
def test_a_wrong_override_is_refused(written, override, words):
    with pytest.raises(ConfigError, match=words):
        load(written("image: a\nlevels: 6"), override)


def test_no_file(tmp_path):
    with pytest.raises(ConfigError, match=r"none.yaml: No such file"):
        read(tmp_path / "none.yaml")
