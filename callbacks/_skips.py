"""Counts the optimizer steps that the gradient scaler skipped."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lrtool.callbacks._lightning import Trainer

__all__ = ["SkipCounter"]


class SkipCounter:
    """Skipped steps so far: Lightning counts a step that overflowed, though nothing was updated.

    The scaler says so in public by lowering its scale, which it does after every skipped step and
    at no other time. Call `look` once a batch.
    """

    def __init__(self, total: int = 0) -> None:
        self.total = total
        self._scale: float | None = None

    def look(self, trainer: "Trainer") -> None:
        """Compare the scale with that of the last look."""
        scaler = getattr(trainer.precision_plugin, "scaler", None)
        if scaler is None or not scaler.is_enabled():
            return
        scale = float(scaler.get_scale())
        if self._scale is not None and scale < self._scale:
            self.total += 1
        self._scale = scale
