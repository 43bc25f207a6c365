"""build_objective: a training function for the search, from a model and data."""

import copy
import random
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from shutil import rmtree
from tempfile import mkdtemp
from typing import Any, Literal

import numpy as np
import torch

from lrtool import optimizers, param_groups
from lrtool._quiet import quiet
from lrtool.callbacks._horizon import horizon_of
from lrtool.callbacks._lightning import (
    Callback,
    LightningModule,
    Trainer,
    lightning_modules,
    namespace_of,
)
from lrtool.callbacks.pruning import VERDICT, TrialPruning
from lrtool.callbacks.schedule import ParamScheduler
from lrtool.errors import ArgumentError, UnsupportedError
from lrtool.search.measured import Knobs
from lrtool.search.plan import lr_plan, momentum_plan
from lrtool.search.pruners import REDUCTION, rungs_of
from lrtool.search.report import Interrupted, Report
from lrtool.search.result import CHECKPOINT
from lrtool.snapshot import RandomState

FOLDER = "lrtool:folder"

__all__ = ["Objective", "build_objective", "knobs_of", "seeded"]

_QUIET: dict[str, Any] = {
    "logger": False,
    "enable_progress_bar": False,
    "enable_model_summary": False,
    "num_sanity_val_steps": 0,
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
        folder = self._folder(report) if share == 1 else None
        halt = _Halt(report)
        with seeded(self.seed), quiet():
            model = _made(self.model_fn)
            _offer_hparams(model, params)
            lightning = namespace_of(model)
            callbacks = [
                _Shorten(share),
                *copy.deepcopy(_listed(self.trainer_kwargs.get("callbacks"))),
                _scheduler(params),
                pruning,
                *self._checkpoints(lightning, folder),
                halt,
            ]
            trainer = lightning.Trainer(
                **{**_QUIET, **self.trainer_kwargs, "callbacks": callbacks},
                enable_checkpointing=folder is not None,
            )
            _refuse_scripts(trainer)
            data = self.data() if callable(self.data) else self.data
            with _interrupts_pass(trainer):
                trainer.fit(model, **_loaders(data), ckpt_path=_newest(folder))
            if share < 1 and pruning.reason is None and not halt.reached:
                # It ends where its schedule does, which need not be where a check is due.
                trainer.validate(model, **_loaders(data, "validate"), verbose=False)
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
        best = None if folder is None else next(iter(sorted(folder.glob("best*.ckpt"))), None)
        if best is not None and folder is not None:
            report.trial.set_user_attr(CHECKPOINT, str(best))
            self._drop_losers(report, folder, value)
        return float(value)

    def _folder(self, report: Report) -> Path | None:
        if self.out_dir is None:
            return None
        # A repeated trial finds the folder of the one it repeats, with its last checkpoint.
        known = report.trial.user_attrs.get(FOLDER)
        if known is not None:
            return Path(known)
        parent = Path(self.out_dir) / report.trial.study.study_name
        parent.mkdir(parents=True, exist_ok=True)
        folder = Path(mkdtemp(prefix=f"trial-{report.trial.number:04d}-", dir=parent))
        report.trial.set_user_attr(FOLDER, str(folder))
        return folder

    def _checkpoints(self, lightning: Any, folder: Path | None) -> list[Any]:
        if folder is None:
            return []
        return [
            lightning.callbacks.ModelCheckpoint(
                dirpath=folder,
                filename="best",
                monitor=self.monitor,
                mode=self.mode,
                save_top_k=1,
                save_last=True,
                enable_version_counter=False,
            )
        ]

    def _drop_losers(self, report: Report, folder: Path, value: float) -> None:
        if self.keep == "all":
            return
        sign = 1 if self.mode == "min" else -1
        values = {
            trial.user_attrs[FOLDER]: sign * trial.value
            for trial in report.trial.study.get_trials(deepcopy=False)
            if FOLDER in trial.user_attrs and trial.state.is_finished() and trial.value is not None
        }
        values[str(folder)] = sign * value
        best = min(values.values())
        for loser in [name for name, other in values.items() if other > best]:
            rmtree(loser, ignore_errors=True)


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
    """
    limits = {"max_epochs": max_epochs, "max_steps": max_steps}
    kwargs = {**(trainer_kwargs or {}), **{k: v for k, v in limits.items() if v is not None}}
    folder = None if out_dir is None else Path(out_dir)
    return Objective(model_fn, data, monitor, mode, kwargs, folder, keep, seed)


def knobs_of(model_fn: Callable[[], LightningModule]) -> Knobs:
    """Build a model and its optimizer once, and read where the knobs stand.

    Raises:
        ArgumentError: when `model_fn` does not make a LightningModule.
        UnsupportedError: when the module does not configure exactly one optimizer.
    """
    model = _made(model_fn)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # no Trainer yet: Lightning warns of what is not asked here
        configured = model.configure_optimizers()
    optimizer = _only(configured)
    momentum = param_groups.get(optimizer, "momentum")
    group, can = optimizer.param_groups[0], optimizers.capabilities_of(optimizer)
    known = {} if can.momentum_prior is None else {"momentum_prior": can.momentum_prior}
    return Knobs(
        lr=float(param_groups.get(optimizer, "lr") or 1e-3),
        momentum=momentum,
        weight_decay=param_groups.get(optimizer, "weight_decay"),
        accumulates=param_groups.momentum_key(group) == "momentum" and not group.get("dampening"),
        optimizer=type(optimizer).__name__,
        swept=bool(can.range_test),
        weight_decay_prior=can.weight_decay_prior,
        **known,
    )


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


def _made(model_fn: Callable[[], LightningModule]) -> LightningModule:
    model = model_fn()
    if not isinstance(model, tuple(module.LightningModule for module in lightning_modules())):
        raise ArgumentError(
            f"model_fn() must give a LightningModule, got a {type(model).__name__}; give the "
            "function or class that makes one, not a model"
        )
    return model


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


def _loaders(data: Any, stage: str = "fit") -> dict[str, Any]:
    """`data` as the arguments of `Trainer.fit` or `Trainer.validate`."""
    if isinstance(data, tuple(module.LightningDataModule for module in lightning_modules())):
        return {"datamodule": data}
    train, val = data if isinstance(data, tuple | list) else (data, None)
    if stage == "validate":
        return {"dataloaders": val}
    return {"train_dataloaders": train, "val_dataloaders": val}


def _newest(folder: Path | None) -> Path | None:
    path = None if folder is None else folder / "last.ckpt"
    return path if path is not None and path.exists() else None


def _refuse_scripts(trainer: Any) -> None:
    if "SubprocessScript" in type(trainer.strategy.launcher).__name__:
        raise UnsupportedError(
            f"a search needs a strategy that starts and ends its processes with each trial, got "
            f"{type(trainer.strategy).__name__} started as scripts, of which each would run a "
            "search of its own; use strategy='ddp_spawn' or 'ddp_fork'"
        )


def _only(configured: Any) -> Any:
    """The one optimizer in what configure_optimizers returned."""
    found = configured
    if isinstance(found, Mapping):
        found = found["optimizer"]
    if isinstance(found, tuple | list) and found and isinstance(found[0], tuple | list):
        found = found[0]
    if isinstance(found, tuple | list) and len(found) == 1:
        found = found[0]
        found = found["optimizer"] if isinstance(found, Mapping) else found
    if not hasattr(found, "param_groups"):
        raise UnsupportedError(
            f"a search needs a module with exactly one optimizer, got {type(configured).__name__} "
            "from configure_optimizers"
        )
    return found


def _listed(callbacks: Any) -> list[Any]:
    if callbacks is None:
        return []
    return list(callbacks) if isinstance(callbacks, list | tuple) else [callbacks]


@contextmanager
def _interrupts_pass(trainer: Any) -> Iterator[None]:
    """Lightning makes Ctrl-C an exit of the whole program; the search wants to end its trial."""
    try:
        yield
    except SystemExit as error:
        if trainer.interrupted:
            raise KeyboardInterrupt from error
        raise


@contextmanager
def seeded(seed: int | None) -> Iterator[None]:
    """Every random generator at `seed` inside, and as it was outside; None leaves them alone."""
    if seed is None:
        yield
        return
    outside = RandomState()
    random.seed(seed)
    np.random.seed(seed % 2**32)
    torch.manual_seed(seed)
    try:
        yield
    finally:
        outside.restore()
