"""The papers' experiments: a schema and a function for each, which ``ntkmc run`` finds by name."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
