"""Similar pixels, against looking at every pair."""

import numpy as np
import pytest

from ntkmc import NotEnoughMemoryError, memory
from ntkmc.inpainting import similar
from ntkmc.inpainting.similar import most_similar
from ntkmc.priors import PatchPrior


def brute(image, mask, targets, passed_over, count, width, reach):
    patches = PatchPrior(image, 1.0, width).patches().astype(np.float64)
    observed = np.argwhere(mask)
    found = np.full((len(targets), count), len(observed))
    for row, (target, skipped) in enumerate(zip(targets, passed_over, strict=True)):
        apart = ((observed - target) ** 2).sum(axis=1)
        square = ((patches[tuple(observed.T)] - patches[tuple(target)]) ** 2).sum(axis=1)
        square[(apart > reach**2) | (apart == 0)] = np.inf
        square[skipped[skipped < len(observed)]] = np.inf
        best = np.argsort(square, kind="stable")[:count]
        best = best[np.isfinite(square[best])]
        found[row, : len(best)] = best
    return found


@pytest.mark.parametrize("batch", [1024, 4])
@pytest.mark.parametrize(
    ("shape", "width", "reach"), [((13, 15, 1), 7, 5), ((6, 20, 3), 3, 12), ((2, 3, 1), 5, 4)]
)
def test_finds_what_comparing_all_pairs_finds(shape, width, reach, batch, monkeypatch):
    monkeypatch.setattr(similar, "batch_size", lambda: batch)
    rng = np.random.default_rng(0)
    image = rng.normal(size=shape)
    mask = rng.random(shape[:2]) < 0.5
    mask[0, 0] = True
    targets = np.argwhere(rng.random(shape[:2]) < 0.7)  # observed ones among them, too
    n = mask.sum()
    passed_over = rng.integers(0, n + 1, (len(targets), 3))
    twice = np.append(np.arange(len(targets)), [0, 1, 2])
    targets, passed_over = targets[twice], passed_over[twice]
    arguments = (image, mask, targets, passed_over, 6, width, reach)
    np.testing.assert_array_equal(most_similar(*arguments), brute(*arguments))


def test_memory_is_predicted(monkeypatch):
    monkeypatch.setattr(memory, "available_bytes", lambda: 100)
    mask = np.eye(4, dtype=bool)
    with pytest.raises(NotEnoughMemoryError, match="looking for similar pixels in an image of 4 x"):
        most_similar(np.ones((4, 4, 1)), mask, np.argwhere(~mask), np.zeros((12, 1), int), 2, 3, 2)
