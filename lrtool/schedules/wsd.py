"""Warm-up, stable, decay: a trapezoid."""

from dataclasses import dataclass
from math import cos, pi, sqrt
from typing import Literal

from lrtool._check import integer, non_negative, one_of, require
from lrtool.schedules.base import Schedule

__all__ = ["Wsd", "wsd"]


@dataclass(frozen=True)
class Wsd(Schedule):
    """Warm-up, stable, decay: rise, stay, cool down over the last part of the run.

    With T = `total_steps`, W = round(warmup_frac * T), C = round(cooldown_frac * T)::

        value(k) = lr * k / W                                    k < W
        value(k) = lr                                            W <= k < T - C
        value(k) = end_lr + (lr - end_lr) * g((k - T + C) / C)   T - C <= k < T

    and `end_lr` from T on, where g(x) is 1 - x for "linear", (1 + cos(pi * x)) / 2 for "cosine" and
    1 - sqrt(x) for "1-sqrt". A run can be made longer without starting over: the stable part has
    no end in sight.

    Args:
        lr: value of the stable part, at least 0.
        total_steps: optimizer steps of the whole run, at least 1.
        warmup_frac: fraction of the run spent rising, in [0, 1).
        cooldown_frac: fraction of the run spent cooling down, in [0, 1].
        cooldown: "linear", "cosine" or "1-sqrt".
        end_lr: value after the run, at least 0.

    Raises:
        ArgumentError: when a value is out of its range.

    >>> trapezoid = wsd(0.5, total_steps=1000, warmup_frac=0.1, cooldown="linear")
    >>> trapezoid(0), trapezoid(50), trapezoid(100), trapezoid(800), trapezoid(900), trapezoid(1000)
    (0.0, 0.25, 0.5, 0.5, 0.25, 0.0)

    References:
        Hägele et al. 2024, https://arxiv.org/abs/2405.18392, section 3 and eq. (1);
        Hu et al. 2024, https://arxiv.org/abs/2404.06395, section 4.
    """

    lr: float
    total_steps: int
    warmup_frac: float = 0.05
    cooldown_frac: float = 0.2
    cooldown: Literal["linear", "cosine", "1-sqrt"] = "1-sqrt"
    end_lr: float = 0.0

    def __post_init__(self) -> None:
        non_negative(lr=self.lr, end_lr=self.end_lr)
        integer(1, total_steps=self.total_steps)
        one_of("cooldown", self.cooldown, ("linear", "cosine", "1-sqrt"))
        require(
            0 <= self.warmup_frac < 1
            and 0 <= self.cooldown_frac <= 1
            and self.warmup_frac + self.cooldown_frac <= 1,
            "0 <= warmup_frac < 1, 0 <= cooldown_frac <= 1 and a sum of at most 1",
            warmup_frac=self.warmup_frac,
            cooldown_frac=self.cooldown_frac,
        )

    def __call__(self, step: float) -> float:
        """The value at optimizer step `step`, counted from 0."""
        warm = round(self.warmup_frac * self.total_steps)
        cool = round(self.cooldown_frac * self.total_steps)
        begin = max(self.total_steps - cool, warm)
        if step >= self.total_steps:
            return self.end_lr
        if step < warm:
            return self.lr * step / warm
        if step <= begin:
            return self.lr
        left = self._left((step - begin) / (self.total_steps - begin))
        return self.end_lr + (self.lr - self.end_lr) * left

    def _left(self, done: float) -> float:
        if self.cooldown == "linear":
            return 1 - done
        return 1 - sqrt(done) if self.cooldown == "1-sqrt" else (1 + cos(pi * done)) / 2

    @property
    def length(self) -> int:
        """`total_steps`."""
        return self.total_steps


wsd = Wsd
