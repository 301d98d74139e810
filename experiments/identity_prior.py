"""Half an image filled in by networks that see the identity matrix.

    python experiments/identity_prior.py configs/identity_prior/figure4.yaml key=value

is the same as ``ntkmc run configs/identity_prior/figure4.yaml key=value``; the experiment itself is
``ntkmc/experiments/identity_prior.py``.
"""

import sys

from ntkmc.cli import main

if __name__ == "__main__":
    main(["run", *sys.argv[1:]])
