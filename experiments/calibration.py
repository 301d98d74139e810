"""Whether stated uncertainties are right: how many held-out pixels lie within their intervals.

    python experiments/calibration.py configs/calibration/half_missing.yaml key=value

is the same as ``ntkmc run configs/calibration/half_missing.yaml key=value``; the experiment itself
is ``ntkmc/experiments/calibration.py``.
"""

import sys

from ntkmc.cli import main

if __name__ == "__main__":
    main(["run", *sys.argv[1:]])
