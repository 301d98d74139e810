"""Volumes and videos of which voxels, slices, slabs or a ball are missing.

    python experiments/volumes.py configs/volumes/brain_random.yaml key=value

is the same as ``ntkmc run configs/volumes/brain_random.yaml key=value``; the experiment itself
is ``ntkmc/experiments/volumes.py``.
"""

import sys

from ntkmc.cli import main

if __name__ == "__main__":
    main(["run", *sys.argv[1:]])
