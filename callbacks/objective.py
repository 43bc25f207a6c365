"""build_objective: a training function for the search, from a model and data."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from lrtool._check import require
from lrtool._quiet import quiet
from lrtool.callbacks._fit import QUIET, copied_callbacks, fit, validate
from lrtool.callbacks._horizon import horizon_of
from lrtool.callbacks._lightning import Callback, LightningModule, Trainer, namespace_of
from lrtool.callbacks._new_model import new_model, seeded
from lrtool.callbacks._trial_folder import (
    BEST,
    best_kept,
    checkpoints,
    drop_losers,
    folder_for,
    newest,
)
from lrtool.callbacks.pruning import VERDICT, TrialPruning
from lrtool.callbacks.schedule import ParamScheduler
from lrtool.errors import ArgumentError, UnsupportedError
from lrtool.search.plan import lr_plan, momentum_plan
from lrtool.search.pruners import REDUCTION, rungs_of
from lrtool.search.report import Interrupted, Report

__all__ = ["Objective", "build_objective"]

# A trial runs on the devices that a Trainer of the user's would, and may keep checkpoints.
_QUIET = {
    name: value for name, value in QUIET.items() if name not in {"devices", "enable_checkpointing"}
}


@dataclass(frozen=True)
class Objective:
    """`objective(params, report) -> value`: one training, with `params` written by callbacks.

    Args:
        model_fn: () -> LightningModule, a new one each time.
        data: a LightningDataModule, a training loader, a pair (training, validation) of loaders, or
            a function that makes one of these.
        monitor: the metric whose best check is the value.
        mode: "min" or "max".
        trainer_kwargs: arguments for the Trainer; its callbacks are copied for each trial.
        out_dir: each trial keeps its checkpoints in a folder of its own there; None keeps none.
        keep: "all" trials' folders, or only the "best" so far's.
        seed: of each training; None leaves the random state alone.
    """

    model_fn: Callable[[], LightningModule]
    data: Any
    monitor: str = "val_loss"
    mode: Literal["min", "max"] = "min"
    trainer_kwargs: Mapping[str, Any] = field(default_factory=dict)
    out_dir: Path | None = None
    keep: Literal["all", "best"] = "all"
    seed: int | None = None

    def __call__(self, params: dict[str, Any], report: Report) -> float:
        """Train once, or on rungs until the pruner says no; return the best check's value."""
        shares = rungs_of(report.trial.study)
        known = report.trial.study.get_trials(deepcopy=False)[report.trial.number]
        for rung, share in enumerate(shares[:-1]):
            step = REDUCTION**rung
            if step not in known.intermediate_values:  # a repeated trial has them
                report(step, self._trained(params, report, share, alone=False))
        return self._trained(params, report, shares[-1], alone=len(shares) == 1)

    def _trained(
        self, params: dict[str, Any], report: Report, share: float, *, alone: bool
    ) -> float:
        """One training for a share of the steps, under a complete schedule."""
        pruning = TrialPruning(report.trial, self.monitor, mode=self.mode, reports=alone)
        folder = None
        if share == 1 and self.out_dir is not None:
            folder = folder_for(report.trial, self.out_dir)
        halt = _Halt(report)
        with seeded(self.seed), quiet():
            model = new_model(self.model_fn)
            _offer_hparams(model, params)
            lightning = namespace_of(model)
            callbacks = [
                _Shorten(share),
                *copied_callbacks(self.trainer_kwargs),
                _scheduler(params),
                pruning,
                *checkpoints(lightning, folder, self.monitor, self.mode),
                halt,
            ]
            ours = {"callbacks": callbacks, "enable_checkpointing": folder is not None}
            trainer = lightning.Trainer(**{**_QUIET, **self.trainer_kwargs, **ours})
            _refuse_scripts(trainer)
            data = self.data() if callable(self.data) else self.data
            with _interrupts_pass(trainer):
                fit(trainer, model, data, ckpt_path=newest(folder))
            ended = pruning.reason is None and not halt.reached
            if ended and (share < 1 or pruning.ends_unchecked(trainer)):
                # It ends where its schedule does, which need not be where a check is due.
                pruning.only_fits, before = False, pruning.best_value
                validate(trainer, model, data)
                if folder is not None and pruning.best_value != before:
                    trainer.save_checkpoint(folder / BEST)
        pruning.raise_if_pruned()
        if halt.reached:
            if folder is not None:
                trainer.save_checkpoint(folder / "last.ckpt")
            raise Interrupted
        return self._value(report, pruning, folder)

    def _value(self, report: Report, pruning: TrialPruning, folder: Path | None) -> float:
        value = pruning.best_value
        if value is None:  # the check was in a process that is gone
            trial = report.trial.study.get_trials(deepcopy=False)[report.trial.number]
            value = trial.user_attrs.get(VERDICT, {}).get("best_value")
        if value is None:
            raise ArgumentError(
                f"monitor must be checked at least once in a trial, got no {self.monitor!r}; give "
                "validation data, and train for at least one epoch or set val_check_interval"
            )
        if folder is not None and best_kept(report.trial, folder) and self.keep == "best":
            drop_losers(report.trial.study, {str(folder): float(value)})
        return float(value)


def build_objective(
    model_fn: Callable[[], LightningModule],
    data: Any,
    *,
    monitor: str = "val_loss",
    mode: Literal["min", "max"] = "min",
    max_epochs: int | None = None,
    max_steps: int | None = None,
    trainer_kwargs: Mapping[str, Any] | None = None,
    out_dir: str | Path | None = None,
    keep: Literal["all", "best"] = "all",
    seed: int | None = None,
) -> Objective:
    """Make a training function for `lrtool.search`.

    Args:
        model_fn: () -> LightningModule, a new one each time.
        data: a LightningDataModule, loaders, or a function that makes them.
        monitor: the metric whose best check is the value.
        mode: "min" or "max".
        max_epochs: epochs of a training.
        max_steps: optimizer steps of a training.
        trainer_kwargs: more arguments for the Trainer.
        out_dir: where trials keep their checkpoints.
        keep: "all" trials' folders, or only the "best" so far's.
        seed: of each training.

    Raises:
        ArgumentError: when `trainer_kwargs` says whether checkpoints are kept.
    """
    require(
        "enable_checkpointing" not in (trainer_kwargs or {}),
        "trainer_kwargs without enable_checkpointing",
        "leave it out: each trial keeps its checkpoints in out_dir, as keep= says",
        trainer_kwargs=trainer_kwargs,
    )
    limits = {"max_epochs": max_epochs, "max_steps": max_steps}
    kwargs = {**(trainer_kwargs or {}), **{k: v for k, v in limits.items() if v is not None}}
    folder = None if out_dir is None else Path(out_dir)
    return Objective(model_fn, data, monitor, mode, kwargs, folder, keep, seed)


class _Shorten(Callback):  # type: ignore[misc, unused-ignore]
    """Ends a training after a share of its steps; first in the list, so that schedules see it."""

    def __init__(self, share: float) -> None:
        super().__init__()
        self.share = share

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Set the limit once the whole length is known."""
        if self.share < 1:
            total = horizon_of(trainer).total_steps
            trainer.fit_loop.epoch_loop.max_steps = max(1, round(self.share * total))


class _Halt(Callback):  # type: ignore[misc, unused-ignore]
    """Stops a training when its worker was asked to stop."""

    def __init__(self, report: Report) -> None:
        super().__init__()
        self.report = report
        self.reached = False

    def on_train_batch_end(self, trainer: Trainer, *_: Any) -> None:
        """Look at the request after each batch."""
        if self.report.stop_requested:
            self.reached = True
            trainer.should_stop = True


def _scheduler(params: Mapping[str, Any]) -> ParamScheduler:
    return ParamScheduler(
        lr=lr_plan(params),
        momentum=momentum_plan(params),
        weight_decay=params.get("weight_decay"),
    )


def _offer_hparams(model: LightningModule, params: Mapping[str, Any]) -> None:
    """Write the rate and its companions to hyperparameters of those names, where there are any."""
    names = {
        "lr": "max_lr",
        "learning_rate": "max_lr",
        "max_lr": "max_lr",
        "momentum": "momentum",
        "weight_decay": "weight_decay",
    }
    for name, source in names.items():
        if name in model.hparams and params.get(source) is not None:
            model.hparams[name] = params[source]


def _refuse_scripts(trainer: Any) -> None:
    if "SubprocessScript" in type(trainer.strategy.launcher).__name__:
        raise UnsupportedError(
            f"a search needs a strategy that starts and ends its processes with each trial, got "
            f"{type(trainer.strategy).__name__} started as scripts, of which each would run a "
            "search of its own; use strategy='ddp_spawn' or 'ddp_fork'"
        )


@contextmanager
def _interrupts_pass(trainer: Any) -> Iterator[None]:
    """Lightning makes Ctrl-C an exit of the whole program; the search wants to end its trial."""
    try:
        yield
    except SystemExit as error:
        if trainer.interrupted:
            raise KeyboardInterrupt from error
        raise
