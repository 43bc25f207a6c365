"""Staircases: a drop every so many steps, or at given ones."""

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lrtool._check import integer, non_negative, require
from lrtool.schedules.base import Schedule

__all__ = ["MultiStep", "Step", "multi_step", "step"]


@dataclass(frozen=True)
class Step(Schedule):
    """A drop by `gamma` every `step_size` steps: ``value(k) = lr * gamma ** (k // step_size)``.

    Args:
        lr: value at step 0, at least 0.
        step_size: optimizer steps of one stair, at least 1.
        gamma: factor of one drop, in (0, 1].

    Raises:
        ArgumentError: when a value is out of its range.

    >>> stairs = step(0.8, step_size=30, gamma=0.5)
    >>> stairs(0), stairs(29), stairs(30), stairs(60)
    (0.8, 0.8, 0.4, 0.2)
    """

    lr: float
    step_size: int
    gamma: float = 0.1

    def __post_init__(self) -> None:
        non_negative(lr=self.lr)
        integer(1, step_size=self.step_size)
        require(0 < self.gamma <= 1, "0 < gamma <= 1", gamma=self.gamma)

    def __call__(self, step: float) -> float:
        """The value at optimizer step `step`, counted from 0."""
        return float(self.lr * self.gamma ** (step // self.step_size))

    @classmethod
    def fitted(cls, total_steps: int, given: Mapping[str, Any]) -> Mapping[str, Any]:
        """Three stairs fill the run."""
        return {"step_size": max(1, -(-total_steps // 3))}


@dataclass(frozen=True)
class MultiStep(Schedule):
    """A drop by `gamma` at each milestone.

    ``value(k) = lr * gamma ** m`` where m counts the milestones at or before step k.

    Args:
        lr: value at step 0, at least 0.
        milestones: optimizer steps of the drops, rising.
        gamma: factor of one drop, in (0, 1].

    Raises:
        ArgumentError: when a value is out of its range or the milestones do not rise.

    >>> stairs = multi_step(0.8, milestones=[30, 80], gamma=0.5)
    >>> stairs(29), stairs(30), stairs(80), stairs(10**12)
    (0.8, 0.4, 0.2, 0.2)
    """

    lr: float
    milestones: Sequence[int]
    gamma: float = 0.1

    def __post_init__(self) -> None:
        non_negative(lr=self.lr)
        require(0 < self.gamma <= 1, "0 < gamma <= 1", gamma=self.gamma)
        object.__setattr__(self, "milestones", tuple(self.milestones))
        for milestone in self.milestones:
            integer(0, milestone=milestone)
        require(
            list(self.milestones) == sorted(self.milestones),
            "milestones rise",
            milestones=self.milestones,
        )

    def __call__(self, step: float) -> float:
        """The value at optimizer step `step`, counted from 0."""
        return float(self.lr * self.gamma ** bisect_right(self.milestones, step))

    @property
    def length(self) -> int:
        """The last milestone."""
        return self.milestones[-1] if self.milestones else 0

    @classmethod
    def fitted(cls, total_steps: int, given: Mapping[str, Any]) -> Mapping[str, Any]:
        """Drops after a half and three quarters of the run."""
        return {"milestones": (total_steps // 2, total_steps * 3 // 4)}


step = Step
multi_step = MultiStep
