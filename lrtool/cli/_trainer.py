"""The Trainer's options from the command line, tried before any work."""

import argparse
from typing import Any

from lrtool.errors import ArgumentError

__all__ = ["trainer_kwargs"]


def trainer_kwargs(arguments: argparse.Namespace) -> dict[str, Any]:
    """Options for every Trainer of a command.

    Raises:
        ArgumentError: when Lightning refuses them: no such accelerator, or none on this machine.
    """
    from lrtool.callbacks._lightning import lightning_modules

    kwargs = {"accelerator": arguments.accelerator, "devices": 1}
    try:
        lightning_modules()[0].Trainer(**kwargs, logger=False, enable_checkpointing=False)
    except Exception as error:  # Lightning raises ValueError, RuntimeError and its own
        raise ArgumentError(
            f"--accelerator must name one that this machine has, got {arguments.accelerator!r}; "
            f"Lightning says: {error}"
        ) from error
    return kwargs
