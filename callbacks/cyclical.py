"""CyclicalScheduler: triangles between the measured bounds."""

from collections.abc import Callable
from pathlib import Path
from typing import Literal

from lrtool._check import one_of
from lrtool.callbacks._momentum import MomentumLike
from lrtool.callbacks.schedule import ParamScheduler
from lrtool.durations import DurationLike
from lrtool.result import RangeTestResult
from lrtool.schedules import ScheduleLike, recipe

__all__ = ["CyclicalScheduler"]


class CyclicalScheduler(ParamScheduler):
    """Trains on the triangular cycles of `lrtool.schedules.triangular` and its relatives.

    Args:
        mode: "triangular", "triangular2" (each half as high), "exp_range" (height times gamma
            each step) or "cyclical" (height scaled by `scale_fn`).
        max_lr: the peaks; the range test's `max_lr` when None, else the optimizer's own rate.
        min_lr: the base; the range test's `min_lr` when None, else a quarter of the optimizer's
            own rate.
        step_size_up: optimizer steps from base to peak, or a duration; when None, such that four
            cycles fill the run.
        step_size_down: the same from peak to base; as many as up when None.
        gamma: for "exp_range", factor of one step, in (0, 1].
        scale_fn: for "cyclical", a function of the cycle, from 1.
        total_steps: optimizer steps of the whole run, or a duration; the Trainer's when None.
        momentum: "auto", a pair (low, high), a schedule or None: see `ParamScheduler`.
        weight_decay: a schedule of weight decay, or None.
        range_test: a measurement to take the bounds from, or the path of a saved one.
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
        mode: Literal["triangular", "triangular2", "exp_range", "cyclical"] = "triangular",
        max_lr: float | None = None,
        min_lr: float | None = None,
        step_size_up: DurationLike | None = None,
        step_size_down: DurationLike | None = None,
        gamma: float | None = None,
        scale_fn: Callable[[float], float] | None = None,
        total_steps: DurationLike | None = None,
        momentum: MomentumLike = "auto",
        weight_decay: ScheduleLike | None = None,
        range_test: RangeTestResult | str | Path | None = None,
        optimizer: int = 0,
        start_step: int = 0,
        on_length_change: Literal["stretch", "hold"] = "stretch",
    ) -> None:
        one_of("mode", mode, ("triangular", "triangular2", "exp_range", "cyclical"))
        shape = recipe(mode).with_known(
            max_lr=max_lr,
            min_lr=min_lr,
            step_size_up=step_size_up,
            step_size_down=step_size_down,
            gamma=gamma,
            scale_fn=scale_fn,
        )
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
