"""Geometric decay."""

from dataclasses import dataclass

from lrtool._check import non_negative, require
from lrtool.schedules.base import Schedule

__all__ = ["Exponential", "exponential"]


@dataclass(frozen=True)
class Exponential(Schedule):
    """Geometric decay: ``value(k) = max(lr * gamma ** k, min_lr)``.

    Args:
        lr: value at step 0, at least 0.
        gamma: factor of one optimizer step, in (0, 1]; 0.5 ** (1 / n) halves every n steps.
        min_lr: floor, at least 0.

    Raises:
        ArgumentError: when a value is out of its range.

    >>> decay = exponential(0.5, gamma=0.5, min_lr=0.1)
    >>> decay(0), decay(2), decay(10**12)
    (0.5, 0.125, 0.1)
    """

    lr: float
    gamma: float
    min_lr: float = 0.0

    def __post_init__(self) -> None:
        non_negative(lr=self.lr, min_lr=self.min_lr)
        require(0 < self.gamma <= 1, "0 < gamma <= 1", "growth has no end", gamma=self.gamma)

    def __call__(self, step: float) -> float:
        """The value at optimizer step `step`, counted from 0."""
        return max(float(self.lr * self.gamma**step), self.min_lr)


exponential = Exponential
