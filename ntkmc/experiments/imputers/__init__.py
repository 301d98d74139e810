"""Imputers compared: on many tables, of which entries are hidden in several ways."""

from ntkmc.experiments.imputers.config import ImputersConfig
from ntkmc.experiments.imputers.report import table
from ntkmc.experiments.imputers.running import run

__all__ = ["ImputersConfig", "run", "table"]
