"""Reconstruction of images with pixels missing at random: SI Fig. 10.

    python experiments/reconstruction.py configs/reconstruction/figure10.yaml key=value

is the same as ``ntkmc run configs/reconstruction/figure10.yaml key=value``; the experiment itself
is ``ntkmc/experiments/reconstruction.py``.
"""

import sys

from ntkmc.cli import main

if __name__ == "__main__":
    main(["run", *sys.argv[1:]])
