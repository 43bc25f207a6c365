"""OneCycleScheduler: one rise to the measured peak, one descent to almost nothing."""

from pathlib import Path
from typing import Literal

from lrtool.callbacks._momentum import MomentumLike
from lrtool.callbacks.schedule import ParamScheduler
from lrtool.durations import DurationLike
from lrtool.result import RangeTestResult
from lrtool.schedules import ScheduleLike, recipe

__all__ = ["OneCycleScheduler"]


class OneCycleScheduler(ParamScheduler):
    """Trains on the one-cycle policy of `lrtool.schedules.one_cycle`.

    ``Trainer(callbacks=[LRRangeTest(), OneCycleScheduler()])`` takes the peak from the range test
    and the length from the Trainer.

    Args:
        max_lr: the peak; the range test's `max_lr` when None, else the optimizer's own rate.
        total_steps: optimizer steps of the whole run, or a duration; the Trainer's when None.
        pct_start: fraction of the run spent rising, in (0, 1).
        anneal_strategy: "cos" or "linear".
        div_factor: max_lr over the first value.
        final_div_factor: the first value over the last.
        three_phase: whether the descent has two parts.
        momentum: "auto", a pair (low, high), a schedule or None: see `ParamScheduler`.
        weight_decay: a schedule of weight decay, or None.
        range_test: a measurement to take the peak from, or the path of a saved one.
        optimizer: which of the Trainer's optimizers.
        start_step: where on the cycle global step 0 stands.
        on_length_change: "stretch" or "hold": see `ParamScheduler`.

    Raises:
        ArgumentError: when an argument is out of its range, at the latest as training starts.
        UnsupportedError: see `ParamScheduler`.
    """

    def __init__(
        self,
        *,
        max_lr: float | None = None,
        total_steps: DurationLike | None = None,
        pct_start: float = 0.3,
        anneal_strategy: Literal["cos", "linear"] = "cos",
        div_factor: float = 25.0,
        final_div_factor: float = 1e4,
        three_phase: bool = False,
        momentum: MomentumLike = "auto",
        weight_decay: ScheduleLike | None = None,
        range_test: RangeTestResult | str | Path | None = None,
        optimizer: int = 0,
        start_step: int = 0,
        on_length_change: Literal["stretch", "hold"] = "stretch",
    ) -> None:
        shape = recipe(
            "one_cycle",
            pct_start=pct_start,
            anneal_strategy=anneal_strategy,
            div_factor=div_factor,
            final_div_factor=final_div_factor,
            three_phase=three_phase,
        ).with_known(max_lr=max_lr)
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
