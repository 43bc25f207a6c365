"""Reflected exponential decay."""

from dataclasses import dataclass

from lrtool._check import integer, non_negative
from lrtool.schedules.base import Schedule

__all__ = ["Rex", "rex"]


@dataclass(frozen=True)
class Rex(Schedule):
    """Slow decay at first, fast at the end: ``value(k) = lr * (1 - z) / (1/2 + (1 - z) / 2)``.

    Here ``z = min(k, T) / T`` with T = `total_steps`. It lies above linear decay everywhere.

    Args:
        lr: value at step 0, at least 0.
        total_steps: optimizer steps after which 0 holds, at least 1.

    Raises:
        ArgumentError: when a value is out of its range.

    >>> decay = rex(0.6, total_steps=100)
    >>> decay(0), round(decay(50), 12), decay(100)
    (0.6, 0.4, 0.0)

    References:
        Chen et al. 2021, https://arxiv.org/abs/2107.04197, section 4.
    """

    lr: float
    total_steps: int

    def __post_init__(self) -> None:
        non_negative(lr=self.lr)
        integer(1, total_steps=self.total_steps)

    def __call__(self, step: float) -> float:
        """The value at optimizer step `step`, counted from 0."""
        left = max(0.0, 1 - step / self.total_steps)
        return self.lr * left / (0.5 + left / 2)

    @property
    def length(self) -> int:
        """`total_steps`."""
        return self.total_steps


rex = Rex
