"""What the figures of a report were measured with."""

import os
import platform
from importlib.metadata import PackageNotFoundError, version

__all__ = ["environment"]

_PACKAGES = ("torch", "pytorch-lightning", "lightning", "optuna", "numpy", "matplotlib")


def environment() -> dict[str, str]:
    """Versions of what matters, and the machine in words; nothing that names the user or the host.

    >>> "python" in environment()
    True
    """
    from lrtool import __version__

    found = {"lrtool": __version__, "python": platform.python_version()}
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    found["machine"] = f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores"
    return found
