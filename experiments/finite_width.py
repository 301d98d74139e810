"""Networks of finite width beside the one of infinite width, on one image.

    python experiments/finite_width.py configs/finite_width/vase_reduced.yaml key=value

is the same as ``ntkmc run configs/finite_width/vase_reduced.yaml key=value``;
the experiment itself is ``ntkmc/experiments/finite_width.py``.
"""

import sys

from ntkmc.cli import main

if __name__ == "__main__":
    main(["run", *sys.argv[1:]])
