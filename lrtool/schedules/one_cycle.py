"""The one-cycle policy."""

from dataclasses import dataclass
from functools import cached_property
from math import cos, pi
from typing import Literal, TypeAlias

from lrtool._check import fraction, integer, non_negative, one_of, positive, require
from lrtool.schedules.base import Cycle, Schedule

__all__ = ["OneCycle", "one_cycle"]

Phase: TypeAlias = tuple[float, float, float, float]
"""First step, step it ends before, value at the one, value at the other."""


@dataclass(frozen=True)
class OneCycle(Schedule):
    """One rise to `max_lr`, one descent to almost nothing.

    With T = `total_steps`, start = max_lr / div_factor, end = start / final_div_factor and the
    peak at step a = pct_start * T - 1::

        value(k) = start + (max_lr - start) * s(k / a)                          0 <= k <= a
        value(k) = max_lr + (end - max_lr) * s((k - a) / (T - 1 - a))           a <= k <= T - 1

    where s(x) = (1 - cos(pi * x)) / 2 for "cos" and s(x) = x for "linear". With `three_phase` the
    descent goes back to start at step 2a, as slowly as it rose, and from there to end.

    Args:
        max_lr: the peak, above 0.
        total_steps: optimizer steps of the whole run, at least 1; the end value is reached at
            step T - 1 and holds.
        pct_start: fraction of the run spent rising, in (0, 1); below 0.5 with `three_phase`.
        anneal_strategy: "cos" or "linear".
        div_factor: max_lr over the value at step 0, at least 1.
        final_div_factor: the value at step 0 over the last, at least 1.
        three_phase: whether the descent has two parts, as in the paper.

    Raises:
        ArgumentError: when a value is out of its range.

    >>> policy = one_cycle(max_lr=0.5, total_steps=1000)
    >>> policy(0), policy(299), round(policy(999), 12)
    (0.02, 0.5, 2e-06)

    References:
        Smith & Topin 2018, https://arxiv.org/abs/1708.07120, section 3;
        Smith 2018, https://arxiv.org/abs/1803.09820, section 4.
    """

    max_lr: float
    total_steps: int
    pct_start: float = 0.3
    anneal_strategy: Literal["cos", "linear"] = "cos"
    div_factor: float = 25.0
    final_div_factor: float = 1e4
    three_phase: bool = False

    def __post_init__(self) -> None:
        positive(max_lr=self.max_lr)
        integer(1, total_steps=self.total_steps)
        fraction(pct_start=self.pct_start)
        one_of("anneal_strategy", self.anneal_strategy, ("cos", "linear"))
        for name in ("div_factor", "final_div_factor"):
            value = getattr(self, name)
            non_negative(**{name: value})
            require(value >= 1, f"{name} >= 1", **{name: value})
        require(
            not self.three_phase or self.pct_start <= 0.5,
            "pct_start <= 0.5 with three_phase",
            "the way down to the start is as long as the way up",
            pct_start=self.pct_start,
        )

    def __call__(self, step: float) -> float:
        """The value at optimizer step `step`, counted from 0."""
        for begin, end, first, last in self._phases:
            if step < end:
                left = self._left((step - begin) / (end - begin))
                return first * left + last * (1 - left)
        return self._phases[-1][3]

    def height(self, step: float) -> float:
        """How far from base (0) to peak (1) the cycle stands at `step`."""
        for begin, end, first, last in self._heights:
            if step < end:
                left = self._left((step - begin) / (end - begin))
                return first * left + last * (1 - left)
        return 0.0

    @property
    def length(self) -> int:
        """`total_steps`."""
        return self.total_steps

    def cycle(self, step: int) -> Cycle:
        """The one cycle."""
        return Cycle(0, 0, max(0, round(self._peak_step)), self.total_steps)

    @property
    def _peak_step(self) -> float:
        return self.pct_start * self.total_steps - 1

    @cached_property
    def _phases(self) -> tuple[Phase, ...]:
        start = self.max_lr / self.div_factor
        end = start / self.final_div_factor
        top, over = self._peak_step, self.total_steps - 1
        rise = (0.0, top, start, self.max_lr)
        if not self.three_phase:
            return (rise, (top, over, self.max_lr, end))
        return (rise, (top, 2 * top, self.max_lr, start), (2 * top, over, start, end))

    @cached_property
    def _heights(self) -> tuple[Phase, ...]:
        top = self._peak_step
        low = 2 * top if self.three_phase else self.total_steps - 1
        return ((0.0, top, 0.0, 1.0), (top, low, 1.0, 0.0))

    def _left(self, done: float) -> float:
        """How much of a phase is left, from 1 to 0, along the chosen line."""
        return (1 + cos(pi * done)) / 2 if self.anneal_strategy == "cos" else 1 - done


one_cycle = OneCycle
