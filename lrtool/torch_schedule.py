"""A schedule as torch's own LRScheduler, for training loops outside Lightning."""

from typing import Any

from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from lrtool import param_groups
from lrtool._check import require
from lrtool.schedules import Schedule

__all__ = ["TorchSchedule"]


class TorchSchedule(LRScheduler):
    """Writes `schedule` to an optimizer's rate, one `step()` after each optimizer step.

    The rate names the largest parameter group's; the others keep the ratio they have now, and
    groups added later the one they have then. The state is plain numbers: it loads with
    ``torch.load(..., weights_only=True)`` and holds no reference to the optimizer.

    Args:
        optimizer: any torch optimizer.
        schedule: what to write.
        last_epoch: the step before the first one written; -1 begins at step 0.

    Raises:
        ArgumentError: when `schedule` is not a Schedule.
    """

    def __init__(self, optimizer: Optimizer, schedule: Schedule, last_epoch: int = -1) -> None:
        require(isinstance(schedule, Schedule), "an lrtool schedule", schedule=schedule)
        self.schedule = schedule
        self.ratios = param_groups.ratios(optimizer, "lr")
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[Any]:
        """This step's rate of every group."""
        current = param_groups.ratios(self.optimizer, "lr")
        self.ratios.extend(current[len(self.ratios) :])
        value = self.schedule(self.last_epoch)
        return [value * ratio for ratio in self.ratios]

    def state_dict(self) -> dict[str, Any]:
        """Plain numbers: the step and the groups' ratios."""
        return {"last_epoch": self.last_epoch, "ratios": list(self.ratios)}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from a saved step: the values are those of an uninterrupted run."""
        self.last_epoch = int(state_dict["last_epoch"])
        self.ratios = [float(ratio) for ratio in state_dict["ratios"]]
        self._last_lr = [self.schedule(self.last_epoch) * ratio for ratio in self.ratios]
