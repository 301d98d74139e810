"""A feature prior of finitely many channels with the second moments of one with infinitely many."""

import math

import numpy as np
from jaxtyping import Float

from ntkmc.priors.iid import IIDPrior


def exact_features(prior: IIDPrior, shape: tuple[int, ...]) -> Float[np.ndarray, "*sides c"]:
    r"""Features whose mean products are those of ``prior``, exactly.

    With n = H W pixels, the n + 1 channels

    .. math:: Z_p(x) = \sqrt{(n + 1)(C_1 - C_2)}\, [p = x], \quad p = 1 \dots n, \qquad
              Z_{n + 1}(x) = \sqrt{(n + 1)\, C_2}

    have :math:`\frac{1}{n + 1} \sum_p Z_p(x) Z_p(x') = C_1` where x = x' and :math:`C_2` elsewhere,
    which drawn channels have only as their number grows. Networks of finite width on them have
    exactly the infinite-width kernel of ``prior`` as their limit.

    Parameters
    ----------
    prior : IIDPrior
        With C1 >= C2 >= 0.
    shape : (H, W), or of other axes than two

    Returns
    -------
    float32 array (H, W, H W + 1), channels last; it has (H W)^2 entries.
    """
    if not prior.same >= prior.different >= 0:
        raise ValueError(
            f"prior has C1 = {prior.same} and C2 = {prior.different}; pass one with C1 >= C2 >= 0"
        )
    pixels = math.prod(shape)
    features = np.zeros((pixels, pixels + 1), np.float32)
    np.fill_diagonal(features, math.sqrt((pixels + 1) * (prior.same - prior.different)))
    features[:, -1] = math.sqrt((pixels + 1) * prior.different)
    return features.reshape(*shape, -1)
