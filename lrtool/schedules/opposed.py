"""A value that moves against a cycle: momentum falls while the rate rises."""

from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

from lrtool._check import non_negative, require
from lrtool.schedules.base import Cycle, Schedule

__all__ = ["HasHeight", "Opposed", "opposed"]


@runtime_checkable
class HasHeight(Protocol):
    """A schedule that knows how far up its cycle it stands."""

    def height(self, step: float) -> float:
        """0 at the base, 1 at the peak."""
        ...


@dataclass(frozen=True)
class Opposed(Schedule):
    """The mirror of a cycle: `high` at its base, `low` at its peak.

    ``value(k) = high - (high - low) * schedule.height(k)``, height being 0 at the base of the cycle
    and 1 at its peak.

    Args:
        schedule: a one-cycle, triangular or warm-restart schedule.
        low: value at the peak of the rate, at least 0; 0.85 is usual for momentum.
        high: value at its base, at least `low`; 0.95 is usual for momentum.

    Raises:
        ArgumentError: when the bounds are swapped or the schedule has no cycle.

    >>> from lrtool.schedules import one_cycle
    >>> momentum = opposed(one_cycle(max_lr=0.5, total_steps=1000), low=0.85, high=0.95)
    >>> momentum(0), round(momentum(299), 12), momentum(999)
    (0.95, 0.85, 0.95)

    References:
        Smith 2018, https://arxiv.org/abs/1803.09820, section 4.3.
    """

    schedule: Schedule
    low: float = 0.85
    high: float = 0.95

    def __post_init__(self) -> None:
        non_negative(low=self.low, high=self.high)
        require(self.low <= self.high, "low <= high", low=self.low, high=self.high)
        require(
            isinstance(self.schedule, HasHeight),
            "a schedule with a cycle (one_cycle, sgdr, triangular ...)",
            "give momentum a schedule of its own, such as linear",
            schedule=self.schedule,
        )

    def __call__(self, step: float) -> float:
        """The value at optimizer step `step`, counted from 0."""
        cycle: Any = self.schedule  # it has a height: asking again at each step would be slow
        height: float = cycle.height(step)
        return self.high - (self.high - self.low) * height

    @property
    def length(self) -> int | None:
        """The schedule's own length."""
        return self.schedule.length

    def cycle(self, step: int) -> Cycle | None:
        """The schedule's own cycle (whose peak is this value's lowest point)."""
        return self.schedule.cycle(step)


opposed = Opposed
