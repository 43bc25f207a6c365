"""Refuses two schedulers of one optimizer's rate."""

from typing import Any

from lrtool.callbacks._lightning import Trainer, callbacks_of, is_a
from lrtool.errors import UnsupportedError

__all__ = ["refuse_rivals"]


def refuse_rivals(scheduler: Any, trainer: Trainer, optimizer: Any) -> None:
    """Refuse a rival of the callback `scheduler` for the rate of `optimizer`, by its name.

    Raises:
        UnsupportedError: when the module has a scheduler for `optimizer`, or another callback
            writes its rate.
    """
    ours = type(scheduler).__name__
    for config in trainer.lr_scheduler_configs:
        if getattr(config.scheduler, "optimizer", optimizer) is optimizer:
            raise UnsupportedError(
                f"one scheduler moves an optimizer's rate, got {ours} and the module's "
                f"{type(config.scheduler).__name__}; return only the optimizer from "
                f"configure_optimizers, or remove {ours}"
            )
    for callback in callbacks_of(trainer):
        if callback is not scheduler and _writes_lr(callback, scheduler.optimizer):
            raise UnsupportedError(
                f"one scheduler moves an optimizer's rate, got {ours} and "
                f"{type(callback).__name__}; keep one of the two callbacks"
            )


def _writes_lr(callback: Any, optimizer: int) -> bool:
    if getattr(callback, "schedules_lr", False):
        return bool(callback.optimizer == optimizer)
    return is_a(callback, "StochasticWeightAveraging")
