"""A rise in front of any schedule."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from lrtool._check import integer, require
from lrtool.schedules.base import Cycle, Schedule

__all__ = ["Warmup", "warmup"]


@dataclass(frozen=True)
class Warmup(Schedule):
    """A straight rise over `warmup_steps`, then `schedule` from its own step 0.

    With W = `warmup_steps` and f = `start_factor`::

        value(k) = schedule(0) * (f + (1 - f) * k / W)      k < W
        value(k) = schedule(k - W)                          k >= W

    The W values of the warm-up are all below ``schedule(0)``, which comes at step W: nothing is
    skipped and the join is continuous. W counts optimizer steps, however many batches each takes.

    Args:
        schedule: what follows.
        warmup_steps: optimizer steps of the rise; 0 for none.
        start_factor: the first value over ``schedule(0)``, in [0, 1]. 0 wastes the first step.

    Raises:
        ArgumentError: when a value is out of its range.

    >>> from lrtool.schedules import cosine
    >>> warm = warmup(cosine(0.5, total_steps=90), warmup_steps=10, start_factor=0.5)
    >>> warm(0), warm(5), warm(10), warm(100)
    (0.25, 0.375, 0.5, 0.0)

    References:
        Goyal et al. 2017, https://arxiv.org/abs/1706.02677, section 2.2.
    """

    schedule: Schedule
    warmup_steps: int
    start_factor: float = 0.01

    def __post_init__(self) -> None:
        integer(0, warmup_steps=self.warmup_steps)
        require(
            0 <= self.start_factor <= 1, "0 <= start_factor <= 1", start_factor=self.start_factor
        )

    def __call__(self, step: float) -> float:
        """The value at optimizer step `step`, counted from 0."""
        if step >= self.warmup_steps:
            return self.schedule(step - self.warmup_steps)
        rise = self.start_factor + (1 - self.start_factor) * step / self.warmup_steps
        return self.schedule(0) * rise

    @property
    def length(self) -> int | None:
        """The warm-up and the schedule's own length."""
        inner = self.schedule.length
        return None if inner is None else inner + self.warmup_steps

    def cycle(self, step: int) -> Cycle | None:
        """The inner schedule's cycle; the warm-up belongs to the first."""
        inner = self.schedule.cycle(max(step - self.warmup_steps, 0))
        if inner is None:
            return None
        wait = self.warmup_steps
        start = 0 if inner.index == 0 else inner.start + wait
        return Cycle(inner.index, start, inner.peak + wait, inner.end + wait)

    @classmethod
    def fitted(cls, total_steps: int, given: Mapping[str, Any]) -> Mapping[str, Any]:
        """A twentieth of the run."""
        return {"warmup_steps": total_steps // 20}

    @classmethod
    def spans(cls, total_steps: int, given: Mapping[str, Any]) -> list[int]:
        """What the warm-up leaves."""
        return [max(1, total_steps - given["warmup_steps"])]


warmup = Warmup
