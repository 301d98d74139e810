"""Completing a table of which entries are hidden, against the imputers that people use.

    python experiments/tables.py configs/tables/gdsc.yaml key=value

is the same as ``ntkmc run configs/tables/gdsc.yaml key=value``; the experiment itself is
``ntkmc/experiments/tables.py``.
"""

import sys

from ntkmc.cli import main

if __name__ == "__main__":
    main(["run", *sys.argv[1:]])
