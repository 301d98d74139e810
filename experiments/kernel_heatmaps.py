"""Which pixels a network fills in another one from: rows of its kernel as pictures.

    python experiments/kernel_heatmaps.py configs/kernel_heatmaps/figure4.yaml key=value

is the same as ``ntkmc run configs/kernel_heatmaps/figure4.yaml key=value``; the experiment itself
is ``ntkmc/experiments/kernel_heatmaps.py``.
"""

import sys

from ntkmc.cli import main

if __name__ == "__main__":
    main(["run", *sys.argv[1:]])
