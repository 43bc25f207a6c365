"""SGDRScheduler: cosine cycles that restart warm."""

from pathlib import Path
from typing import Literal

from lrtool.callbacks._momentum import MomentumLike
from lrtool.callbacks.schedule import ParamScheduler
from lrtool.durations import DurationLike
from lrtool.result import RangeTestResult
from lrtool.schedules import ScheduleLike, recipe

__all__ = ["SGDRScheduler"]


class SGDRScheduler(ParamScheduler):
    """Trains on the warm restarts of `lrtool.schedules.sgdr`.

    Left alone it plays three cycles, each twice as long as the one before, which end with the run.

    Args:
        max_lr: value at each restart; the range test's `max_lr` when None, else the optimizer's
            own rate.
        T_0: optimizer steps of the first cycle, or a duration such as "10ep".
        T_mult: each cycle's length over the one before, any number above 0; when None, 2 if `T_0`
            is left open as well, else 1.
        eta_min: value each cycle comes down to.
        decay: each peak over the one before, in (0, 1].
        warmup_steps: optimizer steps (or a duration) of the rise that opens each cycle.
        total_steps: optimizer steps of the whole run, or a duration; the Trainer's when None.
        momentum: "auto", a pair (low, high), a schedule or None: see `ParamScheduler`.
        weight_decay: a schedule of weight decay, or None.
        range_test: a measurement to take the peak from, or the path of a saved one.
        optimizer: which of the Trainer's optimizers.
        start_step: where on the schedule global step 0 stands.
        on_length_change: "stretch" or "hold": see `ParamScheduler`.

    Raises:
        ArgumentError: when an argument is out of its range, at the latest as training starts.
        UnsupportedError: see `ParamScheduler`.
    """

    def __init__(
        self,
        *,
        max_lr: float | None = None,
        T_0: DurationLike | None = None,
        T_mult: float | None = None,
        eta_min: float = 0.0,
        decay: float = 1.0,
        warmup_steps: DurationLike = 0,
        total_steps: DurationLike | None = None,
        momentum: MomentumLike = None,
        weight_decay: ScheduleLike | None = None,
        range_test: RangeTestResult | str | Path | None = None,
        optimizer: int = 0,
        start_step: int = 0,
        on_length_change: Literal["stretch", "hold"] = "stretch",
    ) -> None:
        shape = recipe("sgdr", eta_min=eta_min, decay=decay, warmup_steps=warmup_steps)
        shape = shape.with_known(max_lr=max_lr, T_0=T_0, T_mult=T_mult)
        shape.check()
        super().__init__(
            lr=shape,
            momentum=momentum,
            weight_decay=weight_decay,
            range_test=range_test,
            optimizer=optimizer,
            total_steps=total_steps,
            start_step=start_step,
            on_length_change=on_length_change,
        )
