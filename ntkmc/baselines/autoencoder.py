"""Style transfer in the latent space of an over-parameterised autoencoder, with flax."""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import nnx
from jaxtyping import Float

from ntkmc.baselines.style_transfer import in_latent_space
from ntkmc.responses import Indices, Responses


class Autoencoder(nnx.Module):
    """One hidden layer, wider than profiles are long: genes -> width -> genes, leaky ReLU.

    Parameters
    ----------
    genes, width : numbers of units.
    rngs : draws the weights.
    """

    def __init__(self, genes: int, width: int, rngs: nnx.Rngs):
        self.inward = nnx.Linear(genes, width, rngs=rngs)
        self.outward = nnx.Linear(width, genes, rngs=rngs)

    def encode(self, profiles: Float[jax.Array, "n genes"]) -> Float[jax.Array, "n width"]:
        """The latent vectors: hidden units."""
        return nnx.leaky_relu(self.inward(profiles), 0.2)

    def decode(self, latent: Float[jax.Array, "n width"]) -> Float[jax.Array, "n genes"]:
        """Profiles of latent vectors."""
        return self.outward(latent)


@dataclasses.dataclass(frozen=True)
class Trained:
    """An autoencoder and how well it reproduces what it was trained on.

    Attributes
    ----------
    model : of profiles divided by ``scale``.
    scale : root mean square of the profiles.
    left : sum of squared errors over the profiles' sum of squares; near zero where it interpolates.
    """

    model: Autoencoder
    scale: float
    left: float

    def encode(self, profiles: Float[np.ndarray, "n genes"]) -> Float[np.ndarray, "n width"]:
        """Latent vectors of profiles."""
        return np.asarray(self.model.encode(jnp.asarray(profiles / self.scale, jnp.float32)))

    def decode(self, latent: Float[np.ndarray, "n width"]) -> Float[np.ndarray, "n genes"]:
        """Profiles of latent vectors."""
        return np.asarray(self.model.decode(jnp.asarray(latent, jnp.float32))) * self.scale


def train_autoencoder(
    profiles: Float[np.ndarray, "n genes"],
    width: int = 1024,
    steps: int = 150,
    rate: float = 1e-3,
    batch: int = 128,
    seed: int = 0,
) -> Trained:
    """Fit an autoencoder to profiles with Adam, in float32.

    Parameters
    ----------
    profiles : (n, genes)
    width : of the latent space; more than genes for over-parameterisation.
    steps : updates.
    rate : Adam's learning rate, which falls to zero along a cosine.
    batch : profiles an update; all of them where there are fewer.
    seed : draws weights and batches.
    """
    for name, value in (("width", width), ("steps", steps), ("batch", batch)):
        if value < 1:
            raise ValueError(f"train_autoencoder: {name} was {value}; pass at least 1")
    scale = float(np.sqrt(np.mean(profiles**2))) or 1.0
    data = jnp.asarray(profiles / scale, jnp.float32)
    model = Autoencoder(data.shape[1], width, nnx.Rngs(seed))
    graph, weights = nnx.split(model)
    state = _optimiser(rate, steps).init(weights)
    draws = np.random.default_rng(seed)
    for _ in range(steps):
        rows = draws.permutation(len(data))[:batch] if batch < len(data) else slice(None)
        weights, state = _update(graph, rate, steps, weights, state, data[rows])
    nnx.update(model, weights)
    left = float(_loss(graph, weights, data) / jnp.mean(data**2))
    return Trained(model, scale, left)


def autoencoder_style_transfer(
    observed: Responses,
    drug: Indices,
    cell: Indices,
    width: int = 1024,
    steps: int = 150,
    rate: float = 1e-3,
    batch: int = 128,
    seed: int = 0,
) -> Float[np.ndarray, "n genes"]:
    """`style_transfer` in the latent space of an autoencoder that is trained on what is observed.

    Parameters
    ----------
    observed : Responses
    drug, cell : (n,)
        The pairs to impute. What is observed of them is trained on, so leave it out.
    width, steps, rate, batch, seed : of `train_autoencoder`.

    References
    ----------
    Belyaeva et al., Nature Communications 2021: wide latent spaces that interpolate the data align
    the effects of a drug across cell lines, so that vector arithmetic holds in them.
    """
    trained = train_autoencoder(observed.profiles, width, steps, rate, batch, seed)
    return in_latent_space(observed, drug, cell, trained.encode, trained.decode)


def _optimiser(rate, steps):
    return optax.adam(optax.cosine_decay_schedule(rate, steps))


@functools.partial(jax.jit, static_argnums=(0, 1, 2))
def _update(graph, rate, steps, weights, state, data):
    gradient = jax.grad(functools.partial(_loss, graph))(weights, data)
    updates, state = _optimiser(rate, steps).update(gradient, state, weights)
    return optax.apply_updates(weights, updates), state


def _loss(graph, weights, data):
    model = nnx.merge(graph, weights)
    return jnp.mean((model.decode(model.encode(data)) - data) ** 2)
