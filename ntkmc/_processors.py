"""How many processor cores there are to compute with."""

import os


def usable_cores() -> int:
    """Those this process may run on, where the system says (macOS does not), or all."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
