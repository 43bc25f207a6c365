"""Cosine annealing with warm restarts."""

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from math import ceil, cos, log, log1p, pi, sqrt
from typing import Any

from lrtool._check import integer, non_negative, positive, require
from lrtool.schedules.base import Cycle, Schedule

__all__ = ["Sgdr", "sgdr"]


@dataclass(frozen=True)
class Sgdr(Schedule):
    """Cosine annealing with warm restarts (SGDR).

    In cycle i, which starts at step ``s_i = round(T_0 * (1 + T_mult + ... + T_mult ** (i - 1)))``
    and has ``T_i = s_(i+1) - s_i`` steps, with t = k - s_i and peak_i the larger of
    ``max_lr * decay ** i`` and `eta_min`::

        value(k) = eta_min + (peak_i - eta_min) * (1 + cos(pi * (t - W) / (T_i - W))) / 2,  t >= W
        value(k) = eta_min + (peak_i - eta_min) * t / W,                                    t <  W

    where W is `warmup_steps`, at most T_i - 1. With ``T_mult < 1`` the cycles shrink; when the next
    one would be shorter than two steps there are no more, and `eta_min` holds.

    Args:
        max_lr: value at each restart (after its warm-up), above or at `eta_min`.
        T_0: optimizer steps of the first cycle, at least 1.
        T_mult: each cycle's length over the one before, any number above 0.
        eta_min: value each cycle comes down to, at least 0.
        decay: each peak over the one before, in (0, 1].
        warmup_steps: optimizer steps of the linear rise that opens each cycle.

    Raises:
        ArgumentError: when a value is out of its range.

    >>> waves = sgdr(max_lr=0.5, T_0=10, T_mult=2.0, decay=0.5)
    >>> waves(0), round(waves(5), 12), waves(10), waves(30)
    (0.5, 0.25, 0.25, 0.125)
    >>> waves.cycle(29)
    Cycle(index=1, start=10, peak=10, end=30)

    References:
        Loshchilov & Hutter 2017, https://arxiv.org/abs/1608.03983, section 3, eq. (5).
    """

    max_lr: float
    T_0: int
    T_mult: float = 1.0
    eta_min: float = 0.0
    decay: float = 1.0
    warmup_steps: int = 0

    def __post_init__(self) -> None:
        non_negative(max_lr=self.max_lr, eta_min=self.eta_min)
        positive("a cycle can shrink but not vanish", T_mult=self.T_mult)
        require(0 < self.decay <= 1, "0 < decay <= 1", "peaks do not grow", decay=self.decay)
        integer(1, T_0=self.T_0)
        integer(0, warmup_steps=self.warmup_steps)

    def __call__(self, step: float) -> float:
        """The value at optimizer step `step`, counted from 0."""
        cycle = self.cycle(int(step))
        if step >= cycle.end:  # shrinking cycles have run out
            return self.eta_min
        height = self._height(cycle, step)
        return self.eta_min + (self._peak(cycle.index) - self.eta_min) * height

    def height(self, step: float) -> float:
        """How far from base (0) to this cycle's peak (1) the value stands at `step`."""
        cycle = self.cycle(int(step))
        return 0.0 if step >= cycle.end else self._height(cycle, step)

    def cycle(self, step: int) -> Cycle:
        """The cycle `step` lies in; after the last shrinking cycle, that one."""
        index = self._index(step)
        start, end = self._start(index), self._start(index + 1)
        return Cycle(index, start, start + min(self.warmup_steps, end - start - 1), end)

    @property
    def length(self) -> int | None:
        """The end of the last cycle when they shrink; None when they never end."""
        return self._start(self._last() + 1) if self.T_mult < 1 else None

    @classmethod
    def fitted(cls, total_steps: int, given: Mapping[str, Any]) -> Mapping[str, Any]:
        """Three cycles fill the run exactly; each about twice as long as the one before."""
        if "T_mult" in given:
            parts = 1 + given["T_mult"] + given["T_mult"] ** 2
            return {"T_0": max(1, ceil(total_steps / parts - 1e-9))}
        first = round(total_steps / 7)
        if first < 1:
            return {"T_0": 1, "T_mult": 2.0}
        # 1 + m + m ** 2 = total_steps / first, solved for m
        return {"T_0": first, "T_mult": (sqrt(4 * total_steps / first - 3) - 1) / 2}

    def _peak(self, index: int) -> float:
        return max(self.max_lr * self.decay**index, self.eta_min)

    def _height(self, cycle: Cycle, step: float) -> float:
        if step < cycle.peak:
            return (step - cycle.start) / (cycle.peak - cycle.start)
        return (1 + cos(pi * (step - cycle.peak) / (cycle.end - cycle.peak))) / 2

    def _start(self, index: int) -> int:
        return _cycle_start(self.T_0, self.T_mult, index)

    def _index(self, step: int) -> int:
        """The largest i with s_i <= step: a guess by logarithm, put right by exact arithmetic."""
        if self.T_mult == 1:
            return step // self.T_0
        reach = step * (self.T_mult - 1) / self.T_0  # s_i <= step means T_mult**i - 1 <= reach
        guess = int(log1p(max(reach, -1 + 1e-15)) / log(self.T_mult))
        last = self._last() if self.T_mult < 1 else guess + 2
        index = min(max(guess, 0), last)
        while index > 0 and self._start(index) > step:
            index -= 1
        while index < last and self._start(index + 1) <= step:
            index += 1
        return index

    def _last(self) -> int:
        """With shrinking cycles, the index of the last one of at least two steps."""
        return max(0, int(log(2 / self.T_0) / log(self.T_mult) + 1e-9)) if self.T_0 > 2 else 0


@lru_cache(maxsize=4096)
def _cycle_start(first: int, factor: float, index: int) -> int:
    """Round ``first * (factor ** index - 1) / (factor - 1)`` exactly, reading 1.1 as 11/10."""
    ratio = Fraction(repr(float(factor)))
    if ratio == 1:
        return first * index
    exact = first * (ratio**index - 1) / (ratio - 1)
    return int(exact + Fraction(1, 2))


sgdr = Sgdr
