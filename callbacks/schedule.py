"""ParamScheduler: writes schedules of rate, momentum and weight decay, step by step."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

from lrtool._check import integer, one_of, require
from lrtool.callbacks._horizon import Position, horizon_of
from lrtool.callbacks._lightning import Callback, LightningModule, Trainer, callbacks_of, is_a
from lrtool.callbacks._measured import is_due, measured
from lrtool.callbacks._momentum import MomentumLike
from lrtool.callbacks._optimizer_of import optimizer_of
from lrtool.callbacks._preview import Preview, preview_of
from lrtool.callbacks._rivals import gives_way, refuse_rivals
from lrtool.callbacks._skips import SkipCounter
from lrtool.callbacks._writer import Writer, check_plans
from lrtool.durations import Duration, DurationLike
from lrtool.optimizers import guard
from lrtool.param_groups import Knob
from lrtool.result import RangeTestResult
from lrtool.schedules import Schedule, ScheduleLike

__all__ = ["ParamScheduler"]


class ParamScheduler(Callback):
    """Writes ``schedule(global_step)`` to the optimizer at the start of each training batch.

    Nothing is counted: the value is a function of the Trainer's global step (less the steps that a
    gradient scaler skipped), so that a resumed run writes what the uninterrupted one would have
    written. Steps are optimizer steps, whatever the accumulation. The rate names the largest
    parameter group's; the others keep the ratio they have when training begins (groups added
    later: when they join). Tensor rates are filled in place. Past its end a schedule holds.

    Args:
        lr: a `Schedule`, a recipe (`lrtool.schedules.recipe("sgdr", T_0="10ep")`), the name of a
            schedule, a number, or one of these per group by its "name". Lengths that a recipe or a
            name leaves open are the Trainer's; its rates are those of the `LRRangeTest` among the
            Trainer's callbacks, else of `range_test`, else the optimizer's own.
        momentum: the same for `momentum`, or `betas[0]` where there is none, in all groups alike.
            A pair (low, high) moves against the cycle of `lr`. "auto" does so below the
            optimizer's own momentum m, between m - (1 - m) / 2 and m (0.85 and 0.9 for 0.9). It
            leaves alone an optimizer without momentum, with momentum 0, or with betas, and gives
            way to another callback's momentum.
        weight_decay: the same for `weight_decay`; groups keep their ratios, and 0 stays 0.
        range_test: a measurement to take the rates from, or the path of a saved one.
        optimizer: which of the Trainer's optimizers.
        total_steps: optimizer steps of the whole run, or a duration; the Trainer's when None.
        start_step: where on the schedule global step 0 stands: to go on with a cycle whose
            checkpoint holds weights only.
        on_length_change: on resuming with another total: "stretch" uses the values of a run that
            had the new length from its start; "hold" finishes the old schedule and holds its end.

    Raises:
        ArgumentError: when an argument is out of its range.
        UnsupportedError: as training starts: another scheduler already moves this optimizer's
            rate, or the length of the run is unknown.
    """

    def __init__(
        self,
        *,
        lr: ScheduleLike | Mapping[str, ScheduleLike] | None = None,
        momentum: MomentumLike = None,
        weight_decay: ScheduleLike | Mapping[str, ScheduleLike] | None = None,
        range_test: RangeTestResult | str | Path | None = None,
        optimizer: int = 0,
        total_steps: DurationLike | None = None,
        start_step: int = 0,
        on_length_change: Literal["stretch", "hold"] = "stretch",
    ) -> None:
        require(
            any(plan is not None for plan in (lr, momentum, weight_decay)),
            "a schedule for lr, momentum or weight_decay",
            lr=lr,
        )
        integer(0, optimizer=optimizer, start_step=start_step)
        one_of("on_length_change", on_length_change, ("stretch", "hold"))
        self._plans: dict[Knob, Any] = {
            "lr": lr,
            "momentum": momentum,
            "weight_decay": weight_decay,
        }
        check_plans(self._plans)
        if isinstance(range_test, str | Path):
            range_test = RangeTestResult.load(range_test)
        self.range_test = range_test
        self.optimizer = optimizer
        self.total_steps = None if total_steps is None else Duration.parse(total_steps)
        self.start_step = int(start_step)
        self.on_length_change = on_length_change
        self._saved: dict[str, Any] = {}
        self._reset()

    def _reset(self) -> None:
        self._writer = Writer(self._plans, self._saved)
        self._skips = SkipCounter(self._saved.get("skipped", 0))
        self._num_batches: float | None = None
        self._write_ahead = False

    @property
    def schedule(self) -> Schedule | None:
        """The rate's schedule once it is known: after the first training batch has begun."""
        return self._writer.lr

    @property
    def state_key(self) -> str:
        """One an optimizer, and one for each of its knobs, may stand in one Trainer."""
        knobs = [knob for knob, plan in self._plans.items() if plan is not None]
        return self._generate_state_key(optimizer=self.optimizer, knobs=knobs)

    @property
    def schedules_lr(self) -> bool:
        """Whether this callback writes the learning rate."""
        return self._plans["lr"] is not None

    def preview(self, trainer: Trainer, model: LightningModule, data: Any = None) -> Preview:
        """What would be written at each step, of each group, computed before training.

        Args:
            trainer: the Trainer that will train; nothing in it changes.
            model: its `configure_optimizers` is called.
            data: a training loader, anything with `train_dataloader()`, or None for the model's.
        """
        return preview_of(
            self._plans,
            trainer,
            model,
            data,
            asked=self.total_steps,
            start_step=self.start_step,
            optimizer=self.optimizer,
            result=measured(trainer, self.optimizer) or self.range_test,
        )

    def check_run(self, trainer: Trainer) -> None:
        """Refuse a run of unknown length; a range test asks before it sweeps.

        Raises:
            UnsupportedError: when the length is unknown; the message names the fix.
        """
        horizon_of(trainer, self.total_steps)

    # -- hooks -----------------------------------------------------------------------------------

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Forget the last fit."""
        if stage == "fit":
            self._saved = {}
            self._reset()

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Refuse a rival before anything is computed; close the optimizer's known traps."""
        optimizer = guard(optimizer_of(trainer, self.optimizer))
        if self.schedules_lr:
            refuse_rivals(self, trainer, optimizer)
        if gives_way(self, trainer):
            self._writer.plans = {**self._plans, "momentum": None}

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Refuse a run of unknown length, before the first step."""
        self.check_run(trainer)
        self._write_ahead = _is_read_before(self, trainer)
        if trainer.global_step == 0 and not is_due(trainer, self.optimizer):
            self._write(trainer, batch_idx=0)

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Write early, for a monitor that reads now."""
        if not is_due(trainer, self.optimizer):
            self._write(trainer, batch_idx=0)

    def on_train_batch_start(
        self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int
    ) -> None:
        """Write this step's values."""
        self._write(trainer, batch_idx)

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Count a step that was skipped for an overflow."""
        self._skips.look(trainer)
        if self._write_ahead:
            self._writer.write(optimizer_of(trainer, self.optimizer), self._step(trainer))

    def state_dict(self) -> dict[str, Any]:
        """Plain scalars and lists, under a kilobyte."""
        return {**self._writer.state(), "skipped": self._skips.total}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take up what a checkpoint remembers."""
        self._saved = dict(state_dict)
        self._reset()

    def _outcome(self) -> str | None:
        horizon, schedule = self._writer.horizon, self.schedule
        if horizon is None:
            return None
        if schedule is None:  # of other knobs, or one a group
            return f"{horizon.total_steps} steps"
        steps = range(0, horizon.total_steps, max(1, horizon.total_steps // 1000))
        highest = max(schedule(step) for step in steps)
        return f"{horizon.total_steps} steps, lr {schedule(0):.3g} at first, up to {highest:.3g}"

    # -- the work ----------------------------------------------------------------------------------

    def _step(self, trainer: Trainer) -> int:
        """Where on the schedule the run stands."""
        return int(trainer.global_step) - self._skips.total + self.start_step

    def _write(self, trainer: Trainer, batch_idx: int) -> None:
        if self._num_batches != trainer.num_training_batches:
            self._num_batches = trainer.num_training_batches
            self._skips.look(trainer)
            self._take_length(trainer, batch_idx)
        optimizer = optimizer_of(trainer, self.optimizer)
        self._writer.resolve(optimizer, measured(trainer, self.optimizer) or self.range_test)
        step, horizon = self._step(trainer), self._writer.horizon
        if horizon is not None and step >= horizon.total_steps:
            self._writer.say(
                f"the run goes on past the {horizon.total_steps} steps of its schedule: "
                "the last value holds"
            )
        self._writer.write(optimizer, step)

    def _take_length(self, trainer: Trainer, batch_idx: int) -> None:
        """Learn the run's length: at its first batch, and again when its data changes."""
        position = Position(trainer.global_step, trainer.current_epoch, batch_idx)
        horizon = horizon_of(trainer, self.total_steps, position)
        total = horizon.total_steps + (self.start_step if self.total_steps is None else 0)
        if "total_steps" in self._saved and self.on_length_change == "hold":
            total = self._saved["total_steps"]
        self._writer.set_horizon(replace(horizon, total_steps=total))


def _is_read_before(scheduler: ParamScheduler, trainer: Trainer) -> bool:
    """Whether a LearningRateMonitor stands before `scheduler` in the list of callbacks."""
    callbacks = callbacks_of(trainer)
    before = callbacks[: callbacks.index(scheduler)]
    return any(is_a(callback, "LearningRateMonitor") for callback in before)
