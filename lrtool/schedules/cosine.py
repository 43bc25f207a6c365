"""Half a cosine wave from one value down to another."""

from dataclasses import dataclass
from math import cos, pi

from lrtool._check import integer, non_negative
from lrtool.schedules.base import Schedule

__all__ = ["Cosine", "cosine"]


@dataclass(frozen=True)
class Cosine(Schedule):
    """Half a cosine wave from `lr` to `eta_min`, held there.

    ``value(k) = eta_min + (lr - eta_min) * (1 + cos(pi * min(k, T) / T)) / 2``, where T
    is `total_steps`.

    Args:
        lr: value at step 0, at least 0.
        total_steps: optimizer steps after which `eta_min` holds, at least 1.
        eta_min: value from `total_steps` on, at least 0.

    Raises:
        ArgumentError: when a value is out of its range.

    >>> decay = cosine(0.1, total_steps=100)
    >>> decay(0), round(decay(50), 12), decay(100)
    (0.1, 0.05, 0.0)

    References:
        Loshchilov & Hutter 2017, https://arxiv.org/abs/1608.03983, section 3, one cycle of eq. (5).
    """

    lr: float
    total_steps: int
    eta_min: float = 0.0

    def __post_init__(self) -> None:
        non_negative(lr=self.lr, eta_min=self.eta_min)
        integer(1, total_steps=self.total_steps)

    def __call__(self, step: float) -> float:
        """The value at optimizer step `step`, counted from 0."""
        if step >= self.total_steps:
            return self.eta_min
        height = (1 + cos(pi * step / self.total_steps)) / 2
        return self.eta_min + (self.lr - self.eta_min) * height

    @property
    def length(self) -> int:
        """`total_steps`."""
        return self.total_steps


cosine = Cosine
