import numpy as np
import pytest

from ntkmc.priors import IIDNormal, IIDUniform, exact_features


@pytest.mark.parametrize("prior", [IIDUniform(0.0, 0.1), IIDUniform(-1, 1), IIDNormal(0.5, 2)])
def test_second_moments_are_the_priors(prior):
    features = exact_features(prior, (3, 5))
    assert features.shape == (3, 5, 16)
    flat = features.reshape(15, 16).astype(float)
    expected = np.where(np.eye(15), prior.same, prior.different)
    np.testing.assert_allclose(flat @ flat.T / 16, expected, rtol=1e-6)


def test_moments_that_no_features_have():
    class Opposed:
        same, different = 1.0, -0.5

        def sample(self, key, shape):
            raise NotImplementedError

    with pytest.raises(ValueError, match=r"C1 = 1.0 and C2 = -0.5"):
        exact_features(Opposed(), (2, 2))
