"""Refuses two schedulers of one optimizer's rate, momentum or weight decay."""

from typing import Any

from lrtool.callbacks._lightning import Trainer, callbacks_of, is_a
from lrtool.errors import UnsupportedError

__all__ = ["gives_way", "refuse_rivals"]


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


def gives_way(scheduler: Any, trainer: Trainer) -> bool:
    """Whether another callback has a momentum of its own where `scheduler` has "auto".

    Args:
        scheduler: a `ParamScheduler`.
        trainer: its callbacks are looked through.

    Raises:
        UnsupportedError: when both have a plan of their own for the momentum or the weight decay.
    """
    way = False
    for other in callbacks_of(trainer):
        if other is scheduler or not is_a(other, "ParamScheduler"):
            continue
        for knob in ("momentum", "weight_decay"):
            ours, theirs = scheduler._plans[knob], other._plans[knob]
            if other.optimizer != scheduler.optimizer or ours is None or theirs is None:
                continue
            way |= ours == "auto"
            if "auto" not in (ours, theirs):
                raise UnsupportedError(
                    f"one scheduler moves an optimizer's {knob}, got {type(scheduler).__name__} "
                    f"and {type(other).__name__}; give {knob}= to one of the two only"
                )
    return way


def _writes_lr(callback: Any, optimizer: int) -> bool:
    if getattr(callback, "schedules_lr", False):
        return bool(callback.optimizer == optimizer)
    return is_a(callback, "StochasticWeightAveraging")
