"""The files that a command is to write."""

from collections.abc import Mapping
from pathlib import Path


def check_targets(targets: Mapping[str, Path | None], force: bool) -> None:
    """Refuse options that would write one file, and files that exist without --force."""
    seen: dict[Path, str] = {}
    for option, target in targets.items():
        if target is None:
            continue
        other = seen.setdefault(target.resolve(), option)
        if other != option:
            raise ValueError(f"{other} and {option} would both write {target}; name another file")
        if target.exists() and not force:
            raise FileExistsError(f"{target} exists; pass --force to replace it")
