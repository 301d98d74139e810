"""What a user meets before anything is computed."""

import importlib
import importlib.metadata
import inspect
import pkgutil
import subprocess
import sys

import ntkmc


def test_does_not_require_tensorflow():
    required = importlib.metadata.requires("ntkmc") or []
    always = [requirement for requirement in required if "extra ==" not in requirement]
    assert always
    assert not [r for r in always if r.startswith(("neural", "tensorflow", "tf2jax"))]


def test_every_module_imports():
    names = [m.name for m in pkgutil.walk_packages(ntkmc.__path__, "ntkmc.")]
    assert "ntkmc.stax" in names
    modules = [importlib.import_module(n) for n in names if not n.endswith("__main__")]
    for module in [ntkmc, *modules]:
        for name in getattr(module, "__all__", ()):
            # Not the module of the same name, which some functions are in.
            assert not inspect.ismodule(getattr(module, name)), f"{module.__name__}.{name}"


def test_64_bits_for_the_length_of_a_test(x64):
    import jax.numpy as jnp

    assert jnp.ones(1).dtype == "float64"


def test_32_bits_is_the_default():
    import jax.numpy as jnp

    assert jnp.ones(1).dtype == "float32"


def test_the_command_line_answers():
    done = subprocess.run(
        [sys.executable, "-c", "from ntkmc.cli import main; main()", "--help"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "Usage" in done.stdout
