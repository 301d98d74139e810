"""How fast kernels of networks of finite width approach those of infinite width.

    python experiments/kernel_convergence.py configs/kernel_convergence/autoencoder.yaml key=value

is the same as ``ntkmc run configs/kernel_convergence/autoencoder.yaml key=value``;
the experiment itself is ``ntkmc/experiments/kernel_convergence.py``.
"""

import sys

from ntkmc.cli import main

if __name__ == "__main__":
    main(["run", *sys.argv[1:]])
