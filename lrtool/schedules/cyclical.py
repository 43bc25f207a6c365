"""Triangular cycles between two bounds, with the height scaled per cycle or per step."""

from abc import abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import ceil
from typing import Any, Literal

from lrtool._check import integer, non_negative, one_of, require
from lrtool.schedules.base import Cycle, Schedule

__all__ = [
    "Cyclical",
    "ExpRange",
    "Triangular",
    "Triangular2",
    "cyclical",
    "exp_range",
    "triangular",
    "triangular2",
]


@dataclass(frozen=True)
class _Triangles(Schedule):
    """What all four share: bounds, the two sides of a triangle, and the cycle a step lies in."""

    max_lr: float
    min_lr: float
    step_size_up: int
    step_size_down: int | None = None

    def __post_init__(self) -> None:
        non_negative(max_lr=self.max_lr, min_lr=self.min_lr)
        require(
            self.min_lr <= self.max_lr,
            "min_lr <= max_lr",
            "did you swap them?",
            min_lr=self.min_lr,
            max_lr=self.max_lr,
        )
        integer(1, step_size_up=self.step_size_up)
        if self.step_size_down is not None:
            integer(1, step_size_down=self.step_size_down)

    @property
    def period(self) -> int:
        """Optimizer steps of one cycle."""
        down = self.step_size_up if self.step_size_down is None else self.step_size_down
        return self.step_size_up + down

    def __call__(self, step: float) -> float:
        """The value at optimizer step `step`, counted from 0."""
        return self.min_lr + (self.max_lr - self.min_lr) * self.height(step)

    def height(self, step: float) -> float:
        """How far from base (0) to peak (1) the value stands at `step`."""
        index, position = divmod(step, self.period)
        up = self.step_size_up
        rise = position / up if position <= up else (self.period - position) / (self.period - up)
        return rise * self._factor(int(index), step)

    def cycle(self, step: int) -> Cycle:
        """The triangle `step` lies in."""
        index = step // self.period
        start = index * self.period
        return Cycle(index, start, start + self.step_size_up, start + self.period)

    @classmethod
    def fitted(cls, total_steps: int, given: Mapping[str, Any]) -> Mapping[str, Any]:
        """Four cycles fill the run."""
        period = max(2, ceil(total_steps / 4))
        if "step_size_down" in given:
            return {"step_size_up": max(1, period - (given["step_size_down"] or period // 2))}
        return {"step_size_up": ceil(period / 2), "step_size_down": period // 2}

    @abstractmethod
    def _factor(self, index: int, step: float) -> float:
        """The factor on the height in cycle `index` (from 0) at `step`."""


@dataclass(frozen=True)
class Triangular(_Triangles):
    """Triangles of constant height between `min_lr` and `max_lr`.

    ``value(k) = min_lr + (max_lr - min_lr) * rise``; with p = k mod (u + d),
    u = `step_size_up` and d = `step_size_down`, rise is p / u on the way up (p <= u) and
    (u + d - p) / d on the way down.

    Args:
        max_lr: the peaks, at step u of each cycle.
        min_lr: the base, at step 0 of each cycle; at most `max_lr`.
        step_size_up: optimizer steps from base to peak; the paper advises 2 to 10 epochs.
        step_size_down: optimizer steps from peak to base; as many as up when None.

    Raises:
        ArgumentError: when a value is out of its range or the bounds are swapped.

    >>> wave = triangular(max_lr=0.5, min_lr=0.1, step_size_up=10)
    >>> wave(0), round(wave(5), 12), wave(10), wave(20), wave(30)
    (0.1, 0.3, 0.5, 0.1, 0.5)

    References:
        Smith 2017, https://arxiv.org/abs/1506.01186, section 3.1 ("triangular").
    """

    def _factor(self, index: int, step: float) -> float:
        return 1.0


@dataclass(frozen=True)
class Triangular2(_Triangles):
    """Triangles that halve in height from cycle to cycle.

    ``value(k) = min_lr + (max_lr - min_lr) * rise / 2 ** c`` with c the cycle from 0 and rise as in
    `Triangular`.

    Args:
        max_lr: the first peak, at step `step_size_up`.
        min_lr: the base, at step 0 of each cycle; at most `max_lr`.
        step_size_up: optimizer steps from base to peak, at least 1.
        step_size_down: optimizer steps from peak to base; as many as up when None.

    Raises:
        ArgumentError: when a value is out of its range or the bounds are swapped.

    >>> wave = triangular2(max_lr=0.9, min_lr=0.1, step_size_up=10)
    >>> wave(0), wave(10), wave(30), wave(10**12)
    (0.1, 0.9, 0.5, 0.1)

    References:
        Smith 2017, https://arxiv.org/abs/1506.01186, section 3.1 ("triangular2").
    """

    def _factor(self, index: int, step: float) -> float:
        return 2.0**-index


@dataclass(frozen=True)
class ExpRange(_Triangles):
    """Triangles whose height shrinks by `gamma` each step.

    ``value(k) = min_lr + (max_lr - min_lr) * rise * gamma ** k`` with rise as in `Triangular`.

    Args:
        max_lr: the peak there would be without `gamma`.
        min_lr: the base, at step 0 of each cycle; at most `max_lr`.
        step_size_up: optimizer steps from base to peak, at least 1.
        step_size_down: optimizer steps from peak to base; as many as up when None.
        gamma: factor of one optimizer step, in (0, 1].

    Raises:
        ArgumentError: when a value is out of its range or the bounds are swapped.

    >>> wave = exp_range(max_lr=0.5, min_lr=0.1, step_size_up=1, gamma=0.5)
    >>> wave(0), round(wave(1), 12), round(wave(3), 12)
    (0.1, 0.3, 0.15)

    References:
        Smith 2017, https://arxiv.org/abs/1506.01186, section 3.1 ("exp_range").
    """

    gamma: float = 0.9999

    def __post_init__(self) -> None:
        super().__post_init__()
        require(0 < self.gamma <= 1, "0 < gamma <= 1", gamma=self.gamma)

    def _factor(self, index: int, step: float) -> float:
        return float(self.gamma**step)


@dataclass(frozen=True)
class Cyclical(_Triangles):
    """Triangles scaled by your own function.

    ``value(k) = min_lr + (max_lr - min_lr) * rise * scale_fn(x)`` with rise as in `Triangular`.

    Args:
        max_lr: the peak where `scale_fn` is 1.
        min_lr: the base, at step 0 of each cycle; at most `max_lr`.
        step_size_up: optimizer steps from base to peak, at least 1.
        step_size_down: optimizer steps from peak to base; as many as up when None.
        scale_fn: a function of x to [0, 1]. To be pickled with the schedule it must have a name
            that can be imported: a lambda fails when pickled, never silently.
        scale_mode: x is the cycle, from 1, with "cycle"; the step, from 0, with "iterations".

    >>> from math import sqrt
    >>> wave = cyclical(max_lr=0.5, min_lr=0.1, step_size_up=10, scale_fn=lambda c: 1 / c)
    >>> wave(10), round(wave(30), 12)
    (0.5, 0.3)
    """

    scale_fn: Callable[[float], float] = float
    scale_mode: Literal["cycle", "iterations"] = "cycle"

    def __post_init__(self) -> None:
        super().__post_init__()
        one_of("scale_mode", self.scale_mode, ("cycle", "iterations"))
        require(
            self.scale_fn is not float and callable(self.scale_fn),
            "scale_fn is a function of the cycle or the step",
            "use triangular for a constant height",
            scale_fn=self.scale_fn,
        )

    def _factor(self, index: int, step: float) -> float:
        return float(self.scale_fn(index + 1 if self.scale_mode == "cycle" else step))


triangular = Triangular
triangular2 = Triangular2
exp_range = ExpRange
cyclical = Cyclical
