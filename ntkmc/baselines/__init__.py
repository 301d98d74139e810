"""Other people's methods, in the conventions of this package.

Those that impute responses of cells to drugs are functions of what is observed and of the pairs
that are asked for, ``(observed, drug, cell) -> profiles``.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
