"""The run-time type checker of the tests (see conftest.py)."""

import warnings

from beartype import beartype
from beartype.roar import BeartypeDecorHintException


def check(function):
    """Check arguments and result at every call, except where annotations cannot be checked."""
    try:
        return beartype(function)
    except BeartypeDecorHintException:  # for example a protocol, which is for static checkers
        warnings.warn(f"types of {function.__qualname__} are not checked", stacklevel=1)
        return function
