"""What the tests of inpainting share."""

import pytest

from ntkmc.inpainting import scene


@pytest.fixture(autouse=True, scope="session")
def few_neighbours():
    """As many as pixels of large images have: small ones have more, which takes longer."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(scene, "MOST", scene.FEWEST)
        yield
