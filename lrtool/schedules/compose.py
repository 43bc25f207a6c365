"""Schedules made of schedules: one after another, scaled, repeated, multiplied."""

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import prod
from typing import Any

from lrtool._check import integer, non_negative, require
from lrtool.schedules.base import Cycle, Schedule

__all__ = ["Join", "Product", "Repeat", "Scale", "join", "product", "repeat", "scale"]


@dataclass(frozen=True)
class Join(Schedule):
    """One schedule after another, each from its own step 0.

    ``value(k) = schedules[i](k - b_i)`` where b_i is the last boundary at or before k, i the number
    of such boundaries, and b_0 = 0.

    Args:
        schedules: at least one.
        boundaries: optimizer steps at which the next one begins, rising, one fewer than schedules.

    Raises:
        ArgumentError: when the boundaries do not rise or their number does not fit.

    >>> from lrtool.schedules import constant, linear
    >>> trapezoid = join([constant(0.5), linear(0.5, total_steps=20)], boundaries=[80])
    >>> trapezoid(0), trapezoid(80), trapezoid(90), trapezoid(100)
    (0.5, 0.5, 0.25, 0.0)
    """

    schedules: Sequence[Schedule]
    boundaries: Sequence[int]

    def __post_init__(self) -> None:
        object.__setattr__(self, "schedules", tuple(self.schedules))
        object.__setattr__(self, "boundaries", tuple(self.boundaries))
        for boundary in self.boundaries:
            integer(1, boundary=boundary)
        edges = list(self.boundaries)
        require(edges == sorted(set(edges)), "boundaries rise", boundaries=edges)
        require(
            len(self.schedules) == len(edges) + 1,
            "len(schedules) == len(boundaries) + 1",
            schedules=len(self.schedules),
            boundaries=len(edges),
        )

    def __call__(self, step: float) -> float:
        """The value at optimizer step `step`, counted from 0."""
        index = bisect_right(self.boundaries, step)
        return self.schedules[index](step - self._begin(index))

    @property
    def length(self) -> int | None:
        """The last boundary and the last schedule's own length."""
        inner = self.schedules[-1].length
        return None if inner is None else inner + self._begin(len(self.schedules) - 1)

    def cycle(self, step: int) -> Cycle | None:
        """The cycle of the part `step` lies in, cut at the next boundary, numbered within it."""
        index = bisect_right(self.boundaries, step)
        begin = self._begin(index)
        inner = self.schedules[index].cycle(step - begin)
        if inner is None:
            return None
        end = inner.end + begin
        if index < len(self.boundaries):
            end = min(end, self.boundaries[index])
        peak = min(inner.peak + begin, end - 1)
        return Cycle(inner.index, inner.start + begin, peak, end)

    @classmethod
    def spans(cls, total_steps: int, given: Mapping[str, Any]) -> list[int]:
        """From boundary to boundary, and from the last to the end."""
        edges = [0, *given["boundaries"], total_steps]
        return [max(1, end - begin) for begin, end in pairwise(edges)]

    def _begin(self, index: int) -> int:
        return self.boundaries[index - 1] if index else 0


@dataclass(frozen=True)
class Scale(Schedule):
    """Another schedule times a constant: ``value(k) = factor * schedule(k)``.

    Args:
        schedule: what is scaled.
        factor: at least 0.

    >>> from lrtool.schedules import linear
    >>> half = scale(linear(0.5, total_steps=10), factor=0.5)
    >>> half(0), half(5), half(10)
    (0.25, 0.125, 0.0)
    """

    schedule: Schedule
    factor: float

    def __post_init__(self) -> None:
        non_negative(factor=self.factor)

    def __call__(self, step: float) -> float:
        """The value at optimizer step `step`, counted from 0."""
        return self.factor * self.schedule(step)

    @property
    def length(self) -> int | None:
        """The schedule's own length."""
        return self.schedule.length

    def cycle(self, step: int) -> Cycle | None:
        """The schedule's own cycle."""
        return self.schedule.cycle(step)


@dataclass(frozen=True)
class Repeat(Schedule):
    """Another schedule, begun anew every so many steps.

    ``value(k) = schedule(k - every * min(k // every, times - 1))``: after the last time the
    schedule runs on.

    Args:
        schedule: what is repeated.
        every: optimizer steps from one beginning to the next, at least 1.
        times: how often it is played, at least 1; for ever when None.

    >>> from lrtool.schedules import linear
    >>> teeth = repeat(linear(0.5, total_steps=10), every=10, times=2)
    >>> teeth(0), teeth(5), teeth(10), teeth(20)
    (0.5, 0.25, 0.5, 0.0)
    """

    schedule: Schedule
    every: int
    times: int | None = None

    def __post_init__(self) -> None:
        integer(1, every=self.every)
        if self.times is not None:
            integer(1, times=self.times)

    def __call__(self, step: float) -> float:
        """The value at optimizer step `step`, counted from 0."""
        return self.schedule(step - self.every * self._index(step))

    @property
    def length(self) -> int | None:
        """The schedule's own length, after the earlier times; None when it goes on for ever."""
        inner = self.schedule.length
        if self.times is None or inner is None:
            return None
        return self.every * (self.times - 1) + inner

    def cycle(self, step: int) -> Cycle | None:
        """One playing is one cycle; its peak is the schedule's own, else its first step."""
        index = self._index(step)
        begin = self.every * index
        inner = self.schedule.cycle(0)
        top = min(inner.peak if inner else 0, self.every - 1)
        return Cycle(index, begin, begin + top, begin + self.every)

    @classmethod
    def spans(cls, total_steps: int, given: Mapping[str, Any]) -> list[int]:
        """One playing."""
        return [given["every"]]

    def _index(self, step: float) -> int:
        index = int(step // self.every)
        return index if self.times is None else min(index, self.times - 1)


@dataclass(frozen=True)
class Product(Schedule):
    """Several schedules multiplied: ``value(k) = schedules[0](k) * schedules[1](k) * ...``.

    Args:
        schedules: at least one; usually one of rates and others of factors around 1.

    >>> from lrtool.schedules import constant, step
    >>> both = product([step(1.0, step_size=10, gamma=0.5), constant(0.5)])
    >>> both(0), both(10)
    (0.5, 0.25)
    """

    schedules: Sequence[Schedule]

    def __post_init__(self) -> None:
        object.__setattr__(self, "schedules", tuple(self.schedules))
        require(len(self.schedules) > 0, "at least one schedule", schedules=self.schedules)

    def __call__(self, step: float) -> float:
        """The value at optimizer step `step`, counted from 0."""
        return prod(schedule(step) for schedule in self.schedules)

    @property
    def length(self) -> int | None:
        """The longest of the parts; None when one never settles."""
        lengths = [schedule.length for schedule in self.schedules]
        known = [length for length in lengths if length is not None]
        return max(known) if len(known) == len(lengths) else None

    def cycle(self, step: int) -> Cycle | None:
        """The cycle of the first part that has one."""
        for schedule in self.schedules:
            found = schedule.cycle(step)
            if found is not None:
                return found
        return None


join = Join
scale = Scale
repeat = Repeat
product = Product
