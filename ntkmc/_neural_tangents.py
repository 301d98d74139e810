"""Import neural-tangents so that it works on current JAX and without TensorFlow.

neural-tangents 0.6.5 (January 2024) is its last release. Since then JAX has moved or removed
private and semi-private names that it uses. Unpatched, the package does not import on JAX 0.6 or
later, and its import asks for TensorFlow on behalf of one experimental submodule. This module
imports it once and exposes it::

    from ntkmc._neural_tangents import neural_tangents as nt

Two rules keep this safe for everybody else in the process:

- what is lent to another module (`jax.core`, `sys.modules`, ...) is lent for the length of the
  import only;
- what has to stay is written into neural-tangents' own modules, never into JAX or SciPy.

JAX's version number is never compared: a name is lent when it is missing, and the functions that
are replaced go through public JAX API that every supported version has.
"""

import contextlib
import importlib
import math
import sys
import types
from collections.abc import Callable, Iterator
from typing import Any

import jax
import jax.core
import jax.extend.core
import jax.interpreters.ad as ad
import scipy.linalg

_INSTALL_HINT = (
    "neural-tangents is not installed. Install it without its requirement TensorFlow, "
    "which is never used:\n"
    "    pip install --no-deps neural-tangents==0.6.5"
)


class _Overlay(types.ModuleType):
    """A module with some names replaced; every other name is read from the original."""

    def __init__(self, original: types.ModuleType, **names: Any):
        super().__init__(original.__name__)
        self._original = original
        vars(self).update(names)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._original, name)


# ---- lent while importing ------------------------------------------------------------------------


@contextlib.contextmanager
def _lend_names(module: types.ModuleType, **names: Any) -> Iterator[None]:
    """Give `module` those of the names that it lacks, and take them back at the end.

    A name that is only reachable through the module's `__getattr__` counts as lacking: that is how
    JAX keeps deprecated names, which warn or raise.
    """
    missing = {name: value for name, value in names.items() if name not in vars(module)}
    vars(module).update(missing)
    try:
        yield
    finally:
        for name in missing:
            delattr(module, name)


@contextlib.contextmanager
def _lend_modules(**modules: types.ModuleType) -> Iterator[None]:
    """Put stand-ins for modules into `sys.modules`, and restore what was there at the end."""
    names = {module.__name__: module for module in modules.values()}
    before = {name: sys.modules.get(name) for name in names}
    sys.modules.update(names)
    try:
        yield
    finally:
        for name, module in before.items():
            if module is None:
                del sys.modules[name]
            else:
                sys.modules[name] = module


def _safe_map(function: Callable, *sequences: Any) -> list:
    return [function(*items) for items in zip(*sequences, strict=True)]


def _safe_zip(*sequences: Any) -> list:
    return list(zip(*sequences, strict=True))


@contextlib.contextmanager
def _what_the_import_needs() -> Iterator[None]:
    """Lend everything that has gone from JAX or must not be imported."""
    # safe_map and safe_zip left it in jax 0.7.0, and then the module itself went.
    jax_util = types.ModuleType("jax.util")
    vars(jax_util).update(safe_map=_safe_map, safe_zip=_safe_zip)

    # The only submodule that needs TensorFlow and tf2jax. The stand-in goes with the import, so
    # that whoever has TensorFlow can still ask for the real one.
    experimental = types.ModuleType("neural_tangents.experimental")

    with (
        _lend_modules(util=jax_util, experimental=experimental),
        # Moved from jax.core to jax.extend.core, removed from jax.core in jax 0.6.0.
        _lend_names(
            jax.core,
            Jaxpr=jax.extend.core.Jaxpr,
            JaxprEqn=jax.extend.core.JaxprEqn,
            Literal=jax.extend.core.Literal,
            Primitive=jax.extend.core.Primitive,
            Var=jax.extend.core.Var,
        ),
        # Unused by JAX since 0.7.1, removed in 0.9.0. It is the key of a table of rules.
        _lend_names(ad, zeros_like_p=jax.extend.core.Primitive("zeros_like")),
    ):
        yield


def _import() -> types.ModuleType:
    if "neural_tangents" in sys.modules:  # somebody else made it importable: nothing to lend
        return sys.modules["neural_tangents"]
    try:
        with _what_the_import_needs():
            package = importlib.import_module("neural_tangents")
    except ModuleNotFoundError as error:
        if error.name != "neural_tangents":
            raise
        raise ImportError(_INSTALL_HINT, name="neural_tangents") from error
    delattr(package, "experimental")  # the stand-in
    return package


# ---- written into neural-tangents ----------------------------------------------------------------


def _patch_compile_time_evaluation(*modules: types.ModuleType) -> None:
    """Let kernels be solved and embeddings be computed under `jax.jit`.

    `jax.core.eval_context` refuses traced arrays since jax 0.4.36; `jax.ensure_compile_time_eval`
    evaluates what is concrete and stages the rest.
    """
    core = _Overlay(jax.core, eval_context=jax.ensure_compile_time_eval)
    for module in modules:
        vars(module)["jax"] = _Overlay(jax, core=core)


def _patch_scipy(predict: types.ModuleType) -> None:
    """Translate `scipy.linalg.eigvalsh(eigvals=)`, removed in SciPy 1.14, to `subset_by_index=`."""

    def eigvalsh(a: Any, eigvals: tuple[int, int] | None = None, **kwargs: Any) -> Any:
        return scipy.linalg.eigvalsh(a, subset_by_index=eigvals, **kwargs)

    vars(predict)["sp"] = _Overlay(scipy, linalg=_Overlay(scipy.linalg, eigvalsh=eigvalsh))


def _get_flops(function: Callable, optimize: bool, *args: Any, **kwargs: Any) -> float:
    """Count the floating point operations of a function."""
    lowered = jax.jit(function).lower(*args, **kwargs)
    analysis: Any = lowered.compile().cost_analysis() if optimize else lowered.cost_analysis()
    if isinstance(analysis, (list, tuple)):  # a dict a device before jax 0.5.0, one dict since
        analysis = analysis[0]
    return analysis["flops"]


def _patch_structured_derivatives(empirical: types.ModuleType) -> None:
    """Rewrite the places where structured derivatives lean on JAX's internals.

    Removed from under it were `ad.config` and `ad.source_info_util` (jax 0.4.26), the use of
    `core.lattice_join` (0.4.36), `core.DShapedArray` (0.9.0), `ad.reducing_transposes`,
    `Primitive.map_primitive` and the old signature of `ad.linearize` (0.10.0). `jax.linearize`,
    `jax.make_jaxpr` and `jax.linear_transpose` do the same in public.
    """
    undefined, zero = ad.UndefinedPrimal, ad.Zero

    def primals_out_and_pullback(function, mode, j_rules, s_rules, forward, *primals_in):
        """Return the outputs and the function that walks the linearised program backwards."""
        flat_in, tree_in = jax.tree.flatten(primals_in)

        def flat_function(*flat):
            return function(*jax.tree.unflatten(tree_in, flat))

        # The rules look at one primitive at a time, hence no calls to jitted functions in it.
        with jax.disable_jit():
            primals_out, tangent_function = jax.linearize(flat_function, *flat_in)
            closed = jax.make_jaxpr(tangent_function)(*flat_in)

        def pullback(*cotangents):
            flat_cotangents = jax.tree.leaves(cotangents)
            collected = empirical._backward_pass(
                closed.jaxpr,
                mode=mode,
                consts=closed.consts,
                primals_in=[undefined(v.aval) for v in closed.jaxpr.invars],
                cotangents_in=tuple(flat_cotangents),
                _j_rules=j_rules,
                _s_rules=s_rules,
                _fwd=forward,
            )
            return jax.tree.unflatten(tree_in, collected)

        return primals_out, pullback

    def equation_vjp(equation, cotangent, *values):
        """Transpose one equation, which is linear in its undefined inputs: None for the others."""
        if equation is None:  # the identity
            return (cotangent,)
        linear = [i for i, value in enumerate(values) if isinstance(value, undefined)]
        if isinstance(cotangent, zero) or not linear:
            return [zero(v.aval) for v in equation.invars]

        # An abstract array stands for an operand of which only the shape matters.
        filled = [
            jax.numpy.zeros(v.shape, v.dtype) if isinstance(v, jax.core.ShapedArray) else v
            for v in values
        ]

        def apply(*arguments):
            operands = list(filled)
            for i, argument in zip(linear, arguments, strict=True):
                operands[i] = argument
            out = equation.primitive.bind(*operands, **equation.params)
            return out[0] if equation.primitive.multiple_results else out

        cotangents: list[Any] = [None] * len(values)
        shapes = [jax.ShapeDtypeStruct(values[i].aval.shape, values[i].aval.dtype) for i in linear]
        for i, ct in zip(linear, jax.linear_transpose(apply, *shapes)(cotangent), strict=True):
            cotangents[i] = ct
        return cotangents

    def write_cotangent(_, environment, variable, cotangent):
        if cotangent is None or isinstance(cotangent, zero):
            return
        if isinstance(variable, jax.extend.core.Literal):
            return
        environment[variable] = (
            environment[variable] + cotangent if variable in environment else cotangent
        )

    def read_primal(environment, variable):
        if isinstance(variable, jax.extend.core.Literal):
            return variable.val
        return environment.get(variable, undefined(variable.aval))

    # Asked of abstract arrays too: jax.numpy.size warns that it will refuse those.
    numpy = _Overlay(jax.numpy, size=lambda x: math.prod(jax.numpy.shape(x)))
    # Names in profiles and error messages, nothing else.
    name_stack = types.SimpleNamespace(transform_name_stack=contextlib.nullcontext)
    vars(empirical).update(
        ad=_Overlay(ad, source_info_util=name_stack),
        _eqn_vjp_fn=equation_vjp,
        _get_primals_out_and_pullback=primals_out_and_pullback,
        _read_primal=read_primal,
        _write_cotangent=write_cotangent,
        jnp=numpy,
    )


def _patch_inputs(requirements: types.ModuleType) -> None:
    """Say which argument it was where two batches of inputs cannot be multiplied with each other.

    A network's first layer never sees them: `serial` multiplies them itself, and left alone that
    ends in a message about the dimensions of a `dot_general`.
    """
    inputs_to_kernel = requirements._inputs_to_kernel

    def checked(x1, x2, *, channel_axis: int | None, **kwargs):
        if x2 is not None and channel_axis is not None:
            shapes = [jax.numpy.shape(x) for x in (x1, x2)]
            axes = {len(shape) for shape in shapes}
            if len(axes) > 1 or len({shape[channel_axis] for shape in shapes}) > 1:
                raise ValueError(
                    f"kernel_fn: x1 has shape {shapes[0]} and x2 {shapes[1]}; pass two with as "
                    f"many axes and as many channels, on axis {channel_axis % len(shapes[0])}"
                )
        return inputs_to_kernel(x1, x2, channel_axis=channel_axis, **kwargs)

    vars(requirements)["_inputs_to_kernel"] = checked


def _load() -> types.ModuleType:
    package = _import()
    empirical = importlib.import_module("neural_tangents._src.empirical")
    predict = importlib.import_module("neural_tangents._src.predict")
    linear = importlib.import_module("neural_tangents._src.stax.linear")
    requirements = importlib.import_module("neural_tangents._src.stax.requirements")
    _patch_compile_time_evaluation(predict, linear)
    _patch_inputs(requirements)
    _patch_scipy(predict)
    _patch_structured_derivatives(empirical)
    vars(empirical)["_get_flops"] = _get_flops
    return package


neural_tangents = _load()
