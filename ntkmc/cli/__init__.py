"""The ``ntkmc`` command."""

from ntkmc.cli.app import app, main

__all__ = ["app", "main"]
