"""Classes of tissue from few tiles: networks that are invariant under turns, and plain ones.

    python experiments/histology.py configs/histology/colorectal_tiles.yaml key=value

is the same as ``ntkmc run configs/histology/colorectal_tiles.yaml key=value``; the experiment
itself is ``ntkmc/experiments/histology.py``.
"""

import sys

from ntkmc.cli import main

if __name__ == "__main__":
    main(["run", *sys.argv[1:]])
