"""The words of early stopping: reasons, moments, phases and decisions."""

from dataclasses import dataclass
from enum import Enum

from lrtool.durations import Unit
from lrtool.errors import ArgumentError

__all__ = ["CONTINUE", "Decision", "Moment", "Phase", "StoppingReason"]


class StoppingReason(str, Enum):
    """Why early stopping ended the training."""

    NOT_STOPPED = "not_stopped"
    """It did not: the training ended otherwise, or is still going."""
    PATIENCE_EXHAUSTED = "patience_exhausted"
    """No improvement for as long as `patience` allows."""
    STOPPING_THRESHOLD = "stopping_threshold"
    """The metric got better than `stopping_threshold`."""
    DIVERGENCE_THRESHOLD = "divergence_threshold"
    """The metric got worse than `divergence_threshold`."""
    NON_FINITE_METRIC = "non_finite_metric"
    """The metric became NaN or infinite."""
    GENERALIZATION_LOSS = "generalization_loss"
    """Prechelt's GL: too far above the lowest validation error."""
    PROGRESS_QUOTIENT = "progress_quotient"
    """Prechelt's PQ: generalization loss outweighs training progress."""
    UP_STRIPS = "up_strips"
    """Prechelt's UP: the validation error rose in too many strips in a row."""


class Phase(Enum):
    """What a check at this moment may do."""

    JUDGE = "judge"
    """Improve the best, or stop the training."""
    HOLD = "hold"
    """Improve the best; the verdict waits for the end of the cycle or decay, the clock runs on."""
    RISE = "rise"
    """Improve the best; the learning rate is rising, so patience starts anew."""
    IGNORE = "ignore"
    """Nothing, unless the training diverges: before `start_from`."""


@dataclass(frozen=True)
class Moment:
    """When a value was measured.

    Args:
        check: values measured so far, this one included.
        step: optimizer steps done.
        epoch: epochs done; a fraction in the middle of one.
        cycle: the schedule's cycle the last step belonged to, counted from 1; 0 without cycles.

    >>> Moment(check=3, step=300, epoch=1.5).count("ep")
    1.5
    """

    check: int = 0
    step: int = 0
    epoch: float = 0.0
    cycle: int = 0

    def count(self, unit: Unit) -> float:
        """The time since the beginning of the training, in `unit`."""
        try:
            return {
                "check": self.check, "step": self.step, "ep": self.epoch, "cycle": self.cycle,
            }[unit]  # fmt: skip
        except KeyError:
            raise ArgumentError(
                f"a moment counts checks, steps, epochs and cycles, got {unit!r}; "
                "convert the duration to steps first"
            ) from None

    def __str__(self) -> str:
        return f"{self.epoch:.4g} epochs ({self.step} steps)"


@dataclass(frozen=True)
class Decision:
    """Whether to stop, why, and in words.

    Args:
        stop: whether the training should end here.
        reason: `NOT_STOPPED` when it goes on.
        message: a sentence with the numbers; empty when it goes on.
    """

    stop: bool
    reason: StoppingReason = StoppingReason.NOT_STOPPED
    message: str = ""


CONTINUE = Decision(stop=False)
