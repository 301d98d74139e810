"""The packages of the extra ``medical``, which are imported when a file needs them."""

import importlib
from typing import Any


def require(package: str, files: str) -> Any:
    """The package.

    Raises
    ------
    ImportError
        Which says how to install it.
    """
    try:
        return importlib.import_module(package)
    except ImportError:
        raise ImportError(
            f'{files} files need {package}: pip install "ntkmc[medical]", or pass a .npy file'
        ) from None
