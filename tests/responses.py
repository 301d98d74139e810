"""Small tables of responses for the tests, and what is asked of them."""

import numpy as np

from ntkmc.responses import Responses


def draw(seed=0, drugs=8, cells=4, genes=12, share=0.7, rank=3, noise=0.1):
    """Profiles of low rank and noise, each pair observed with a probability; every line has two."""
    rng = np.random.default_rng(seed)
    of_drug, of_cell = rng.normal(size=(drugs, rank)), rng.normal(size=(cells, rank))
    profiles = np.einsum("dr,cr,rg->dcg", of_drug, of_cell, rng.normal(size=(rank, genes)))
    profiles += rng.normal(size=(cells, genes)) + noise * rng.normal(size=profiles.shape)
    observed = rng.random((drugs, cells)) < share
    observed[:2] = True
    return of_mask(profiles, observed), profiles


def of_mask(profiles, observed):
    """The observed profiles of an array (drugs, cells, genes)."""
    drug, cell = np.nonzero(observed)
    return Responses(
        profiles[drug, cell],
        drug,
        cell,
        tuple(f"drug {number}" for number in range(profiles.shape[0])),
        tuple(f"gene {number}" for number in range(profiles.shape[2])),
        tuple(f"cell {number}" for number in range(profiles.shape[1])),
    )


def missing(responses):
    """Drug and cell line of all pairs that are not observed."""
    return np.nonzero(~responses.availability())
