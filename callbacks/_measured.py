"""Where the other callbacks find what the range test measured."""

from typing import Any

from lrtool.callbacks._lightning import Trainer, callbacks_of
from lrtool.result import RangeTestResult

__all__ = ["is_due", "measured"]


def measured(trainer: Trainer, optimizer: int) -> RangeTestResult | None:
    """The newest result of a range test of `optimizer`; None when there is none yet.

    Any callback marked `measures_lr = True` whose `result` is set counts, unless its `optimizer` is
    another; the last one in the list wins. Read it at `on_train_batch_start`, when every
    `on_train_start` is over: then the order in the list of callbacks does not matter.
    """
    results = [test.result for test in _tests(trainer, optimizer)]
    return next((result for result in reversed(results) if result is not None), None)


def is_due(trainer: Trainer, optimizer: int) -> bool:
    """Whether a range test of `optimizer` may still come before the first batch."""
    return any(test.result is None for test in _tests(trainer, optimizer))


def _tests(trainer: Trainer, optimizer: int) -> list[Any]:
    return [
        callback
        for callback in callbacks_of(trainer)
        if getattr(callback, "measures_lr", False)
        and getattr(callback, "optimizer", optimizer) == optimizer
    ]
