"""Training states on disk, with orbax: an interrupted training goes on as if it had not been."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax
import numpy as np


class CheckpointError(ValueError):
    """A checkpoint that belongs to another training."""


class Checkpoints:
    """The newest state of one training, in a folder of its own.

    Parameters
    ----------
    folder : path
        Made if it does not exist.
    identity : mapping of str to str
        What the training was started with. A checkpoint of another is refused.
    """

    def __init__(self, folder: str | Path, identity: Mapping[str, str]):
        # Takes longer to import than most trainings of a small image, and few ask for it.
        import orbax.checkpoint as ocp

        self._ocp = ocp
        self._identity = dict(identity)
        # Written before the next steps are taken: after a crash the newest is the newest.
        options = ocp.CheckpointManagerOptions(max_to_keep=1, enable_async_checkpointing=False)
        self._manager = ocp.CheckpointManager(Path(folder).absolute(), options=options)

    def restore(self, state: Any, columns: tuple[str, ...]) -> tuple[int, Any, dict[str, Any]]:
        """The steps done, the state and the history; 0, ``state`` and empty columns if none is.

        Parameters
        ----------
        state : pytree, of the structure and shapes that were saved
        columns : names of the history's columns

        Raises
        ------
        CheckpointError
            If the folder holds a checkpoint of another training, naming what differs.
        """
        step = self._manager.latest_step()
        if step is None:
            return 0, state, {name: np.empty(0, np.float32) for name in columns}
        read = self._manager.restore(
            step, args=self._ocp.args.Composite(identity=self._ocp.args.JsonRestore())
        )
        self._check(read["identity"])
        leaves, structure = jax.tree.flatten(state)
        like = {
            "state": {str(i): leaf for i, leaf in enumerate(leaves)},
            "history": {name: np.empty(step, np.float32) for name in columns},
        }
        read = self._manager.restore(
            step, args=self._ocp.args.Composite(training=self._ocp.args.StandardRestore(like))
        )["training"]
        restored = [read["state"][str(i)] for i in range(len(leaves))]
        history = {name: np.asarray(read["history"][name]) for name in columns}
        return step, jax.tree.unflatten(structure, restored), history

    def save(self, step: int, state: Any, history: Mapping[str, np.ndarray]) -> None:
        """Keep a state in the place of the one before it."""
        # Leaves by number: what an optimiser's state is made of differs between versions of optax,
        # and empty parts of it have no place on disk.
        leaves = {str(i): leaf for i, leaf in enumerate(jax.tree.leaves(state))}
        self._manager.save(
            step,
            args=self._ocp.args.Composite(
                identity=self._ocp.args.JsonSave(self._identity),
                training=self._ocp.args.StandardSave({"state": leaves, "history": dict(history)}),
            ),
        )

    def close(self) -> None:
        """Wait for what is being written."""
        self._manager.wait_until_finished()
        self._manager.close()

    def _check(self, found: Mapping[str, str]) -> None:
        differing = [name for name, value in self._identity.items() if found.get(name) != value]
        if differing:
            raise CheckpointError(
                f"{self._manager.directory} holds the checkpoint of a training with another "
                f"{', '.join(differing)}; pass a new folder, or what it was started with"
            )
