"""Asking a Trainer to stop, and taking it back."""

from typing import TYPE_CHECKING

from lrtool.stopping import CONTINUE, Decision

if TYPE_CHECKING:
    from lrtool.callbacks._lightning import Trainer

__all__ = ["StopRequest"]


class StopRequest:
    """One callback's request that the training end; others' requests are left as they are.

    Attributes:
        verdict: what is asked for, and why; CONTINUE while nothing is.
        epoch: the epoch it was asked for in, 0 while it was not; it outlives `forget`.
        final: no later check can overtake it.
    """

    def __init__(self) -> None:
        self.clear()

    def clear(self) -> None:
        """As new."""
        self.forget()
        self.epoch = 0

    def forget(self) -> None:
        """A new training begins, of which nothing was asked yet."""
        self.verdict = CONTINUE
        self.final = False

    @property
    def stands(self) -> bool:
        """Whether the Trainer is asked to stop."""
        return self.verdict.stop

    def make(self, trainer: "Trainer", decision: Decision) -> None:
        """Ask."""
        self._others_asked = trainer.should_stop and not _asking(trainer)
        self.verdict = decision
        trainer.should_stop = True
        self.epoch = trainer.current_epoch

    def update(self, trainer: "Trainer", decision: Decision) -> None:
        """Follow a later decision, for whose reason it stands or falls."""
        if self.final:
            return
        if decision.stop:
            self.verdict = decision
        else:
            self.withdraw(trainer)

    def withdraw(self, trainer: "Trainer") -> None:
        """Take it back."""
        self.verdict = CONTINUE
        trainer.should_stop = self._others_asked or _asking(trainer)
        self.epoch = 0


def _asking(trainer: "Trainer") -> bool:
    """Whether an early stopping, ours or Lightning's, asks by itself; ours may withdraw it."""
    return any(
        getattr(one, "stopping_reason_message", None) and one.stopped_epoch == trainer.current_epoch
        for one in trainer.early_stopping_callbacks
    )
