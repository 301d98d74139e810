"""Imputing drug responses, every method on the same folds.

    python experiments/cmap.py configs/cmap/l1000_drugs.yaml key=value

is the same as ``ntkmc run configs/cmap/l1000_drugs.yaml key=value``; the experiment itself is
``ntkmc/experiments/cmap.py``.
"""

import sys

from ntkmc.cli import main

if __name__ == "__main__":
    main(["run", *sys.argv[1:]])
