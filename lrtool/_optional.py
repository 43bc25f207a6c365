"""Lazy imports of heavy or optional packages, with one clear error when they are missing."""

from importlib import import_module
from typing import Any

from lrtool.errors import MissingDependencyError

__all__ = ["optional_import"]


def optional_import(module: str, *, extra: str, purpose: str) -> Any:
    """Import `module`, or say which extra of lrtool brings it.

    Args:
        module: dotted name, for example `"pytorch_optimizer"`.
        extra: the extra in lrtool's metadata that installs it, for example `"optimizers"`.
        purpose: what needs it, for the message.

    Raises:
        MissingDependencyError: when the module cannot be imported.
    """
    try:
        return import_module(module)
    except ImportError as error:
        raise MissingDependencyError(
            f"{purpose} needs {module!r}, which did not import ({error}); "
            f"install it with: pip install 'lrtool[{extra}]'"
        ) from error
