"""Decay (or rise) along a power of the remaining time."""

from dataclasses import dataclass

from lrtool._check import integer, non_negative, positive
from lrtool.schedules.base import Schedule

__all__ = ["Polynomial", "polynomial"]


@dataclass(frozen=True)
class Polynomial(Schedule):
    """From `lr` to `end_lr` along a power of the time left.

    ``value(k) = end_lr + (lr - end_lr) * (1 - min(k, T) / T) ** power`` with ``T = total_steps``.

    Args:
        lr: value at step 0, at least 0.
        total_steps: optimizer steps after which `end_lr` holds, at least 1.
        power: exponent above 0; 1 is a straight line, 2 falls fast and lands softly.
        end_lr: value from `total_steps` on, at least 0.

    Raises:
        ArgumentError: when a value is out of its range.

    >>> decay = polynomial(0.1, total_steps=100, power=2.0)
    >>> decay(0), decay(50), decay(100)
    (0.1, 0.025, 0.0)

    References:
        Liu et al. 2015, ParseNet, https://arxiv.org/abs/1506.04579 (the "poly" policy).
    """

    lr: float
    total_steps: int
    power: float = 1.0
    end_lr: float = 0.0

    def __post_init__(self) -> None:
        non_negative(lr=self.lr, end_lr=self.end_lr)
        positive(power=self.power)
        integer(1, total_steps=self.total_steps)

    def __call__(self, step: float) -> float:
        """The value at optimizer step `step`, counted from 0."""
        if step >= self.total_steps:
            return self.end_lr
        left: float = (1 - step / self.total_steps) ** self.power
        return self.end_lr + (self.lr - self.end_lr) * left

    @property
    def length(self) -> int:
        """`total_steps`."""
        return self.total_steps


polynomial = Polynomial
