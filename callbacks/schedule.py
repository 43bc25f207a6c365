"""ParamScheduler: writes schedules of rate, momentum and weight decay, step by step."""

import warnings
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

from lrtool import param_groups
from lrtool._check import integer, one_of, require
from lrtool.callbacks._horizon import Position, horizon_of
from lrtool.callbacks._lightning import Callback, LightningModule, Trainer
from lrtool.callbacks._measured import measured
from lrtool.callbacks._momentum import MomentumLike, momentum_schedule
from lrtool.callbacks._skips import SkipCounter
from lrtool.durations import Duration, DurationLike
from lrtool.errors import UnsupportedError
from lrtool.param_groups import Knob
from lrtool.result import RangeTestResult
from lrtool.schedules import Horizon, Schedule, ScheduleLike, resolve

__all__ = ["MomentumLike", "ParamScheduler", "active_schedule"]


class ParamScheduler(Callback):
    """Writes ``schedule(global_step)`` to the optimizer at the start of each training batch.

    Nothing is counted: the value is a function of the Trainer's global step, so that a resumed run
    writes what the uninterrupted one would have written. Steps are optimizer steps, whatever the
    accumulation. The rate names the largest parameter group's; the others keep the ratio they have
    when training begins (groups added later: when they join). Tensor rates are filled in place.

    Args:
        lr: a `Schedule`, a recipe (`lrtool.schedules.recipe("sgdr", T_0="10ep")`), the name of a
            schedule, a number, or one of these per group by its "name". Lengths that a recipe or a
            name leaves open are the Trainer's; its rates are those of the `LRRangeTest` among the
            Trainer's callbacks, else of `range_test`, else the optimizer's own.
        momentum: the same for `momentum`, or `betas[0]` where there is none, in all groups alike.
            A pair (low, high) moves against the cycle of `lr`; "auto" does so around the
            optimizer's own momentum m, from m - (1 - m) / 2 to m + (1 - m) / 2, and leaves alone
            an optimizer without momentum, with momentum 0, or with betas.
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
        UnsupportedError: when training starts: a scheduler of the module already moves this
            optimizer's rate, or the length of the run is unknown.
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
            any(part is not None for part in (lr, momentum, weight_decay)),
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
        if isinstance(range_test, str | Path):
            range_test = RangeTestResult.load(range_test)
        self.range_test = range_test
        self.optimizer = optimizer
        self.total_steps = None if total_steps is None else Duration.parse(total_steps)
        self.start_step = start_step
        self.on_length_change = on_length_change
        self._saved: dict[str, Any] = {}
        self._reset()

    def _reset(self) -> None:
        self.horizon: Horizon | None = None
        self._source: RangeTestResult | None = None
        self._schedules: dict[Knob, Schedule | dict[str, Schedule]] = {}
        self._ratios: dict[Knob, list[float]] = {}
        self._momentum: float | None = None
        self._num_batches: float | None = None
        self._skips = SkipCounter()
        self._warned_past_end = False

    @property
    def schedule(self) -> Schedule | None:
        """The rate's schedule once it is known: after the first training batch has begun."""
        found = self._schedules.get("lr")
        return found if isinstance(found, Schedule) else None

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Forget the last fit."""
        if stage == "fit":
            self._saved = {}
            self._reset()

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Refuse what cannot work, before the first step."""
        self._refuse_rivals(trainer)
        horizon_of(trainer, self.total_steps)
        saved = self._saved
        self._ratios = {knob: list(values) for knob, values in saved.get("ratios", {}).items()}
        self._momentum = saved.get("momentum")
        self._skips.total = saved.get("skipped", 0)

    def on_train_batch_start(
        self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int
    ) -> None:
        """Write this step's values."""
        if self._num_batches != trainer.num_training_batches:
            self._measure_run(trainer, batch_idx)
            self._skips.look(trainer)
        self._resolve(trainer)
        self._write_step(trainer, trainer.global_step)

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Count a step that was skipped for an overflow."""
        self._skips.look(trainer)

    def state_dict(self) -> dict[str, Any]:
        """Plain scalars and lists, under a kilobyte."""
        if self.horizon is None:
            return dict(self._saved)
        horizon = self.horizon
        return {
            "total_steps": horizon.total_steps,
            "lr": horizon.lr,
            "min_lr": horizon.min_lr,
            "max_lr": horizon.max_lr,
            "momentum": self._momentum,
            "skipped": self._skips.total,
            "ratios": {knob: list(values) for knob, values in self._ratios.items()},
        }

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Keep what a checkpoint remembers until training starts."""
        self._saved = dict(state_dict)

    # -- the run ---------------------------------------------------------------------------------

    def _optimizer(self, trainer: Trainer) -> Any:
        optimizers = trainer.optimizers
        require(
            self.optimizer < len(optimizers),
            "optimizer < len(trainer.optimizers)",
            optimizer=self.optimizer,
            optimizers=len(optimizers),
        )
        return optimizers[self.optimizer]

    def _refuse_rivals(self, trainer: Trainer) -> None:
        if self._plans["lr"] is None:
            return
        optimizer = self._optimizer(trainer)
        for config in trainer.lr_scheduler_configs:
            if getattr(config.scheduler, "optimizer", optimizer) is optimizer:
                raise UnsupportedError(
                    f"one scheduler moves an optimizer's rate, got {type(self).__name__} and the "
                    f"module's {type(config.scheduler).__name__}; return only the optimizer from "
                    "configure_optimizers, or remove the callback"
                )
        for callback in trainer.callbacks:  # type: ignore[attr-defined]
            rival = callback is not self and _moves_lr(callback, self.optimizer)
            if rival:
                raise UnsupportedError(
                    f"one scheduler moves an optimizer's rate, got {type(self).__name__} and "
                    f"{type(callback).__name__}; keep one of the two callbacks"
                )

    def _measure_run(self, trainer: Trainer, batch_idx: int) -> None:
        """Learn the run's length: at its first batch, and again when its data changes."""
        self._num_batches = trainer.num_training_batches
        position = Position(trainer.global_step, trainer.current_epoch, batch_idx)
        horizon = horizon_of(trainer, self.total_steps, position)
        total = horizon.total_steps + (self.start_step if self.total_steps is None else 0)
        if self._saved and self.on_length_change == "hold":
            total = self._saved["total_steps"]
        self.horizon = replace(horizon, total_steps=total)
        self._schedules = {}

    def _resolve(self, trainer: Trainer) -> None:
        """Make the schedules once, and again when a new measurement has come in."""
        result = measured(trainer) or self.range_test
        if self._schedules and result is self._source:
            return
        assert self.horizon is not None
        self._source = result
        optimizer = self._optimizer(trainer)
        for knob in ("lr", "weight_decay"):
            self._ratios.setdefault(knob, param_groups.ratios(optimizer, knob))
        if self._momentum is None:
            self._momentum = param_groups.get(optimizer, "momentum")
        self.horizon = self._with_rates(optimizer, result)
        self._schedules = self._built(optimizer, self.horizon)

    def _with_rates(self, optimizer: Any, result: RangeTestResult | None) -> Horizon:
        assert self.horizon is not None
        if result is not None and result.suggestion.status.has_pick:
            return replace(self.horizon, lr=result.lr, min_lr=result.min_lr, max_lr=result.max_lr)
        if self._saved.get("max_lr") is not None:
            saved = self._saved
            return replace(
                self.horizon, lr=saved["lr"], min_lr=saved["min_lr"], max_lr=saved["max_lr"]
            )
        own = param_groups.get(optimizer, "lr")
        if result is not None:
            warnings.warn(
                f"the range test has no pick ({result.suggestion.reason}): the schedule takes the "
                f"optimizer's own rate {own:g} as its highest",
                stacklevel=2,
            )
        return replace(self.horizon, lr=own, max_lr=own, min_lr=None if own is None else own / 4)

    def _built(
        self, optimizer: Any, horizon: Horizon
    ) -> dict[Knob, Schedule | dict[str, Schedule]]:
        built: dict[Knob, Schedule | dict[str, Schedule]] = {}
        for knob, plan in self._plans.items():
            if plan is None:
                continue
            if isinstance(plan, Mapping):
                built[knob] = self._per_group(optimizer, plan, horizon)
            elif knob == "momentum":
                moved = momentum_schedule(plan, built.get("lr"), optimizer, horizon, self._momentum)
                if moved is not None:
                    built[knob] = moved
            else:
                built[knob] = resolve(plan, horizon)
        return built

    def _per_group(
        self, optimizer: Any, plans: Mapping[str, ScheduleLike], horizon: Horizon
    ) -> dict[str, Schedule]:
        groups = [group.get("name") for group in optimizer.param_groups]
        for name in plans:
            require(
                name in groups,
                "every schedule names a parameter group",
                "give the groups a 'name'",
                name=name,
                groups=groups,
            )
        shares = dict(zip(groups, self._ratios["lr"], strict=True))
        return {name: resolve(plan, _scaled(horizon, shares[name])) for name, plan in plans.items()}

    def _admit_new_groups(self, optimizer: Any) -> None:
        """Groups added since: their share of the largest group's present value."""
        for knob, known in self._ratios.items():
            groups = optimizer.param_groups
            if len(groups) > len(known):
                known.extend(param_groups.ratios(optimizer, knob)[len(known) :])

    def _write_step(self, trainer: Trainer, global_step: int) -> None:
        optimizer = self._optimizer(trainer)
        self._admit_new_groups(optimizer)
        step = global_step - self._skips.total + self.start_step
        self._warn_past_end(step)
        for knob, schedule in self._schedules.items():
            self._write(optimizer, knob, schedule, step)

    def _write(
        self, optimizer: Any, knob: Knob, schedule: Schedule | dict[str, Schedule], step: int
    ) -> None:
        if isinstance(schedule, Schedule):
            shares = self._ratios.get(knob)
            if shares is not None:
                shares = shares[: len(optimizer.param_groups)]
            param_groups.set_value(optimizer, knob, schedule(step), shares)
            return
        values = [
            schedule[name](step) if (name := group.get("name")) in schedule else None
            for group in optimizer.param_groups
        ]
        param_groups.set_all(optimizer, knob, values)

    def _warn_past_end(self, step: int) -> None:
        assert self.horizon is not None
        if step >= self.horizon.total_steps and not self._warned_past_end:
            self._warned_past_end = True
            warnings.warn(
                f"step {step} is past the schedule's {self.horizon.total_steps} steps: "
                "its last value holds from here",
                stacklevel=2,
            )


def active_schedule(trainer: Trainer) -> Schedule | None:
    """The schedule of the learning rate that a callback of `trainer` writes; None without one."""
    for callback in trainer.callbacks:  # type: ignore[attr-defined]
        if isinstance(callback, ParamScheduler) and callback.schedule is not None:
            return callback.schedule
    return None


def _moves_lr(callback: object, optimizer: int) -> bool:
    if isinstance(callback, ParamScheduler):
        return callback._plans["lr"] is not None and callback.optimizer == optimizer
    return type(callback).__name__ == "StochasticWeightAveraging"


def _scaled(horizon: Horizon, share: float) -> Horizon:
    """The horizon of a group that has `share` of the largest group's rate."""

    def part(rate: float | None) -> float | None:
        return None if rate is None else rate * share

    return replace(
        horizon, lr=part(horizon.lr), min_lr=part(horizon.min_lr), max_lr=part(horizon.max_lr)
    )
