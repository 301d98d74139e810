"""Inpainting one image with an infinitely wide network, against baselines.

    python experiments/inpainting.py configs/inpainting/vase.yaml key=value

is the same as ``ntkmc run configs/inpainting/vase.yaml key=value``; the experiment itself is
``ntkmc/experiments/inpainting.py``.
"""

import sys

from ntkmc.cli import main

if __name__ == "__main__":
    main(["run", *sys.argv[1:]])
