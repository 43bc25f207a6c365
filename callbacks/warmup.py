"""WarmupScheduler: a rise in front of any schedule."""

from pathlib import Path
from typing import Literal

from lrtool.callbacks._momentum import MomentumLike
from lrtool.callbacks.schedule import ParamScheduler
from lrtool.durations import DurationLike
from lrtool.result import RangeTestResult
from lrtool.schedules import ScheduleLike, recipe

__all__ = ["WarmupScheduler"]


class WarmupScheduler(ParamScheduler):
    """Rises in a straight line for `warmup_steps`, then follows `schedule` for the rest of the run.

    Args:
        schedule: what follows, of the length that the warm-up leaves: "constant", "cosine",
            "linear", a recipe or a `Schedule`.
        warmup_steps: optimizer steps of the rise, or a duration: "500step", "1ep", "0.05dur".
            A step counts once however many batches are accumulated into it.
        start_factor: the first value over the schedule's first, in [0, 1].
        total_steps: optimizer steps of the whole run, or a duration; the Trainer's when None.
        momentum: a schedule or None: see `ParamScheduler`.
        weight_decay: a schedule of weight decay, or None.
        range_test: a measurement to take the rates from, or the path of a saved one.
        optimizer: which of the Trainer's optimizers.
        start_step: where on the schedule global step 0 stands.
        on_length_change: "stretch" or "hold": see `ParamScheduler`.

    Raises:
        ArgumentError: when an argument is out of its range, at the latest as training starts.
        UnsupportedError: see `ParamScheduler`.
    """

    def __init__(
        self,
        schedule: ScheduleLike = "constant",
        *,
        warmup_steps: DurationLike = "0.05dur",
        start_factor: float = 0.01,
        total_steps: DurationLike | None = None,
        momentum: MomentumLike = None,
        weight_decay: ScheduleLike | None = None,
        range_test: RangeTestResult | str | Path | None = None,
        optimizer: int = 0,
        start_step: int = 0,
        on_length_change: Literal["stretch", "hold"] = "stretch",
    ) -> None:
        shape = recipe(
            "warmup", schedule=schedule, warmup_steps=warmup_steps, start_factor=start_factor
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
