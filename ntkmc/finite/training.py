"""Trains a network of finite width on the observed pixels of one image."""

import dataclasses
import functools
import time
from pathlib import Path
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import nnx
from jaxtyping import Bool, Float

from ntkmc.finite._problem import Problem, identity
from ntkmc.finite.checkpoints import CheckpointError, Checkpoints
from ntkmc.solvers.result import Progress

# Steps between two reports of progress, at which the device is waited for.
_CHUNK = 50


@dataclasses.dataclass(frozen=True)
class Stopped:
    """The image a training would have ended with, had it been stopped at the best moment.

    Attributes
    ----------
    step : updates made before it.
    psnr : dB, what it was chosen by.
    image : observed pixels kept, the others predicted.
    """

    step: int
    psnr: float
    image: Float[np.ndarray, "H W *C"]


@dataclasses.dataclass(frozen=True)
class TrainResult:
    """What a training made, and how it went.

    Attributes
    ----------
    image : the completed image after the last step: observed pixels kept.
    prediction : what the network says everywhere after the last step.
    best : where the PSNR against the truth was highest, as the paper stops; None without a truth.
    held_out : where the PSNR on held-out observed pixels was highest, as a user can stop; None
        where none were held out.
    history : a value a step, of the network before the step: "loss", and where there is something
        to compare with, "psnr" against the truth (completed image, dB) and "held_out_psnr" (dB).
    steps : updates made, those before the checkpoint it resumed from among them.
    resumed_from : steps of that checkpoint; 0 where there was none.
    seconds : wall-clock time of this call, compilation included.
    """

    image: Float[np.ndarray, "H W *C"]
    prediction: Float[np.ndarray, "H W *C"]
    best: Stopped | None
    held_out: Stopped | None
    history: dict[str, Float[np.ndarray, " steps"]]
    steps: int
    resumed_from: int
    seconds: float


class _Best(NamedTuple):
    """The best output so far."""

    step: jax.Array
    psnr: jax.Array
    image: jax.Array


class _State(NamedTuple):
    """All that a training goes on from."""

    step: jax.Array
    weights: nnx.State
    optimiser: optax.OptState
    best: dict[str, _Best]


def train(
    module: nnx.Module,
    features: Float[jax.Array | np.ndarray, "h w c"],
    image: np.ndarray,
    mask: Bool[np.ndarray, "H W"],
    *,
    optimiser: optax.GradientTransformation | None = None,
    steps: int = 1000,
    truth: np.ndarray | None = None,
    held_out: float = 0.0,
    input_noise: float = 0.0,
    seed: int = 0,
    checkpoint: str | Path | None = None,
    checkpoint_every: int = 500,
    progress: Progress | None = None,
) -> TrainResult:
    r"""Fit a network to the observed pixels of an image; the others are what it says of them.

    Minimises, over full batches,

    .. math:: \frac{1}{|S| C} \sum_{x \in S} \sum_k (f_k(Z)(x) - y_k(x))^2

    with S the observed pixels that are not held out and C the channels of the image. The module is
    updated in place.

    Parameters
    ----------
    module : nnx.Module
        A function of (1, h, w, c) to (1, h', w', C) that keeps no state but its weights.
    features : (h, w, c)
        The feature prior. Where its image is larger than the image, the rest is not observed.
    image : (H, W) or (H, W, C), floating
        What is not observed is never read, and may be NaN.
    mask : (H, W), True where observed.
    optimiser : optax.GradientTransformation, optional
        ``optax.adam(1e-2)`` where not given, the paper's for large holes (SI appendix N.1).
    steps : int
        Updates to make, in all.
    truth : array like ``image``, optional
        The whole image, for ``TrainResult.best``, the paper's "optimal early stopping", which
        nobody can do who does not have it already. Has no part in the training.
    held_out : float
        The fraction of observed pixels that are kept from the training to choose when to stop.
    input_noise : float
        Standard deviation of normal noise that is added to the features anew at each step.
    seed : int
        Draws those pixels, and that noise.
    checkpoint : path, optional
        A folder for the newest state. Where it holds one, of the same module, data and
        seed, training goes on from there, to the very numbers (on a device whose arithmetic is
        deterministic) that it would have come to; the optimiser has to be the same too.
    checkpoint_every : int
        Steps between checkpoints; the last step always leaves one.
    progress : callable, optional
        Is called with a stage, the steps done and the steps in all.

    Returns
    -------
    TrainResult

    Raises
    ------
    ValueError
        If shapes do not fit, nothing is observed or left to train on, or values are not finite.
    CheckpointError
        If the folder holds a checkpoint of another training, or of more steps.
    """
    start = time.perf_counter()
    optimiser = optax.adam(1e-2) if optimiser is None else optimiser
    data = Problem.make(features, image, mask, truth, held_out, seed)
    _check_steps(steps, checkpoint_every)
    if not input_noise >= 0:
        raise ValueError(f"input_noise was {input_noise}; pass a standard deviation, at least 0")
    graph, weights = nnx.split(module)
    _check_output(graph, weights, data)

    nothing = _Best(jnp.int32(0), jnp.float32(-jnp.inf), jnp.zeros_like(data.image))
    best = dict.fromkeys(data.measures, nothing)
    state = _State(jnp.int32(0), weights, optimiser.init(weights), best)
    columns = ("loss", *data.measures)

    store = None
    done, history = 0, {name: np.empty(0, np.float32) for name in columns}
    if checkpoint is not None:
        store = Checkpoints(checkpoint, identity(weights, data))
        done, state, history = store.restore(state, columns)
        if done > steps:
            raise CheckpointError(f"{checkpoint} has {done} steps behind it; steps was {steps}")
    resumed_from = done
    # A loop in Python over one compiled step. On a CPU, XLA's convolutions within its own loops
    # (lax.scan) take 16 times as long; dispatch is asynchronous and costs nothing beside a step.
    noise = input_noise, jax.random.key(seed)
    step = jax.jit(functools.partial(_step, graph, optimiser, noise))
    while done < steps:
        until = min(steps, *(every * (done // every + 1) for every in (_CHUNK, checkpoint_every)))
        records = []
        for _ in range(until - done):
            state, record = step(state, data)
            records.append(record)
        records = jax.device_get(records)
        history = {k: np.append(history[k], [record[k] for record in records]) for k in columns}
        done = until
        if store is not None and (done % checkpoint_every == 0 or done == steps):
            store.save(done, state, history)
        if progress is not None:
            progress("training", done, steps)
    if store is not None:
        store.close()

    output, best = _finish(graph, state, data)
    nnx.update(module, state.weights)
    shape = np.shape(image)
    return TrainResult(
        image=np.asarray(data.complete(output)).reshape(shape),
        prediction=np.asarray(output).reshape(shape),
        best=_stopped(best.get("psnr"), shape),
        held_out=_stopped(best.get("held_out_psnr"), shape),
        history=history,
        steps=done,
        resumed_from=resumed_from,
        seconds=time.perf_counter() - start,
    )


def _step(graph, optimiser, noise, state: _State, data: Problem):
    """One update; gives the state after it and what was measured before it."""
    deviation, key = noise
    seen = data
    if deviation:
        drawn = jax.random.normal(jax.random.fold_in(key, state.step), data.features.shape)
        seen = data._replace(features=data.features + deviation * drawn)

    def objective(weights):
        output = _output(graph, weights, seen)
        return data.loss(output), output

    (loss, output), gradient = jax.value_and_grad(objective, has_aux=True)(state.weights)
    measured = data.measure(output)
    updates, moments = optimiser.update(gradient, state.optimiser, state.weights)
    weights = optax.apply_updates(state.weights, updates)
    best = _better(state, output, measured, data)
    return _State(state.step + 1, weights, moments, best), {"loss": loss, **measured}


@functools.partial(jax.jit, static_argnames="graph")
def _finish(graph, state, data):
    """The output after the last step, and the best of all."""
    output = _output(graph, state.weights, data)
    return output, _better(state, output, data.measure(output), data)


def _output(graph, weights, data):
    height, width = data.image.shape[:2]
    return nnx.merge(graph, weights)(data.features[None])[0, :height, :width]


def _better(state, output, measured, data) -> dict[str, _Best]:
    image = data.complete(output)
    return {
        name: jax.tree.map(
            functools.partial(jnp.where, measured[name] > best.psnr),
            _Best(state.step, measured[name], image),
            best,
        )
        for name, best in state.best.items()
    }


def _stopped(best, shape):
    if best is None:
        return None
    return Stopped(int(best.step), float(best.psnr), np.asarray(best.image).reshape(shape))


def _check_steps(steps, checkpoint_every):
    for name, value in (("steps", steps), ("checkpoint_every", checkpoint_every)):
        if value < 1:
            raise ValueError(f"{name} was {value}; pass at least 1")


def _check_output(graph, weights, data):
    shape = jax.eval_shape(functools.partial(_output, graph), weights, data).shape
    if shape != data.image.shape:
        raise ValueError(
            f"the module turns these features into {shape}; the image is {data.image.shape}"
        )
