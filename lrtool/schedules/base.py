"""Schedule: a value that can be asked for any step."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from torch.optim import Optimizer

    from lrtool.torch_schedule import TorchSchedule

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

    @classmethod
    def fitted(cls, total_steps: int, given: Mapping[str, Any]) -> Mapping[str, Any]:
        """Lengths that make the schedule fill a run of `total_steps`, beside the `given` ones."""
        return {}

    @classmethod
    def spans(cls, total_steps: int, given: Mapping[str, Any]) -> list[int]:
        """How many of `total_steps` each schedule inside this one has; empty: all have all."""
        return []

    def plot(self, total_steps: int | None = None, ax: "Axes | None" = None) -> "Axes":
        """Draw the values of `total_steps` steps (by default the schedule's length)."""
        from lrtool.plotting import plot_schedule

        return plot_schedule(self, total_steps=total_steps, ax=ax)

    def _repr_html_(self) -> str:
        from lrtool.report import schedule_html

        return schedule_html(self)

    def as_torch(self, optimizer: "Optimizer", last_epoch: int = -1) -> "TorchSchedule":
        """Wrap as a torch LRScheduler that writes this schedule's values to `optimizer`."""
        from lrtool.torch_schedule import TorchSchedule

        return TorchSchedule(optimizer, self, last_epoch=last_epoch)
