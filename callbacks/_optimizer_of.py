"""optimizer_of: the optimizer that a callback was told to work on."""

from typing import Any

from lrtool._check import require
from lrtool.callbacks._lightning import Trainer

__all__ = ["optimizer_of"]


def optimizer_of(trainer: Trainer, index: int) -> Any:
    """The Trainer's optimizer of this index.

    Raises:
        ArgumentError: when there are not so many.
    """
    optimizers = trainer.optimizers
    require(
        index < len(optimizers), "optimizer < len(trainer.optimizers)",
        optimizer=index, optimizers=len(optimizers),
    )  # fmt: skip
    return optimizers[index]
