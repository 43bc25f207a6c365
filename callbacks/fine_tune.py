"""FineTuneRecipe: transfer learning in stages, each measured before it trains."""

import logging
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal, TypeAlias

from lrtool import optimizers, param_groups
from lrtool._check import integer, require
from lrtool.callbacks._freezer import Freezer
from lrtool.callbacks._horizon import Position, horizon_of
from lrtool.callbacks._layers import LayerNames, layer_groups_of
from lrtool.callbacks._lightning import Callback, LightningModule, Trainer
from lrtool.callbacks._rivals import refuse_rivals
from lrtool.callbacks.range_test import LRRangeTest
from lrtool.errors import UnsupportedError
from lrtool.fine_tuning import (
    Stage,
    StageRecord,
    layer_shares,
    records_table,
    standard_stages,
    start_epochs,
)
from lrtool.result import RangeTestResult
from lrtool.schedules import Horizon, Schedule, constant, join, resolve

__all__ = ["FineTuneRecipe"]

_log = logging.getLogger("lrtool")
_Rates: TypeAlias = tuple[float, float, float]


class FineTuneRecipe(Callback):  # type: ignore[misc, unused-ignore]
    r"""Transfer learning as a recipe: measure and train the head, thaw, measure again, train on.

        lr_l(k) = schedule(k - start) * layer_decay^(L - 1 - l),   l = 0 .. L - 1 from the input

    where L is the number of layer groups, `start` the stage's first step, and `schedule` peaks at
    what the stage's own range test measured. Frozen layers get no gradient, and their batch
    statistics stand still. The optimizer must hold all parameters from the start; its groups are
    split by layer, never added to, and keep their own ratios on top.

    Args:
        body: name(s) of the pretrained submodules, such as "backbone"; its layers are found from
            the module tree. None: everything but the head.
        head: name(s) of the new submodules. None: everything but the body.
        layer_groups: in place of both: names (or lists of names) of submodules, input side first,
            the head last. Parameters in none of them join the head.
        stages: the recipe as data; by default `lrtool.fine_tuning.standard_stages` of the five
            arguments that follow.
        head_epochs: epochs of the head alone; 0 leaves the stage out.
        unfreeze: "at_once", or "gradual": one more layer group each `thaw_epochs`.
        thaw_epochs: epochs of each step of a gradual thaw.
        cycle_len: epochs of the first cycle once all train; None makes one cycle of the rest.
        cycle_mult: each cycle's length over the one before.
        layer_decay: each layer group's rate over the next one's, in (0, 1]; 1 / 2.6 is ULMFiT's.
            None makes the first layers' rate a third of the head's.
        measure: whether each stage begins with a range test; without one it takes the optimizer's
            own rate.
        range_test: arguments for `LRRangeTest`, for example `{"num_steps": 50}`.
        optimizer: which of the Trainer's optimizers.

    Attributes:
        records: what each stage measured and used so far.
        result: the newest range test; None before the first.

    Raises:
        ArgumentError: when an argument breaks its rule, a name is not a submodule, or the stages do
            not fit the run.
        UnsupportedError: under several processes, or with another scheduler of the same rate.

    References:
        Howard and Ruder, "Universal language model fine-tuning for text classification", ACL 2018,
        sections 3.2 and 3.3. Smith, "Cyclical learning rates", WACV 2017, section 3.3.

    >>> recipe = FineTuneRecipe(head="head", head_epochs=2, cycle_len=1, cycle_mult=2)
    >>> # Trainer(max_epochs=2 + 1 + 2 + 4, callbacks=[recipe]).fit(model, data); print(recipe)
    """

    measures_lr = True
    schedules_lr = True

    def __init__(
        self,
        *,
        body: LayerNames | None = None,
        head: LayerNames | None = None,
        layer_groups: Sequence[LayerNames] | None = None,
        stages: Sequence[Stage] | None = None,
        head_epochs: int = 1,
        unfreeze: Literal["at_once", "gradual"] = "at_once",
        thaw_epochs: int = 1,
        cycle_len: int | None = None,
        cycle_mult: float = 2.0,
        layer_decay: float | None = None,
        measure: bool = True,
        range_test: Mapping[str, Any] | None = None,
        optimizer: int = 0,
    ) -> None:
        super().__init__()
        named = body is not None or head is not None
        require(
            named != (layer_groups is not None), "either body/head or layer_groups",
            "name the pretrained part or the new one: FineTuneRecipe(head='head')",
            body=body, head=head, layer_groups=layer_groups,
        )  # fmt: skip
        integer(0, optimizer=optimizer)
        layer_shares(2, layer_decay)
        options: dict[str, Any] = {
            "head_epochs": head_epochs, "unfreeze": unfreeze, "thaw_epochs": thaw_epochs,
            "cycle_len": cycle_len, "cycle_mult": cycle_mult, "measure": measure,
        }  # fmt: skip
        standard_stages(num_groups=3, **options)  # refuse bad values now
        self._standard = options
        self.body = body
        self.head = head
        self.layer_groups = layer_groups
        self.stages = None if stages is None else tuple(stages)
        self.layer_decay = layer_decay
        self.optimizer = optimizer
        require(
            "per_group" not in (range_test or {}), "range_test without per_group",
            "the recipe's rates by layer are set by layer_decay", range_test=range_test,
        )  # fmt: skip
        self._finder = LRRangeTest(**{**(range_test or {}), "apply": False, "optimizer": optimizer})
        self._saved: dict[str, Any] = {}
        self._reset()

    def _reset(self) -> None:
        self.records: list[StageRecord] = []
        self.result: RangeTestResult | None = None
        self._plan: tuple[Stage, ...] = ()
        self._starts: list[int] = []
        self._stage = -1
        self._stage_schedule: Schedule | None = None
        self._freezer: Freezer | None = None
        self._shares: list[float] = []
        self._own_lr = 0.0

    @property
    def state_key(self) -> str:
        """One recipe an optimizer."""
        return f"{type(self).__qualname__}{{'optimizer': {self.optimizer}}}"

    # -- Lightning's hooks -----------------------------------------------------------------------

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Forget the last fit."""
        if stage == "fit":
            self._reset()

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Find the layers; split the optimizer's groups by them, before its state is restored."""
        if trainer.world_size > 1:
            raise UnsupportedError(
                "FineTuneRecipe works in one process, where layers can be frozen and thawed, got "
                f"world_size={trainer.world_size}; use devices=1"
            )
        require(
            self.optimizer < len(trainer.optimizers), "optimizer < len(trainer.optimizers)",
            optimizer=self.optimizer, optimizers=len(trainer.optimizers),
        )  # fmt: skip
        swept = optimizers.guard(trainer.optimizers[self.optimizer])
        refuse_rivals(self, trainer, swept)
        can = optimizers.capabilities_of(swept)
        if not can.group_rates:
            raise UnsupportedError(
                "FineTuneRecipe gives each layer a rate of its own, which cannot be with "
                f"{can.name}: {can.group_rates.reason}; use 'adamw'"
            )
        groups = layer_groups_of(pl_module, self.body, self.head, self.layer_groups)
        self._freezer = Freezer(pl_module, groups)
        self._plan = self.stages or standard_stages(num_groups=len(groups), **self._standard)
        if any(stage.measure and stage.lr is None for stage in self._plan):
            self._finder.on_fit_start(trainer, pl_module)
        self._own_lr = param_groups.get(swept, "lr") or 0.0
        self._split(swept, groups)

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Refuse a recipe that does not fit the run; go on where a checkpoint stopped."""
        # A dry run has one batch: enough for the first stage.
        dry = bool(trainer.fast_dev_run)  # type: ignore[attr-defined]
        self._starts = [0] if dry else start_epochs(self._plan, _epochs(trainer))
        if self._saved:
            self._resume(trainer)
            # Resumed from the last batch of an epoch, Lightning begins the next one without
            # `on_train_epoch_start`.
            self._enter_due(trainer, started=False)

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Enter the stage that begins with this epoch."""
        self._enter_due(trainer, started=True)

    def on_train_batch_start(
        self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int
    ) -> None:
        """Write this step's rates."""
        self._write_step(trainer)

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Write the next step's rates, for a monitor that reads before this callback's turn."""
        self._write_step(trainer)

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Give the layers back."""
        self._give_back()

    def on_exception(
        self, trainer: Trainer, pl_module: LightningModule, exception: BaseException
    ) -> None:
        """Give the layers back."""
        self._give_back()

    def state_dict(self) -> dict[str, Any]:
        """Plain scalars, lists and strings: the records and the stage."""
        return {"stage": self._stage, "records": [one.to_dict() for one in self.records]}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Keep what a checkpoint remembers until training starts."""
        self._saved = dict(state_dict)

    # -- what it did -----------------------------------------------------------------------------

    @property
    def schedule(self) -> Schedule | None:
        """The head's rate as a function of the Trainer's step; None before the first stage."""
        inner = self._stage_schedule
        if inner is None or self.records[-1].step == 0:
            return inner
        return join([constant(inner(0)), inner], boundaries=[self.records[-1].step])

    def _step(self, trainer: Trainer) -> int:
        """Where on `schedule` the run stands."""
        return int(trainer.global_step)

    def report(self, path: str | Path) -> Path:
        """Write one page: a table of the stages, and every range test."""
        from lrtool.report import range_test_section, table_section, write_report

        header, rows = records_table(self.records)
        tests = [
            range_test_section(one.result, f"Range test before “{one.stage}”")
            for one in self.records
            if one.result is not None
        ]
        return write_report(
            path, [table_section("Stages", header, rows), *tests], title="Fine-tuning"
        )

    def __str__(self) -> str:
        return "\n".join(str(one) for one in self.records) or "FineTuneRecipe: not run yet"

    def _repr_html_(self) -> str:
        from lrtool.report import table_section

        return table_section("Stages", *records_table(self.records)).html

    # -- stages ----------------------------------------------------------------------------------

    def _split(self, optimizer: Any, groups: Sequence[Sequence[Any]]) -> None:
        layer = {id(p): index for index, group in enumerate(groups) for p in group}
        labels = param_groups.split(optimizer, lambda p: layer.get(id(p), len(groups) - 1))
        by_layer = layer_shares(len(groups), self.layer_decay)
        own = param_groups.ratios(optimizer, "lr")
        self._shares = [share * by_layer[label] for share, label in zip(own, labels, strict=True)]
        held = sum(len(group["params"]) for group in optimizer.param_groups)
        missing = sum(len(group) for group in groups) - held
        require(
            missing <= 0, "an optimizer that holds every parameter from the start",
            "pass it all parameters, frozen ones included", missing=missing,
        )  # fmt: skip

    def _enter_due(self, trainer: Trainer, *, started: bool) -> None:
        due = max(i for i, start in enumerate(self._starts) if start <= trainer.current_epoch)
        if due != self._stage:
            self._enter(trainer, due, started)

    def _enter(self, trainer: Trainer, index: int, started: bool) -> None:
        assert self._freezer is not None
        stage = self._plan[index]
        self._freezer.train_last(stage.groups)
        before = self.records[-1] if self.records else None
        self._write(trainer, before.lr if before else self._own_lr)
        measures = stage.measure and stage.lr is None
        result = self._finder.measure(trainer, started=started) if measures else None
        self.result = result or self.result
        rates, reason = self._rates(stage, result, before)
        horizon = self._horizon(trainer, index, trainer.global_step, trainer.current_epoch)
        horizon = _with_rates(horizon, rates)
        self._stage = index
        self._stage_schedule = schedule = resolve(stage.schedule, horizon)
        trained, frozen = self._freezer.count()
        record = StageRecord(
            stage=stage.name, epoch=trainer.current_epoch, step=trainer.global_step,
            steps=horizon.total_steps, groups=self._freezer.trained_groups, trained=trained,
            frozen=frozen, lr=rates[0], min_lr=rates[1], max_lr=rates[2],
            lowest_share=self._lowest_share(trainer), schedule=repr(schedule), reason=reason,
            result=result,
        )  # fmt: skip
        self.records.append(record)
        self._write_step(trainer)
        _log.info(str(record))
        _warn_of_cut_cycle(stage, schedule, horizon)

    def _rates(
        self, stage: Stage, result: RangeTestResult | None, before: StageRecord | None
    ) -> tuple[_Rates, str]:
        if stage.lr is not None:
            return (stage.lr, stage.lr / 4, stage.lr), "the rate was given"
        if result is not None and result.suggestion.has_pick:
            rates = (result.lr, result.min_lr, result.max_lr)
            return rates, f"measured: {result.suggestion.status.value}"
        lr, origin = (before.lr, "the stage before") if before else (self._own_lr, "the optimizer")
        why = "not measured" if result is None else f"no pick ({result.suggestion.reason})"
        return (lr, lr / 4, lr), f"{why}: the rate of {origin}"

    def _horizon(self, trainer: Trainer, index: int, step: int, epoch: int) -> Horizon:
        """The stage `index`, which begins or began at `step` with `epoch`."""
        run = horizon_of(trainer, None, Position(step, epoch))
        left = run.total_steps - step
        epochs = self._plan[index].epochs
        if index < len(self._plan) - 1 and epochs is not None:
            assert run.steps_per_epoch is not None
            left = min(left, round(epochs * run.steps_per_epoch))
        return replace(run, total_steps=max(1, left))

    def _resume(self, trainer: Trainer) -> None:
        assert self._freezer is not None
        self._stage = self._saved["stage"]
        self.records = [StageRecord.from_dict(one) for one in self._saved["records"]]
        self._saved = {}
        if not self.records:
            return
        last, stage = self.records[-1], self._plan[self._stage]
        self.result = next((r.result for r in reversed(self.records) if r.result), None)
        self._freezer.train_last(stage.groups)
        horizon = self._horizon(trainer, self._stage, last.step, last.epoch)
        horizon = _with_rates(horizon, (last.lr, last.min_lr, last.max_lr))
        self._stage_schedule = schedule = resolve(stage.schedule, horizon)
        self.records[-1] = replace(last, steps=horizon.total_steps, schedule=repr(schedule))

    def _write_step(self, trainer: Trainer) -> None:
        assert self._stage_schedule is not None
        self._write(trainer, self._stage_schedule(trainer.global_step - self.records[-1].step))

    def _write(self, trainer: Trainer, lr: float) -> None:
        param_groups.set_value(trainer.optimizers[self.optimizer], "lr", lr, self._shares)

    def _lowest_share(self, trainer: Trainer) -> float:
        groups = trainer.optimizers[self.optimizer].param_groups
        return min(
            share
            for share, group in zip(self._shares, groups, strict=True)
            if any(parameter.requires_grad for parameter in group["params"])
        )

    def _give_back(self) -> None:
        if self._freezer is not None:
            self._freezer.give_back()


def _with_rates(horizon: Horizon, rates: _Rates) -> Horizon:
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
