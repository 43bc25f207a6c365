"""`lrtool completion SHELL`."""

import argparse

from lrtool._optional import optional_import

__all__ = ["run"]


def run(arguments: argparse.Namespace) -> None:
    """Print the completion script."""
    shtab = optional_import("shtab", extra="cli", purpose="shell completion")
    print(shtab.complete(arguments.parser(), arguments.shell))
