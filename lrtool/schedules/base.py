"""Schedule: a value that can be asked for any step."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["Cycle", "Schedule"]


@dataclass(frozen=True)
class Cycle:
    """One cycle of a schedule, in optimizer steps.

    Args:
        index: 0 for the first.
        start: the cycle's first step.
        peak: the step of its highest value.
        end: the first step after it.
    """

    index: int
    start: int
    peak: int
    end: int


class Schedule(ABC):
    """A frozen, picklable, comparable, pure function from the optimizer step to a value.

    Subclasses are frozen dataclasses, one a file. Nothing is accumulated: `schedule(k)` is a closed
    form of `k`, for any `k >= 0`, also beyond `total_steps`, where the last value holds.
    """

    @abstractmethod
    def __call__(self, step: float) -> float:
        """The value at optimizer step `step`, counted from 0."""

    @property
    def length(self) -> int | None:
        """Steps after which the value no longer changes; None when it never settles."""
        return None

    def cycle(self, step: int) -> Cycle | None:
        """The cycle `step` lies in; None for schedules without cycles."""
        return None

    def plot(self, total_steps: int | None = None, ax: "Axes | None" = None) -> "Axes":
        """Draw the values of `total_steps` steps (by default the schedule's length)."""
        from lrtool.plotting import plot_schedule

        return plot_schedule(self, total_steps=total_steps, ax=ax)
