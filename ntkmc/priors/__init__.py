"""Feature priors: what the network is told about a coordinate before it sees any data.

Those of images are arrays (channels, H, W). Those of tables are matrices with one column for each
column of the table; for responses of cells to drugs, whose columns are pairs of the two, they are
functions of what is observed and of the pairs that are asked for.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
