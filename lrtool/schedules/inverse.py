"""Decay by the inverse of time, or of its square root."""

from dataclasses import dataclass
from math import sqrt

from lrtool._check import non_negative, positive
from lrtool.schedules.base import Schedule

__all__ = ["InverseSqrt", "InverseTime", "inverse_sqrt", "inverse_time"]


@dataclass(frozen=True)
class InverseTime(Schedule):
    """Decay by the inverse of time: ``value(k) = lr / (1 + decay_rate * k / decay_steps)``.

    Args:
        lr: value at step 0, at least 0.
        decay_steps: optimizer steps of one unit of time, above 0.
        decay_rate: with 1, the value is halved after `decay_steps`; at least 0.

    Raises:
        ArgumentError: when a value is out of its range.

    >>> decay = inverse_time(0.6, decay_steps=100)
    >>> decay(0), decay(100), round(decay(200), 12)
    (0.6, 0.3, 0.2)

    References:
        Robbins & Monro 1951, A Stochastic Approximation Method, section 2 (steps of order 1/k).
    """

    lr: float
    decay_steps: float
    decay_rate: float = 1.0

    def __post_init__(self) -> None:
        non_negative(lr=self.lr, decay_rate=self.decay_rate)
        positive(decay_steps=self.decay_steps)

    def __call__(self, step: float) -> float:
        """The value at optimizer step `step`, counted from 0."""
        return self.lr / (1 + self.decay_rate * step / self.decay_steps)


@dataclass(frozen=True)
class InverseSqrt(Schedule):
    """Decay by the square root of time: ``value(k) = lr * sqrt(t0 / (k + t0))``, t0 = `timescale`.

    With ``timescale=1`` this is lr / sqrt(t), t counted from 1.

    Args:
        lr: value at step 0, at least 0.
        timescale: optimizer steps t0, above 0; after 3 * t0 steps the value is halved.

    Raises:
        ArgumentError: when a value is out of its range.

    >>> decay = inverse_sqrt(0.6, timescale=100)
    >>> decay(0), decay(300), round(decay(800), 12)
    (0.6, 0.3, 0.2)

    References:
        Vaswani et al. 2017, https://arxiv.org/abs/1706.03762, section 5.3, after the warm-up.
    """

    lr: float
    timescale: float = 1.0

    def __post_init__(self) -> None:
        non_negative(lr=self.lr)
        positive(timescale=self.timescale)

    def __call__(self, step: float) -> float:
        """The value at optimizer step `step`, counted from 0."""
        return self.lr * sqrt(self.timescale / (step + self.timescale))


inverse_time = InverseTime
inverse_sqrt = InverseSqrt
