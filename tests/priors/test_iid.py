import jax
import numpy as np
import pytest

from ntkmc.priors import IIDNormal, IIDUniform


@pytest.mark.parametrize(
    "prior", [IIDUniform(), IIDUniform(-1.0, 3.0), IIDNormal(), IIDNormal(-0.5, 0.2)]
)
def test_second_moments_are_those_of_samples(prior):
    n = 200_000
    first, second = np.asarray(prior.sample(jax.random.key(0), (2, n)), dtype=float)
    for sampled, exact in ((first**2, prior.same), (first * second, prior.different)):
        # Five standard errors: the chance of a false alarm is below one in a million.
        assert abs(sampled.mean() - exact) < 5 * sampled.std() / np.sqrt(n)


def test_the_papers_prior():
    assert IIDUniform().same == pytest.approx(0.01 / 3)
    assert IIDUniform().different == pytest.approx(0.0025)


def test_samples_have_the_range_and_shape():
    sample = IIDUniform(2.0, 3.0).sample(jax.random.key(1), (4, 5, 6))
    assert sample.shape == (4, 5, 6)
    assert sample.min() >= 2.0
    assert sample.max() < 3.0


def test_priors_hash_by_value(unchecked):
    assert len({IIDUniform(0, 1), IIDUniform(0.0, 1.0), IIDNormal(0, 1)}) == 2


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: IIDUniform(1.0, 1.0), "low was 1.0 and high 1.0; pass low < high"),
        (lambda: IIDUniform("0", 1.0), "IIDUniform: low was '0'; pass a finite number"),
        (lambda: IIDNormal(float("nan")), "IIDNormal: mean was nan"),
        (lambda: IIDNormal(0.0, 0.0), "IIDNormal: std was 0.0; pass a positive number"),
    ],
)
def test_wrong_arguments_are_refused(unchecked, make, words):
    with pytest.raises(ValueError, match=words):
        make()
