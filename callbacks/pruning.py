"""TrialPruning: reports a training to an Optuna trial, and ends it when it is hopeless."""

from math import isfinite
from typing import Any

import optuna
import torch
from optuna.storages import InMemoryStorage
from optuna.trial import BaseTrial

from lrtool._check import integer, one_of
from lrtool.callbacks._lightning import Callback, LightningModule, Trainer
from lrtool.errors import ArgumentError, UnsupportedError

__all__ = ["VERDICT", "TrialPruning"]

VERDICT = "lrtool:verdict"
_FINITE_EVERY = 10  # on an accelerator, looking at a loss waits for the step to end


class TrialPruning(Callback):  # type: ignore[misc, unused-ignore]
    """Reports `monitor` to an Optuna trial at each validation check, by optimizer step.

    Sanity checks are never reported; several checks an epoch are all kept. One process reports and
    asks the pruner; its answer goes to all. A loss that is not finite ends the trial too. The end
    is `trainer.should_stop` on every rank, and `optuna.TrialPruned` once the fit is over; when the
    ranks are processes that the Trainer started and ended, call `raise_if_pruned()` after `fit`.

    Args:
        trial: Optuna's; with several processes its storage must be one that they share. One without
            a study (`FixedTrial`, `study.best_trial`) repeats a trial and is never hopeless.
        monitor: name of a logged metric.
        mode: "min" or "max": which check counts as best.
        every_n_steps: report training metrics as well, every so many optimizer steps; None reports
            at validation checks only.
        reports: False only watches for the best value and for divergence.

    Attributes:
        best_value: the best value so far; None before the first check.
        reason: why the trial was ended; None when it was not.

    Raises:
        ArgumentError: when an argument is out of range, or `monitor` is not logged.
        UnsupportedError: when processes do not share the trial's storage, or the study has several
            objectives.
    """

    def __init__(
        self,
        trial: BaseTrial,
        monitor: str = "val_loss",
        *,
        mode: str = "min",
        every_n_steps: int | None = None,
        reports: bool = True,
    ) -> None:
        super().__init__()
        one_of("mode", mode, ("min", "max"))
        if every_n_steps is not None:
            integer(1, every_n_steps=every_n_steps)
        study = _study_of(trial)
        if study is not None and len(study.directions) > 1:
            raise UnsupportedError(
                f"pruning needs one objective, got {len(study.directions)}: a trial cannot be "
                "hopeless in two ways at once; combine them into one metric"
            )
        self.trial = trial
        self.monitor = monitor
        self.mode = mode
        self.every_n_steps = every_n_steps
        self.reports = reports
        self.only_fits = True  # whether a `trainer.validate` by itself is no check
        self.best_value: float | None = None
        self.last_value: float | None = None
        self.last_step: int | None = None
        self.reason: str | None = None
        self._reported = _known_steps(trial)
        self._ended_apart = False

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Refuse a storage that the trial's processes would each have their own copy of."""
        self.reason = None
        self._ended_apart = "MultiProcessing" in type(trainer.strategy.launcher).__name__
        storage = getattr(self.trial, "storage", None)
        if self._ended_apart and isinstance(storage, InMemoryStorage):
            raise UnsupportedError(
                "trials over several processes need a storage that they share, got an in-memory "
                "study; give storage='study.journal'"
            )

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Refuse a run in which nothing would be reported."""
        if self.reports and self.every_n_steps is None and not trainer.enable_validation:
            raise UnsupportedError(
                f"TrialPruning reports {self.monitor!r} at validation checks, and this training "
                "has none; give validation data and a validation_step, or every_n_steps="
            )

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Report a check."""
        if trainer.sanity_checking or (self.only_fits and trainer.state.fn != "fit"):
            return
        value = trainer.callback_metrics.get(self.monitor)
        if value is None:
            if self.every_n_steps is not None:
                return  # a metric of training: no business of a validation check
            known = ", ".join(sorted(trainer.callback_metrics)) or "none"
            raise ArgumentError(
                f"monitor must be a logged metric, got {self.monitor!r}; logged: {known}"
            )
        self._report(trainer, float(value))

    def on_train_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
    ) -> None:
        """Look at the loss, and report a training metric where that was asked for."""
        step = trainer.global_step
        if not trainer.is_last_batch and (batch_idx + 1) % trainer.accumulate_grad_batches:
            return
        on_cpu = trainer.strategy.root_device.type == "cpu"
        if on_cpu or step % _FINITE_EVERY == 0:
            self._check_loss(trainer, outputs)
        if self.every_n_steps is not None and step > 0 and step % self.every_n_steps == 0:
            value = trainer.callback_metrics.get(self.monitor)
            if value is not None:
                self._report(trainer, float(value))

    def on_fit_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """End the trial here, unless this is a process of which the caller sees nothing."""
        if not self._ended_apart:
            self.raise_if_pruned()

    def raise_if_pruned(self) -> None:
        """Raise `optuna.TrialPruned` when the trial was ended, wherever that was decided."""
        reason, study = self.reason, _study_of(self.trial)
        if reason is None and study is not None:  # another process may know, by its own copy of us
            stored = study.get_trials(deepcopy=False)[self.trial.number]
            reason = stored.user_attrs.get(VERDICT, {}).get("reason")
        if reason is not None:
            raise optuna.TrialPruned(reason)

    def ends_unchecked(self, trainer: Trainer) -> bool:
        """Whether a fit has ended between two checks, as far as it can be known here."""
        known = not self._ended_apart and trainer.enable_validation
        return known and trainer.global_step != self.last_step

    def state_dict(self) -> dict[str, Any]:
        """The best value, so that a continued trial keeps it."""
        names = ("best_value", "last_value", "last_step")
        return {name: getattr(self, name) for name in names}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Put the best value back."""
        self.best_value = state_dict["best_value"]
        self.last_value = state_dict["last_value"]
        self.last_step = state_dict.get("last_step")

    def _outcome(self) -> str | None:
        best = None if self.best_value is None else f"best {self.best_value:.6g}"
        return self.reason or best

    def _report(self, trainer: Trainer, value: float) -> None:
        step = trainer.global_step
        if not isfinite(value):
            self._stop(trainer, f"diverged: {self.monitor} became {value} at step {step}")
            return
        self.last_value, self.last_step = value, step
        better = self.best_value is None or (
            value < self.best_value if self.mode == "min" else value > self.best_value
        )
        if better:
            self.best_value = value
        hopeless = False
        # Optuna takes one report a step: a check may fall on a step that `every_n_steps` has
        # reported, and a trial that repeats another has its reports.
        if trainer.is_global_zero and self.reports and step not in self._reported:
            self._reported.add(step)
            self.trial.report(value, step)
            hopeless = self.trial.should_prune()
        if trainer.strategy.broadcast(hopeless, src=0):
            self._stop(trainer, f"pruned: {self.monitor} {value:.6g} at step {step} is hopeless")
        elif self._ended_apart and trainer.is_global_zero:
            self._tell_parent()

    def _check_loss(self, trainer: Trainer, outputs: Any) -> None:
        loss = outputs.get("loss") if isinstance(outputs, dict) else outputs
        finite = not isinstance(loss, torch.Tensor) or bool(torch.isfinite(loss).all())
        if not trainer.strategy.reduce_boolean_decision(finite, all=True):
            self._stop(trainer, f"diverged: the loss is not finite at step {trainer.global_step}")

    def _stop(self, trainer: Trainer, reason: str) -> None:
        if self.reason is not None:
            return
        self.reason = reason
        trainer.should_stop = True
        if trainer.is_global_zero:
            self._tell_parent()

    def _tell_parent(self) -> None:
        """Leave what the trial's process knows where the process that started it can read it."""
        if self._ended_apart:
            verdict = {"reason": self.reason, "best_value": self.best_value}
            self.trial.set_user_attr(VERDICT, verdict)


def _known_steps(trial: BaseTrial) -> set[int]:
    """The steps that have been reported, by the trial that this one repeats."""
    study = _study_of(trial)
    if study is None:
        return set()
    return set(study.get_trials(deepcopy=False)[trial.number].intermediate_values)


def _study_of(trial: BaseTrial) -> optuna.Study | None:
    """The study that `trial` belongs to; None for one that only repeats known parameters."""
    return getattr(trial, "study", None)
