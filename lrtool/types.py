"""The small vocabulary every layer shares: enums whose members explain themselves."""

from enum import Enum
from typing import Literal, TypeAlias

__all__ = ["Mode", "Status", "StopReason"]

Mode: TypeAlias = Literal["min", "max"]


class StopReason(str, Enum):
    """Why a sweep ended."""

    COMPLETED = "completed"
    """Every step asked for was taken."""
    DIVERGED = "diverged"
    """The loss rose far above its start, beyond what its own noise explains."""
    NONFINITE = "nonfinite"
    """The loss became NaN or infinite."""
    INTERRUPTED = "interrupted"
    """The user, a signal or the Trainer stopped the sweep before its end."""


class Status(str, Enum):
    """How far a suggestion can be trusted."""

    CLEAR = "clear"
    """The loss fell, then diverged: the pick stands on both sides."""
    NEVER_DIVERGED = "never_diverged"
    """The loss fell, and the sweep ended before it rose again: the upper bound is a guess."""
    NOISY = "noisy"
    """The loss fell, but not by much more than its own noise: the interval is wide."""
    BIMODAL = "bimodal"
    """Two separate descents: the estimators disagree on which of them counts."""
    NO_DESCENT = "no_descent"
    """The loss never fell by more than its noise: no pick."""
    DIVERGED_AT_START = "diverged_at_start"
    """The loss diverged at the first rates tried: no pick; start lower."""
    TOO_FEW_POINTS = "too_few_points"
    """Too few finite losses to say anything: no pick."""

    @property
    def has_pick(self) -> bool:
        """Whether a suggestion of this status carries a learning rate."""
        return self in {Status.CLEAR, Status.NEVER_DIVERGED, Status.NOISY, Status.BIMODAL}
