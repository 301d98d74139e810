"""``ntkmc info``: what a bug report needs."""

from ntkmc.cli.console import say
from ntkmc.memory import available_bytes, readable
from ntkmc.results import environment


def info() -> None:
    """Print versions, devices and memory."""
    found = environment()
    lines = {
        **{name: number or "not installed" for name, number in found["versions"].items()},
        "python": found["python"],
        "revision": found["git_revision"] or "not under version control",
        "platform": found["platform"],
        "cores": found["cores"],
        "memory": readable(found["memory_bytes"]),
        "device": f"{found['device_count']} x {found['device']} ({found['device_kind']})",
        "free on device": readable(available_bytes()),
    }
    width = max(len(name) for name in lines)
    for name, value in lines.items():
        say(f"{name:<{width}}  {value}")
