"""StageRun: the stages of one fine-tuning run, entered, measured, written, recorded and resumed."""

import logging
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from torch import nn

from lrtool import optimizers, param_groups
from lrtool._check import require
from lrtool.callbacks._freezer import Freezer
from lrtool.callbacks._horizon import Position, horizon_of
from lrtool.callbacks._lightning import Trainer
from lrtool.callbacks.range_test import LRRangeTest
from lrtool.errors import UnsupportedError
from lrtool.fine_tuning import (
    Rates,
    Stage,
    layer_shares,
    range_test_steps,
    stage_rates,
    start_epochs,
)
from lrtool.result import RangeTestResult
from lrtool.schedules import Horizon, Schedule, constant, join, resolve
from lrtool.stage_record import StageRecord

__all__ = ["StageRun"]

_log = logging.getLogger(__name__)


class StageRun:
    """What a recipe does to one optimizer in one fit. The Trainer is passed in, never kept.

    Args:
        optimizer: its groups are split by layer, never added to; they keep their own ratios.
        index: which of the Trainer's optimizers it is.
        model: whose parameters the layer groups hold.
        groups: every parameter in one of them, input side first.
        stages: what to do, in order.
        layer_decay: each layer group's rate over the next one's; see `layer_shares`.
        finder: measures before the stages that ask for it.
        fits: whether the range test is as long as the stage lets it be, not as the finder says.

    Attributes:
        records: what each stage measured and used so far.
        schedule: the stage's, from its own first step; None before the first stage.

    Raises:
        ArgumentError: when the optimizer lacks a parameter.
    """

    def __init__(
        self,
        optimizer: Any,
        index: int,
        model: nn.Module,
        groups: Sequence[Sequence[nn.Parameter]],
        stages: Sequence[Stage],
        layer_decay: float | None,
        finder: LRRangeTest,
        fits: bool,
    ) -> None:
        self.records: list[StageRecord] = []
        self.schedule: Schedule | None = None
        self._index = index
        self._stages = stages
        self._finder = finder
        self._fits = fits
        self._freezer = Freezer(model, groups)
        self._own_lr = param_groups.get(optimizer, "lr") or 0.0
        self._shares = _split(optimizer, groups, layer_decay)
        self._starts: list[int] = []
        self._stage = -1

    @property
    def whole_schedule(self) -> Schedule | None:
        """The head's rate as a function of the Trainer's step; None before the first stage."""
        if self.schedule is None or self.records[-1].step == 0:
            return self.schedule
        lead = constant(self.schedule(0))
        return join([lead, self.schedule], boundaries=[self.records[-1].step])

    def begin(self, trainer: Trainer, saved: Mapping[str, Any]) -> None:
        """Refuse stages that do not fit the run; go on where a checkpoint stopped.

        Args:
            trainer: at `on_train_start`.
            saved: a `state_dict`, or nothing for a run from the start.
        """
        # A dry run has one batch: enough for the first stage.
        dry = bool(trainer.fast_dev_run)  # type: ignore[attr-defined]
        self._starts = [0] if dry else start_epochs(self._stages, _epochs(trainer))
        if saved:
            self._resume(trainer, saved)
            # Resumed from the last batch of an epoch, Lightning begins the next one without
            # `on_train_epoch_start`.
            self.enter_due(trainer, started=False)

    def enter_due(self, trainer: Trainer, *, started: bool) -> None:
        """Enter the stage that the present epoch belongs to, unless that has been done.

        Args:
            trainer: before the epoch's first batch.
            started: whether the epoch has started; see `LRRangeTest.measure`.
        """
        due = max(i for i, start in enumerate(self._starts) if start <= trainer.current_epoch)
        if due != self._stage:
            self._enter(trainer, due, started)

    def write(self, trainer: Trainer) -> None:
        """Write the rates of the Trainer's present step; hold what is frozen."""
        assert self.schedule is not None
        self._freezer.hold()
        self._write(trainer, self.schedule(trainer.global_step - self.records[-1].step))

    def state_dict(self) -> dict[str, Any]:
        """Plain scalars, lists and strings: the records and the stage."""
        return {"stage": self._stage, "records": [one.to_dict() for one in self.records]}

    def give_back(self) -> None:
        """Every layer as free as it was."""
        self._freezer.give_back()

    def _enter(self, trainer: Trainer, index: int, started: bool) -> None:
        stage = self._stages[index]
        self._freezer.train_last(stage.groups)
        trained, frozen = self._freezer.count()
        require(
            trained > 0, f"a parameter that trains in stage {stage.name!r}",
            "what was frozen before the recipe stays frozen: leave the head free", frozen=frozen,
        )  # fmt: skip
        before = self.records[-1] if self.records else None
        self._write(trainer, before.lr if before else self._own_lr)
        horizon = self._horizon(trainer, index, trainer.global_step, trainer.current_epoch)
        result = self._measure(trainer, horizon.total_steps, started) if stage.measures else None
        rates, reason = stage_rates(stage, result, before, self._own_lr)
        horizon = _with_rates(horizon, rates)
        self._stage = index
        self.schedule = resolve(stage.schedule, horizon)
        record = StageRecord(
            stage=stage.name, epoch=trainer.current_epoch, step=trainer.global_step,
            steps=horizon.total_steps, groups=self._freezer.trained_groups, trained=trained,
            frozen=frozen, lr=rates[0], min_lr=rates[1], max_lr=rates[2],
            lowest_share=self._lowest_share(trainer), schedule=repr(self.schedule), reason=reason,
            result=result,
        )  # fmt: skip
        self.records.append(record)
        self.write(trainer)
        _log.info(str(record))
        _warn_of_cut_cycle(stage, self.schedule, horizon)
        _warn_of_rise(self.schedule, trainer.optimizers[self._index])

    def _measure(self, trainer: Trainer, steps: int, started: bool) -> RangeTestResult:
        """The range test before a stage of `steps`."""
        if self._fits:
            num_steps, max_steps = range_test_steps(steps)
            config = replace(self._finder.config, num_steps=num_steps, max_steps=max_steps)
            self._finder.config = config
        return self._finder.measure(trainer, started=started)

    def _horizon(self, trainer: Trainer, index: int, step: int, epoch: int) -> Horizon:
        """The stage `index`, which begins or began at `step` with `epoch`."""
        run = horizon_of(trainer, None, Position(step, epoch))
        left = run.total_steps - step
        epochs = self._stages[index].epochs
        if index < len(self._stages) - 1 and epochs is not None:
            assert run.steps_per_epoch is not None
            left = min(left, round(epochs * run.steps_per_epoch))
        return replace(run, total_steps=max(1, left))

    def _resume(self, trainer: Trainer, saved: Mapping[str, Any]) -> None:
        self._stage = saved["stage"]
        self.records = [StageRecord.from_dict(one) for one in saved["records"]]
        if not self.records:
            return
        last, stage = self.records[-1], self._stages[self._stage]
        self._freezer.train_last(stage.groups)
        horizon = self._horizon(trainer, self._stage, last.step, last.epoch)
        horizon = _with_rates(horizon, (last.lr, last.min_lr, last.max_lr))
        self.schedule = resolve(stage.schedule, horizon)
        self.records[-1] = replace(last, steps=horizon.total_steps, schedule=repr(self.schedule))

    def _write(self, trainer: Trainer, lr: float) -> None:
        param_groups.set_value(trainer.optimizers[self._index], "lr", lr, self._shares)

    def _lowest_share(self, trainer: Trainer) -> float:
        return min(
            share
            for share, group in zip(
                self._shares, trainer.optimizers[self._index].param_groups, strict=True
            )
            if any(parameter.requires_grad for parameter in group["params"])
        )


def _split(
    optimizer: Any, groups: Sequence[Sequence[nn.Parameter]], layer_decay: float | None
) -> list[float]:
    """Split the optimizer's groups by layer; each one's share of the head's rate."""
    can = optimizers.capabilities_of(optimizer)
    if not can.group_rates:
        raise UnsupportedError(
            "FineTuneRecipe gives each layer a rate of its own, which cannot be with "
            f"{can.name}: {can.group_rates.reason}; use 'adamw'"
        )
    held = sum(len(group["params"]) for group in optimizer.param_groups)
    missing = sum(len(group) for group in groups) - held
    require(
        missing <= 0, "an optimizer that holds every parameter from the start",
        "pass it all parameters, frozen ones included", missing=missing,
    )  # fmt: skip
    layer = {id(p): index for index, group in enumerate(groups) for p in group}
    labels = param_groups.split(optimizer, lambda p: layer.get(id(p), len(groups) - 1))
    by_layer = layer_shares(len(groups), layer_decay)
    own = param_groups.ratios(optimizer, "lr")
    return [share * by_layer[label] for share, label in zip(own, labels, strict=True)]


def _with_rates(horizon: Horizon, rates: Rates) -> Horizon:
    return replace(horizon, lr=rates[0], min_lr=rates[1], max_lr=rates[2])


def _epochs(trainer: Trainer) -> int:
    """How many epochs the run has, the last perhaps cut by max_steps."""
    run = horizon_of(trainer)
    if run.steps_per_epoch is None:
        raise UnsupportedError(
            "stages are counted in epochs, and this training data has no length; set "
            "limit_train_batches on the Trainer"
        )
    by_steps = -(-run.total_steps // int(run.steps_per_epoch))
    limit = trainer.max_epochs
    return by_steps if limit in (None, -1) else min(by_steps, int(limit or 0))


def _warn_of_cut_cycle(stage: Stage, schedule: Schedule, horizon: Horizon) -> None:
    last = schedule.cycle(horizon.total_steps - 1)
    if last is not None and last.end > horizon.total_steps and last.index > 0:
        done = (horizon.total_steps - last.start) / (last.end - last.start)
        warnings.warn(
            f"the last cycle of stage {stage.name!r} is cut after {done:.0%} of its length, at a "
            "high rate; change max_epochs, cycle_len or cycle_mult so that cycles end with the run",
            stacklevel=2,
        )


def _warn_of_rise(schedule: Schedule, optimizer: Any) -> None:
    can = optimizers.capabilities_of(optimizer)
    if schedule.cycle(0) is not None and not can.cycle:
        warnings.warn(
            f"{can.name} does not bear a rate that rises again: {can.cycle.reason}", stacklevel=2
        )
