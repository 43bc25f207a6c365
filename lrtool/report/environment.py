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
    found.update({package: number for package in _PACKAGES if (number := _version(package))})
    found["machine"] = f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores"
    return found


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
