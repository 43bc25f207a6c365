"""LRRangeTest: measure how the loss answers to the learning rate, and leave no trace."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Literal

from lrtool import optimizers, param_groups
from lrtool._check import integer, one_of, require
from lrtool.callbacks._announce import announce
from lrtool.callbacks._borrow import Loan, borrowed
from lrtool.callbacks._group_sweep import (
    Job,
    check_groups,
    combined,
    group_jobs,
    silent_groups,
    untested_together,
)
from lrtool.callbacks._horizon import check_schedulers_of
from lrtool.callbacks._lightning import Callback, LightningModule, Trainer, callbacks_of
from lrtool.callbacks._log_result import log_result
from lrtool.callbacks._progress import sweep_bar
from lrtool.callbacks._range_test_context import (
    capped,
    check_trainer,
    context_of,
    lost_between_ranks,
    tell,
    trained_along,
    warn_if_elsewhere,
)
from lrtool.callbacks._rebase import check_schedulers, rebase
from lrtool.callbacks._same_model import SameModel
from lrtool.result import RangeTestResult
from lrtool.snapshot import Where
from lrtool.suggest import SUGGESTERS, Suggester, suggest
from lrtool.sweep import Sweep, SweepConfig
from lrtool.types import StopReason

__all__ = ["LRRangeTest"]


class LRRangeTest(Callback):  # type: ignore[misc, unused-ignore]
    r"""LR range test inside a Trainer: sweep the rate upwards, read off the best, put all back.

        lr_i = min_lr (max_lr / min_lr)^(i / (n - 1)),   i = 0 .. n - 1,   n = num_steps

    Each step is the Trainer's own: its precision, accumulation, clipping and strategy. Afterwards
    the model, the optimizer, the random state, the data and the Trainer are as they were, bit for
    bit; then the suggested rate is applied.

    Args:
        min_lr: lowest rate, above zero; None lets the sweep choose.
        max_lr: highest rate; None goes on until the loss diverges. Given both, exactly that range
            is swept in exactly num_steps.
        num_steps: optimizer steps of the first pass, at least 2.
        max_steps: optimizer steps in all.
        suggester: a name in `lrtool.suggest.SUGGESTERS`, or a function of the `LossCurve`.
        apply: write the suggestion to the optimizer, its schedulers and the hyperparameters.
        repeats: passes pooled into one curve, each from the same weights.
        early_stop: end a pass when the loss diverges; None or False takes every step.
        then: "train" goes on training, "stop" ends the fit after the sweep.
        on_resume: "skip" leaves a run resumed from a checkpoint alone, "run" sweeps from its state.
        at_epochs: epochs before which to sweep.
        optimizer: index of the optimizer to sweep; others step along at their own rates.
        snapshot: where the copy of weights and optimizer state lives, "cpu" or "device".
        val_batches: take the loss not from the training batches but, before each step and in eval
            mode, from this many validation batches, always the same; 0 for none.
        monitor: with val_batches, the metric to take, as `validation_step` logs it; None takes the
            loss that `validation_step` returns.
        mode: whether less ("min") or more ("max") of the monitored metric is better; with "max"
            the curve shows its negative.
        per_group: measure a rate for each parameter group: sweep it by itself from the same
            weights, the others held at zero, with up to max_steps each. Together these rates may be
            too high: put a second LRRangeTest behind it, which sweeps all at their ratios.
            Otherwise all are swept together, and keep the ratios they have.

    Attributes:
        result: the last `RangeTestResult`; None before the first sweep.

    Raises:
        ArgumentError: when an argument breaks its rule.

    References:
        Smith, "Cyclical learning rates for training neural networks", WACV 2017, section 3.3.

    >>> finder = LRRangeTest(num_steps=50)
    >>> # Trainer(callbacks=[finder]).fit(model, data); finder.result.lr
    """

    measures_lr = True
    label = "LRRangeTest"  # what warnings call it

    def __init__(
        self,
        *,
        min_lr: float | None = None,
        max_lr: float | None = None,
        num_steps: int = 100,
        max_steps: int = 300,
        suggester: str | Suggester = "auto",
        apply: bool = True,
        repeats: int = 1,
        early_stop: bool | None = True,
        then: Literal["train", "stop"] = "train",
        on_resume: Literal["skip", "run"] = "skip",
        at_epochs: Sequence[int] = (0,),
        optimizer: int = 0,
        snapshot: Where = "cpu",
        val_batches: int = 0,
        monitor: str | None = None,
        mode: Literal["min", "max"] = "min",
        per_group: bool = False,
    ) -> None:
        super().__init__()
        integer(0, "it is an index", optimizer=optimizer)
        integer(0, "0 takes the training batches' loss", val_batches=val_batches)
        require(
            monitor is None or val_batches > 0, "val_batches > 0 with a monitor",
            "it is measured on validation batches", monitor=monitor, val_batches=val_batches,
        )  # fmt: skip
        one_of("mode", mode, ("min", "max"))
        require(
            mode == "min" or monitor is not None, 'mode="min" without a monitor',
            "name the metric to maximize", mode=mode,
        )  # fmt: skip
        require(
            isinstance(at_epochs, Sequence), "a sequence of epochs",
            "(3,) sweeps before the epoch of index 3", at_epochs=at_epochs,
        )  # fmt: skip
        for epoch in at_epochs:
            integer(0, "epochs are counted from 0", at_epochs=epoch)
        one_of("then", then, ("train", "stop"))
        one_of("on_resume", on_resume, ("skip", "run"))
        one_of("snapshot", snapshot, ("cpu", "device"))
        if not callable(suggester):
            one_of("suggester", suggester, SUGGESTERS)
        self.config = SweepConfig(
            min_lr=min_lr,
            max_lr=max_lr,
            num_steps=num_steps,
            max_steps=max_steps,
            repeats=repeats,
            early_stop=early_stop,
        )
        self.suggester = suggester
        self.apply = apply
        self.then = then
        self.on_resume = on_resume
        self.at_epochs = tuple(at_epochs)
        self.optimizer = optimizer
        self.snapshot = snapshot
        self.val_batches = val_batches
        self.monitor = monitor
        self.mode = mode
        self.per_group = per_group
        self.result: RangeTestResult | None = None
        self._model = SameModel()
        self._goes_on = False
        self._swept_epoch: int | None = None
        self._minimum: tuple[int | None, int | None] | None = None

    @property
    def state_key(self) -> str:
        """One an optimizer; and one that measures its groups may stand before one of them all."""
        return self._generate_state_key(optimizer=self.optimizer, per_group=self.per_group)

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Forget what was measured for another training."""
        if stage == "fit":
            self._goes_on = self._model.goes_on(trainer, pl_module)
            if not self._goes_on:
                self.result = None

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Refuse what cannot work, before anything is computed."""
        self._swept_epoch = None
        check_trainer(trainer, self.optimizer)
        if self.per_group:
            check_groups(trainer.optimizers[self.optimizer])
        if self.apply:
            optimizers.guard(trainer.optimizers[self.optimizer])
            check_schedulers(self._schedulers(trainer))

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Sweep, if this is a start that asks for it."""
        # The batch-size finder, too, goes through a checkpoint; but its is one of step 0.
        resumed = trainer.ckpt_path is not None and trainer.global_step > 0
        epoch = trainer.current_epoch if self._goes_on else 0  # another model's epochs do not count
        due = self.on_resume == "run" if resumed else epoch in self.at_epochs
        self._swept_epoch = trainer.current_epoch
        if due:
            check_schedulers_of(trainer)
            self._run(trainer, started=False)
        elif self.result is None:
            return
        elif not resumed and self.result.applied:  # a second fit, whose optimizer is a new one
            self._apply(trainer, self.result)
        elif resumed and trainer.is_global_zero:
            warn_if_elsewhere(trainer, self.result)

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Sweep again, before the epochs that ask for it."""
        epoch = trainer.current_epoch
        if epoch in self.at_epochs and epoch != self._swept_epoch:
            self._swept_epoch = epoch
            self._run(trainer, started=True)

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Put the minimum lengths back that stopping had to set aside."""
        if self._minimum is not None:
            loop = trainer.fit_loop
            loop.min_epochs, loop.epoch_loop.min_steps = self._minimum
            self._minimum = None

    def state_dict(self) -> dict[str, Any]:
        """The applied result, for a resumed run to read; nothing when nothing was applied."""
        if self.result is None or not self.result.applied:
            return {}
        return {"result": self.result.to_dict()}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take the checkpoint's result."""
        self.result = RangeTestResult.from_dict(state_dict["result"])

    def _outcome(self) -> str | None:
        if self.result is None:
            return None
        rates = f"lr {self.result.lr:.3g}, cycle {self.result.min_lr:.3g}..{self.result.max_lr:.3g}"
        found = rates if self.result.suggestion.has_pick else "no pick"
        return f"{found} [{self.result.suggestion.status.value}]"

    def measure(self, trainer: Trainer, *, started: bool) -> RangeTestResult:
        """Sweep now, before the epoch that `trainer` is about to train; for other callbacks.

        Args:
            trainer: at `on_train_start` or `on_train_epoch_start`; `on_fit_start` of this callback
                came before.
            started: whether this is `on_train_epoch_start`.
        """
        self._run(trainer, started=started)
        assert self.result is not None
        return self.result

    def _run(self, trainer: Trainer, *, started: bool) -> None:
        self.result = None
        jobs = self._jobs(trainer)
        context = {**context_of(trainer, self.optimizer), "loss": self._loss_name()}
        try:
            loan = self._sweep(trainer, jobs, started)
        except KeyboardInterrupt:
            for job in jobs:
                job.sweep.interrupt()
            self.result = self._read(trainer, jobs, context)
            raise
        result, data = self._read(trainer, jobs, context), loan.data
        advice = (
            *data.left_out,
            *loan.step.diagnosis.sentences,
            *silent_groups(result),
            *untested_together(self, result, callbacks_of(trainer)),
            *trained_along(trainer, result),
        )
        lost = loan.not_restored if self.apply else loan.not_restored + lost_between_ranks(trainer)
        self.result = replace(result, not_restored=lost, diagnosis=(*data.remarks, *advice))
        if trainer.is_global_zero:
            tell(trainer, self.result, wanted=self.apply, advice=advice, label=self.label)
        if self.result.applied:  # a run that nothing is applied to gets no trace of it logged
            log_result(trainer, self.result)
            self._apply(trainer, self.result)
        if self.then == "stop":
            self._stop(trainer)

    def _loss_name(self) -> str:
        """What the curve shows, for its axis."""
        if self.val_batches == 0:
            return "training loss"
        name = self.monitor or "validation loss"
        return name if self.mode == "min" else f"-{name}"

    def _jobs(self, trainer: Trainer) -> list[Job]:
        """What to sweep: all groups together, or one after the other."""
        optimizer = trainer.optimizers[self.optimizer]
        config = capped(self.config, trainer, self.optimizer)
        if self.per_group:
            return group_jobs(optimizer, config)
        return [Job(Sweep(config), param_groups.ratios(optimizer, "lr"))]

    def _sweep(self, trainer: Trainer, jobs: Sequence[Job], started: bool) -> Loan:
        with (
            sweep_bar(trainer) as bar,
            borrowed(
                trainer,
                started=started,
                optimizer=self.optimizer,
                where=self.snapshot,
                val_batches=self.val_batches,
                monitor=self.monitor,
                mode=self.mode,
            ) as loan,
        ):
            for job in jobs:
                if job is not jobs[0]:
                    loan.rewind()
                while (rung := job.sweep.next()) is not None:
                    if rung.restart:
                        loan.rewind()
                    try:
                        loss = loan.step(rung.lr, job.ratio)
                    except StopIteration:  # the data ran out for good
                        loss = None
                    if loss is None or loan.step.called_back:
                        for left in jobs:
                            left.sweep.interrupt()
                        break
                    job.sweep.update(loss)
                    bar.step(rung.lr, loss, sum(one.sweep.num_steps for one in jobs))
            bar.end(jobs[-1].sweep.curve())
        return loan

    def _read(
        self, trainer: Trainer, jobs: Sequence[Job], context: dict[str, Any]
    ) -> RangeTestResult:
        curves = [job.sweep.curve() for job in jobs]
        found = [
            RangeTestResult(
                curve, suggest(curve, self.suggester, optimizer=context["optimizer"]), context
            )
            for curve in curves
        ]
        result = found[0]
        if self.per_group:
            groups = {str(job.group): one for job, one in zip(jobs, found, strict=True)}
            result = combined(trainer.optimizers[self.optimizer], groups)
        ended = all(curve.stop_reason is not StopReason.INTERRUPTED for curve in curves)
        return replace(result, applied=self.apply and result.suggestion.has_pick and ended)

    def _apply(self, trainer: Trainer, result: RangeTestResult) -> None:
        optimizer = trainer.optimizers[self.optimizer]
        schedulers = self._schedulers(trainer)
        applied = rebase(optimizer, schedulers, result)
        if len(trainer.optimizers) == 1:
            announce(trainer, applied)

    def _stop(self, trainer: Trainer) -> None:
        """End the fit before its next batch, minimum lengths or not."""
        loop = trainer.fit_loop
        self._minimum = (loop.min_epochs, loop.epoch_loop.min_steps)
        loop.min_epochs, loop.epoch_loop.min_steps = 0, None
        trainer.should_stop = True

    def _schedulers(self, trainer: Trainer) -> list[Any]:
        """The configured schedulers of the swept optimizer."""
        optimizer = trainer.optimizers[self.optimizer]
        configured = [config.scheduler for config in trainer.lr_scheduler_configs]
        return [one for one in configured if getattr(one, "optimizer", optimizer) is optimizer]
