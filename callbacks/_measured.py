"""Where the other callbacks find what the range test measured."""

from typing import TYPE_CHECKING

from lrtool.result import RangeTestResult

if TYPE_CHECKING:
    from lrtool.callbacks._lightning import Trainer

__all__ = ["measured"]


def measured(trainer: "Trainer") -> RangeTestResult | None:
    """The newest result of a range test among `trainer.callbacks`; None when there is none yet.

    Any callback marked `measures_lr = True` whose `result` is set counts; the last one in the list
    wins. Read it at `on_train_batch_start`, when every `on_train_start` is over: then the order
    in the list of callbacks does not matter.
    """
    results = [
        callback.result
        for callback in trainer.callbacks  # type: ignore[attr-defined]
        if getattr(callback, "measures_lr", False)
    ]
    return next((result for result in reversed(results) if result is not None), None)
