"""The LR ladder, and the state machine that walks it."""

from dataclasses import dataclass

import numpy as np

from lrtool._check import integer, require
from lrtool.curve import FloatArray, LossCurve
from lrtool.types import StopReason

__all__ = ["Rung", "Sweep", "SweepConfig", "lr_ladder"]


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
        min_lr: lowest rate; None starts at 1e-8 and may adapt.
        max_lr: highest rate; None goes to 10 and on until divergence. Given both, exactly that range
            is swept in exactly num_steps.
        num_steps: optimizer steps of the first pass.
        max_steps: optimizer steps in all.
        repeats: passes pooled.
        early_stop: end a pass when the loss diverges; None or False takes every step.
    """

    min_lr: float | None = None
    max_lr: float | None = None
    num_steps: int = 100
    max_steps: int = 300
    repeats: int = 1
    early_stop: bool | None = True


@dataclass(frozen=True)
class Rung:
    """One step to take.

    Args:
        lr: the largest group's rate.
        index: how many steps were taken before this one, over all passes.
        pass_index: which pass this step belongs to.
        restart: whether the initial weights and optimizer state must be put back before this step
            (the first step of every pass but the first).
    """

    lr: float
    index: int
    pass_index: int
    restart: bool


class Sweep:
    """Decides, step by step, which rate to try next and when to stop.

    >>> sweep = Sweep(SweepConfig(min_lr=0.01, max_lr=1.0, num_steps=3))
    >>> while (rung := sweep.next()) is not None:
    ...     sweep.update(loss=1.0 - rung.lr / 2)
    >>> sweep.curve()
    LossCurve(3 steps, lr 0.01..1, completed)
    """

    def __init__(self, config: SweepConfig) -> None:
        self.config = config
        self._ladder = lr_ladder(config.min_lr or 1e-8, config.max_lr or 10.0, config.num_steps)
        self._losses: list[float] = []
        self._stop: StopReason | None = None

    @property
    def num_steps(self) -> int:
        """How many steps are planned in all, as far as is known now (for progress bars)."""
        return len(self._ladder)

    def next(self) -> Rung | None:
        """The step to take next, or None when the sweep is over."""
        index = len(self._losses)
        if self._stop is not None or index >= len(self._ladder):
            return None
        return Rung(float(self._ladder[index]), index, 0, restart=False)

    def update(self, loss: float) -> None:
        """Record the loss that the last rung's step started from (before the step's update)."""
        self._losses.append(loss)
        if not np.isfinite(loss):
            self._stop = StopReason.NONFINITE

    def interrupt(self) -> None:
        """End the sweep from outside; the curve keeps what was measured."""
        self._stop = StopReason.INTERRUPTED

    def curve(self) -> LossCurve:
        """The measurement so far."""
        n = len(self._losses)
        return LossCurve(
            self._ladder[:n], np.array(self._losses), self._stop or StopReason.COMPLETED
        )
