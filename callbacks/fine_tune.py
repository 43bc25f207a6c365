"""FineTuneRecipe: transfer learning in stages, each measured before it trains."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from lrtool import optimizers
from lrtool._check import integer, require
from lrtool.callbacks._layers import LayerNames, layer_groups_of
from lrtool.callbacks._lightning import Callback, LightningModule, Trainer
from lrtool.callbacks._optimizer_of import optimizer_of
from lrtool.callbacks._rivals import refuse_rivals
from lrtool.callbacks._stage_run import StageRun
from lrtool.callbacks.range_test import LRRangeTest
from lrtool.errors import UnsupportedError
from lrtool.fine_tuning import Stage, layer_shares, standard_stages
from lrtool.result import RangeTestResult
from lrtool.schedules import Schedule
from lrtool.stage_record import StageRecord, records_table

__all__ = ["FineTuneRecipe"]


class FineTuneRecipe(Callback):  # type: ignore[misc, unused-ignore]
    r"""Transfer learning as a recipe: measure and train the head, thaw, measure again, train on.

        lr_l(k) = schedule(k - start) * layer_decay^(L - 1 - l),   l = 0 .. L - 1 from the input

    where L is the number of layer groups, `start` the stage's first step, and `schedule` has the
    rates that the stage's own range test measured: the head's falls from one, a cycle peaks at
    another. Frozen layers get no gradient, and their batch statistics stand still. The optimizer
    must hold all parameters from the start; its groups are split by layer, never added to, and keep
    their own ratios on top.

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
        range_test: arguments for `LRRangeTest`, for example `{"num_steps": 50}`. With no length and
            no range among them, a test has 50 to 300 steps, the fewer the shorter its stage.
        optimizer: which of the Trainer's optimizers.

    Raises:
        ArgumentError: when an argument breaks its rule, a name is not a submodule, or the stages do
            not fit the run.
        UnsupportedError: under several processes, with another scheduler of the same rate, or with
            an optimizer that has one rate only or that no range test can judge.

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
        lengths = {"num_steps", "max_steps", "min_lr", "max_lr"}
        self._fits = not lengths & set(range_test or {})
        self._saved: dict[str, Any] = {}
        self._run: StageRun | None = None

    @property
    def state_key(self) -> str:
        """One recipe an optimizer."""
        return self._generate_state_key(optimizer=self.optimizer)

    # -- Lightning's hooks -----------------------------------------------------------------------

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Forget the last fit."""
        if stage == "fit":
            self._run = None

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Find the layers; split the optimizer's groups by them, before its state is restored."""
        if trainer.world_size > 1:
            raise UnsupportedError(
                "FineTuneRecipe works in one process, where layers can be frozen and thawed, got "
                f"world_size={trainer.world_size}; use devices=1"
            )
        optimizer = optimizers.guard(optimizer_of(trainer, self.optimizer))
        refuse_rivals(self, trainer, optimizer)
        groups = layer_groups_of(pl_module, self.body, self.head, self.layer_groups)
        stages = self.stages or standard_stages(num_groups=len(groups), **self._standard)
        if any(stage.measures for stage in stages):
            self._finder.on_fit_start(trainer, pl_module)
        self._run = StageRun(
            optimizer, self.optimizer, pl_module, groups, stages, self.layer_decay,
            self._finder, self._fits,
        )  # fmt: skip

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Refuse a recipe that does not fit the run; go on where a checkpoint stopped."""
        saved, self._saved = self._saved, {}
        self._stages_now.begin(trainer, saved)

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Enter the stage that begins with this epoch."""
        self._stages_now.enter_due(trainer, started=True)

    def on_train_batch_start(
        self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int
    ) -> None:
        """Write this step's rates."""
        self._stages_now.write(trainer)

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Write the next step's rates, for a monitor that reads before this callback's turn."""
        self._stages_now.write(trainer)

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Give the layers back."""
        self._stages_now.give_back()

    def on_exception(
        self, trainer: Trainer, pl_module: LightningModule, exception: BaseException
    ) -> None:
        """Give the layers back."""
        if self._run is not None:
            self._run.give_back()

    def state_dict(self) -> dict[str, Any]:
        """Plain scalars, lists and strings: the records and the stage."""
        return {} if self._run is None else self._run.state_dict()

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Keep what a checkpoint remembers until training starts."""
        self._saved = dict(state_dict)

    # -- what it did -----------------------------------------------------------------------------

    @property
    def records(self) -> list[StageRecord]:
        """What each stage measured and used so far."""
        return [] if self._run is None else self._run.records

    @property
    def result(self) -> RangeTestResult | None:
        """The newest range test; None before the first."""
        return next((one.result for one in reversed(self.records) if one.result), None)

    @property
    def schedule(self) -> Schedule | None:
        """The head's rate as a function of the Trainer's step; None before the first stage."""
        return None if self._run is None else self._run.whole_schedule

    def report(self, path: str | Path) -> Path:
        """Write one page: a table of the stages, and every range test."""
        from lrtool.report import (
            environment_section,
            range_test_section,
            table_section,
            write_report,
        )

        header, rows = records_table(self.records)
        tests = [
            range_test_section(one.result, f"Range test before “{one.stage}”")
            for one in self.records
            if one.result is not None
        ]
        sections = [table_section("Stages", header, rows), *tests, environment_section()]
        return write_report(path, sections, title="Fine-tuning")

    def __str__(self) -> str:
        return "\n".join(str(one) for one in self.records) or "FineTuneRecipe: not run yet"

    def _repr_html_(self) -> str:
        from lrtool.report import table_section

        return table_section("Stages", *records_table(self.records)).html

    def _outcome(self) -> str | None:
        if not self.records:
            return None
        last = self.records[-1]
        return f"stage {last.stage!r} from epoch {last.epoch}, lr {last.lr:.3g}"

    def _step(self, trainer: Trainer) -> int:
        """Where on `schedule` the run stands."""
        return int(trainer.global_step)

    @property
    def _stages_now(self) -> StageRun:
        assert self._run is not None
        return self._run
