"""The run-time type checker of the tests (see conftest.py)."""

import warnings

from beartype import BeartypeConf, beartype
from beartype.roar import BeartypeDecorHintException

# As the type checker sees it: an int is a float.
typed = beartype(conf=BeartypeConf(is_pep484_tower=True))


def check(function):
    """Check arguments and result at every call, except where annotations cannot be checked."""
    try:
        return typed(function)
    except BeartypeDecorHintException:  # for example a protocol, which is for static checkers
        warnings.warn(f"types of {function.__qualname__} are not checked", stacklevel=1)
        return function
