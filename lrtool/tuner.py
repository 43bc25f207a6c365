"""The one-line entry points, on top of everything."""

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from lrtool.errors import ArgumentError
from lrtool.result import RangeTestResult

if TYPE_CHECKING:
    from optuna.pruners import BasePruner

    from lrtool.callbacks._lightning import LightningModule
    from lrtool.search.measured import Knobs
    from lrtool.search.prior import Belief
    from lrtool.search.result import TuneResult
    from lrtool.search.sampler import BaseLike
    from lrtool.search.storage import StorageLike

__all__ = ["range_test", "tune"]


def range_test(
    model: "LightningModule",
    data: Any,
    *,
    trainer_kwargs: Mapping[str, Any] | None = None,
    **options: Any,
) -> RangeTestResult:
    """Run one LR range test on `model` and leave it as it was.

    The Trainer is made here: one device, no logger, no checkpoints, no file.

    Args:
        model: a LightningModule; its `configure_optimizers` names the optimizer to sweep.
        data: a LightningDataModule, a training loader, or a pair (training, validation) of loaders.
        trainer_kwargs: arguments for the Trainer, for example `{"precision": "bf16-mixed"}`.
        **options: arguments of `lrtool.callbacks.LRRangeTest`, for example `num_steps=200`.

    Returns:
        What was measured and what it suggests. Nothing is applied to the model.

    Raises:
        ArgumentError: when an option breaks its rule.
        UnsupportedError: when the model cannot be swept, before the first step.
    """
    from lrtool.callbacks._borrow_data import dataset_parts
    from lrtool.callbacks._lightning import namespace_of
    from lrtool.callbacks.range_test import LRRangeTest
    from lrtool.snapshot import RandomState, Snapshot

    if "then" in options or "apply" in options:
        raise ArgumentError(
            "lrtool.range_test only measures, got apply= or then=; "
            "put LRRangeTest among the callbacks of your own Trainer to train on"
        )
    finder = LRRangeTest(apply=False, then="stop", **options)
    lightning = namespace_of(model)
    options = {**_QUIET, **(trainer_kwargs or {})}
    others = options.pop("callbacks", None) or []
    others = [others] if not isinstance(others, list | tuple) else list(others)
    trainer = lightning.Trainer(**options, callbacks=[finder, *others])
    # Opening the loaders draws from their generators, and from the global ones.
    loaders, random_state = Snapshot(*dataset_parts(data)), RandomState()
    try:
        if isinstance(data, lightning.LightningDataModule):
            trainer.fit(model, datamodule=data)
        elif isinstance(data, tuple):
            trainer.fit(model, *data)
        else:
            trainer.fit(model, data)
    finally:
        loaders.restore()
        random_state.restore()
    if finder.result is None:
        raise ArgumentError("the training data must hold at least one batch, got none")
    return finder.result


_QUIET: dict[str, Any] = {
    "devices": 1,
    "max_epochs": 1,
    "num_sanity_val_steps": 0,
    "logger": False,
    "enable_checkpointing": False,
    "enable_progress_bar": False,
    "enable_model_summary": False,
}


def tune(
    model_fn: "Callable[[], LightningModule]",
    data: Any,
    *,
    monitor: str = "val_loss",
    mode: Literal["min", "max"] = "min",
    schedules: Iterable[str] = ("one_cycle",),
    n_trials: int = 20,
    max_epochs: int | None = None,
    max_steps: int | None = None,
    storage: "StorageLike | None" = None,
    study_name: str | None = None,
    sampler: "BaseLike | None" = None,
    pruner: "str | BasePruner | None" = None,
    seed: int | None = None,
    range_test: RangeTestResult | Literal[False] | None = None,
    priors: "Mapping[str, Belief] | None" = None,
    trainer_kwargs: Mapping[str, Any] | None = None,
    out_dir: str | Path | None = None,
    keep: Literal["all", "best"] = "all",
    progress_bar: bool = True,
) -> "TuneResult":
    """Search peak rate, momentum, weight decay and the schedule's parameters, from a measurement.

    One range test measures the rate; it becomes the prior of an Optuna study whose first trial is
    the measured rate itself. Run again with the same `storage` and `study_name`, on any machine and
    by any number of processes at once, the study goes on with all it was made with.

    Args:
        model_fn: () -> LightningModule, a new one for each trial; the class itself will often do.
        data: a LightningDataModule, a loader, a pair (training, validation), or a function that
            makes one of these.
        monitor: a metric logged in validation; a trial's value is its best check.
        mode: "min" or "max". There is one objective.
        schedules: names in `lrtool.search.SCHEDULES`.
        n_trials: the study's total, over restarts and workers.
        max_epochs: epochs of a trial.
        max_steps: optimizer steps of a trial.
        storage: a path (an Optuna journal file, the default), `postgresql://…`, `mysql://…`,
            `sqlite:///…`, `grpc://host:port`, `memory://`, or an Optuna storage.
        study_name: names the study; by default "tune".
        sampler: what the prior weights: "pibo" (default), "priorband", "tpe", "gp", "cmaes",
            "random", or one of Optuna's.
        pruner: "none" (default), "median", "rungs" (a ninth, a third, all of the steps, each a
            whole schedule, the best third going on), or a pruner of Optuna's.
        seed: makes a search with one worker identical; every trial starts from it.
        range_test: a measurement to use; None measures once a study; False measures nothing, and
            without `priors` the sampler then searches wide bounds (LR 1e-7 to 10) unaided.
        priors: beliefs that replace the measured ones, for example
            `{"max_lr": LogNormal(1e-3, factor=3), "weight_decay": 0.01}`; a number fixes.
        trainer_kwargs: more arguments for each trial's Trainer; callbacks are copied.
        out_dir: a folder a trial for its checkpoints goes here, and the journal file by default;
            "lrtool-tune" unless given.
        keep: "all" trials' checkpoints, or only the "best" trial's.
        progress_bar: whether to show one, on a terminal.

    Raises:
        ArgumentError: when an argument is out of range or contradicts the study's.
        UnsupportedError: when the module has several optimizers, or no trial could train.
    """
    from lrtool.callbacks.objective import build_objective
    from lrtool.search.define import define
    from lrtool.search.search import search

    folder = Path("lrtool-tune" if out_dir is None else out_dir)
    objective = build_objective(
        model_fn,
        data,
        monitor=monitor,
        mode=mode,
        max_epochs=max_epochs,
        max_steps=max_steps,
        trainer_kwargs=trainer_kwargs,
        out_dir=folder,
        keep=keep,
        seed=seed,
    )
    return search(
        objective,
        lambda: define(
            _knobs(model_fn, seed),
            lambda: _measured(model_fn, data, trainer_kwargs, seed, progress_bar),
            range_test=range_test,
            schedules=schedules,
            priors=priors,
        ),
        storage=folder / "study.journal" if storage is None else storage,
        study_name=study_name or "tune",
        n_trials=n_trials,
        monitor=monitor,
        mode=mode,
        seed=seed,
        sampler=sampler,
        pruner=pruner,
        settings={
            "schedules": list(schedules),
            "max_epochs": max_epochs,
            "max_steps": max_steps,
        },
        out_dir=folder,
        progress_bar=progress_bar,
    )


def _knobs(model_fn: "Callable[[], LightningModule]", seed: int | None) -> "Knobs":
    """The optimizer's, from a model of its own."""
    from lrtool.callbacks.objective import knobs_of, seeded

    with seeded(seed):
        return knobs_of(model_fn)


def _measured(
    model_fn: "Callable[[], LightningModule]",
    data: Any,
    trainer_kwargs: Mapping[str, Any] | None,
    seed: int | None,
    progress_bar: bool,
) -> RangeTestResult:
    """The study's one range test, on a model of its own."""
    from lrtool._quiet import quiet
    from lrtool.callbacks._terminal_bar import TerminalBar
    from lrtool.callbacks.objective import seeded

    not_for_sweeps = {"callbacks", "max_epochs", "max_steps", "logger", "enable_progress_bar"}
    kwargs = {k: v for k, v in (trainer_kwargs or {}).items() if k not in not_for_sweeps}
    kwargs["callbacks"] = [TerminalBar()] if progress_bar else []
    with seeded(seed), quiet():
        return range_test(model_fn(), data() if callable(data) else data, trainer_kwargs=kwargs)
