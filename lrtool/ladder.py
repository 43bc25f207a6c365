"""The LR ladder, and what a sweep is asked to do."""

from dataclasses import dataclass

import numpy as np

from lrtool._check import integer, positive, require
from lrtool.curve import FloatArray

__all__ = ["SweepConfig", "lr_ladder"]

DEFAULT_MIN_LR = 1e-6
DEFAULT_MAX_LR = 100.0


def lr_ladder(min_lr: float, max_lr: float, num_steps: int) -> FloatArray:
    r"""Rates from `min_lr` to `max_lr`, each the same factor above the one before.

        lr_i = min_lr * (max_lr / min_lr)^(i / (n - 1)),   i = 0 .. n - 1,  n = num_steps

    Both ends are exact.

    Args:
        min_lr: first rate, above zero.
        max_lr: last rate, above min_lr.
        num_steps: how many rates, at least 2.

    Returns:
        (num_steps,) rates.

    Raises:
        ArgumentError: when the bounds are swapped, zero, negative or NaN, or num_steps is below 2.

    References:
        Smith, "Cyclical learning rates for training neural networks", WACV 2017, section 3.3.

    >>> lr_ladder(1e-3, 1e-1, 3).tolist()
    [0.001, 0.01, 0.1]
    """
    require(
        0 < min_lr < max_lr < np.inf,
        "0 < min_lr < max_lr < inf",
        "did you swap them?" if min_lr > max_lr else "give two positive rates",
        min_lr=min_lr,
        max_lr=max_lr,
    )
    integer(2, "a sweep needs a start and an end", num_steps=num_steps)
    ladder = np.geomspace(min_lr, max_lr, int(num_steps))
    ladder[0], ladder[-1] = min_lr, max_lr
    return ladder


@dataclass(frozen=True)
class SweepConfig:
    """What to sweep.

    Args:
        min_lr: lowest rate, above zero; None starts at 1e-6, and lower when that already diverges.
        max_lr: highest rate, above min_lr; None goes to 100, and on until the loss diverges. Given
            both, exactly that range is swept, in exactly num_steps (fewer only by early_stop).
        num_steps: optimizer steps of the first pass, at least 2.
        max_steps: optimizer steps in all. What the first pass leaves of them refines the decades
            below divergence, starting again from the initial weights.
        repeats: passes pooled over one range, at least 1; each restarts from the initial weights.
        early_stop: end a pass when the loss diverges; None or False takes every step.

    Raises:
        ArgumentError: for a rule broken.
    """

    min_lr: float | None = None
    max_lr: float | None = None
    num_steps: int = 100
    max_steps: int = 300
    repeats: int = 1
    early_stop: bool | None = True

    def __post_init__(self) -> None:
        for name in ("min_lr", "max_lr"):
            value = getattr(self, name)
            if value is not None:
                positive("give a positive rate, or None to let the sweep find it", **{name: value})
        integer(2, "a sweep needs a start and an end", num_steps=self.num_steps)
        integer(1, "1 sweeps once", repeats=self.repeats)
        integer(2, "it counts the optimizer steps of all passes", max_steps=self.max_steps)
        lr_ladder(*self.ends, self.num_steps)

    @property
    def ends(self) -> tuple[float, float]:
        """The first pass's lowest and highest rate."""
        low, high = self.min_lr, self.max_lr
        if low is None:
            low = DEFAULT_MIN_LR if high is None else min(DEFAULT_MIN_LR, high / 1e6)
        if high is None:
            high = max(DEFAULT_MAX_LR, low * 1e6)
        return low, high

    @property
    def adapts(self) -> bool:
        """Whether the sweep may choose its own range."""
        return self.min_lr is None or self.max_lr is None
