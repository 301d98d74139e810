"""How long work says how far it is."""

from collections.abc import Callable

Progress = Callable[[str, int, int | None], None]
"""Called with the stage, how much of it is done, and its total where that is known."""
