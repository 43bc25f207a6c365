"""The one-line entry points, on top of everything."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, overload

from lrtool.result import RangeTestResult

if TYPE_CHECKING:
    from optuna.pruners import BasePruner

    from lrtool.callbacks._lightning import LightningModule
    from lrtool.callbacks.objective import Objective
    from lrtool.families import Family
    from lrtool.family_range_test import Optimizers
    from lrtool.search.bases import BaseLike
    from lrtool.search.beliefs import Belief
    from lrtool.search.measured import Knobs
    from lrtool.search.result import TuneResult
    from lrtool.search.storage import StorageLike

__all__ = ["range_test", "tune"]


@overload
def range_test(
    model: "LightningModule", data: Any, *, weight_decay: Sequence[float], **options: Any
) -> "Family": ...
@overload
def range_test(
    model: "LightningModule", data: Any, *, momentum: Sequence[float], **options: Any
) -> "Family": ...
@overload
def range_test(
    model: "LightningModule", data: Any, *, batch_size: Sequence[int], **options: Any
) -> "Family": ...
@overload
def range_test(
    model: "LightningModule", data: Any, *, optimizer: "Optimizers", **options: Any
) -> "Family": ...
@overload
def range_test(
    model: "LightningModule",
    data: Any,
    *,
    weight_decay: None = None,
    momentum: None = None,
    batch_size: None = None,
    optimizer: int = 0,
    trainer_kwargs: Mapping[str, Any] | None = None,
    **options: Any,
) -> RangeTestResult: ...
def range_test(
    model: "LightningModule",
    data: Any,
    *,
    weight_decay: Sequence[float] | None = None,
    momentum: Sequence[float] | None = None,
    batch_size: Sequence[int] | None = None,
    optimizer: "int | Optimizers" = 0,
    trainer_kwargs: Mapping[str, Any] | None = None,
    **options: Any,
) -> "RangeTestResult | Family":
    """Run an LR range test on `model` and leave it as it was; one a value, given a list of values.

    The Trainer is made here: one device, no logger, no checkpoints, no file. Each value of a list
    starts from the same weights, the same random state and the same training examples.

    Args:
        model: a LightningModule; its `configure_optimizers` names the optimizer to sweep.
        data: a LightningDataModule, a training loader, or a pair (training, validation) of loaders.
        weight_decay: values to compare, each at or above zero; groups keep their ratio.
        momentum: values to compare, each in [0, 1): `momentum`, or `betas[0]` for Adam's kin.
        batch_size: sizes to compare, each at least 1. The examples come in the same order, cut into
            batches of each size; each sweep takes as many steps, the larger sizes more examples.
        optimizer: optimizers to compare in place of the model's own: a list of names (see
            `lrtool.optimizers.names`), or label -> name or function `params -> Optimizer`. Where
            the model's own has several groups, they stay, with their ratios in rate and decay. Or
            the index of the one to sweep, where the model has several.
        trainer_kwargs: arguments for the Trainer, for example `{"precision": "bf16-mixed"}`.
        **options: arguments of `lrtool.callbacks.LRRangeTest`, for example `num_steps=200`.

    Returns:
        What was measured and what it suggests; of a list a `Family`: the range tests by value, the
        value to take and why. Nothing is applied to the model.

    Raises:
        ArgumentError: when an option breaks its rule, or several settings have lists.
        UnsupportedError: when the model cannot be swept, or the data not be cut into other batches.

    References:
        Smith, "A disciplined approach to neural network hyper-parameters: Part 1", 2018, sections
        4.2 to 4.4: batch sizes, momenta and weight decays compared by their range tests.
    """
    lists = (weight_decay, momentum, batch_size)
    if isinstance(optimizer, int) and all(values is None for values in lists):
        from lrtool.callbacks.measure import measure

        return measure(model, data, optimizer=optimizer, trainer_kwargs=trainer_kwargs, **options)
    from lrtool.family_range_test import range_family

    return range_family(
        model,
        data,
        weight_decay=weight_decay,
        momentum=momentum,
        batch_size=batch_size,
        optimizer=optimizer,
        trainer_kwargs=trainer_kwargs,
        **options,
    )


def tune(
    model_fn: "Callable[[], LightningModule]",
    data: Any,
    *,
    monitor: str | None = None,
    mode: Literal["min", "max"] | None = None,
    schedules: str | Iterable[str] | None = None,
    n_trials: int | None = None,
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
    by any number of processes at once, the study goes on with all it was made with: what is left
    out then is as it was, and what contradicts it is refused.

    Args:
        model_fn: () -> LightningModule, a new one for each trial; the class itself will often do.
        data: a LightningDataModule, a loader (or a list or dict of several), a tuple (training,
            validation), or a function that makes one of these.
        monitor: a metric logged in validation, "val_loss" by default; a trial's value is its best
            check.
        mode: "min" (default) or "max". There is one objective.
        schedules: one name or several in `lrtool.search.SCHEDULES`; "one_cycle" by default.
        n_trials: the study's total, over restarts and workers; 20 by default.
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
        range_test: a measurement to use; None measures once a study, or with a seed takes over what
            another study of the storage measured of the same model, data, optimizer and batch size;
            False measures nothing, and without `priors` the sampler then searches wide bounds (LR
            1e-7 to 10) unaided.
        priors: beliefs that replace the measured ones, for example
            `{"max_lr": LogNormal(1e-3, factor=3), "weight_decay": 0.01}`; a number fixes, and a
            `Family` that `range_test` measured over momenta or weight decays is a belief in its
            member to take, as wide as the gap to the next.
        trainer_kwargs: more arguments for each trial's Trainer; callbacks are copied.
        out_dir: a folder a trial for its checkpoints goes here, and the journal file by default;
            "lrtool-tune" unless given.
        keep: "all" trials' checkpoints, or only the "best" trial's.
        progress_bar: whether to show one, on a terminal.

    Raises:
        ArgumentError: when an argument is out of range or contradicts the study's, or the study is
            of another model: of another class, size or optimizer.
        UnsupportedError: when the module has several optimizers, or no trial could train.
    """
    from lrtool.callbacks._trial_folder import drop_losers
    from lrtool.callbacks.objective import build_objective
    from lrtool.search.define import define
    from lrtool.search.search import search

    folder = Path("lrtool-tune" if out_dir is None else out_dir)
    place = folder / "study.journal" if storage is None else storage
    schedules = [schedules] if isinstance(schedules, str) else schedules
    names = None if schedules is None else list(schedules)
    objective = build_objective(
        model_fn,
        data,
        trainer_kwargs=trainer_kwargs,
        out_dir=folder,
        keep=keep,
    )

    def as_stored(settings: Mapping[str, Any]) -> "Objective":
        """The objective by the study's settings: what is left out here is as it was made with."""
        limits = {name: settings[name] for name in ("max_epochs", "max_steps")}
        kwargs = {name: value for name, value in limits.items() if value is not None}
        return replace(
            objective,
            monitor=settings["monitor"],
            mode=settings["mode"],
            seed=settings["seed"],
            trainer_kwargs={**objective.trainer_kwargs, **kwargs},
        )

    result = search(
        objective,
        lambda: define(
            _knobs(model_fn, seed),
            lambda: _measured(model_fn, data, trainer_kwargs, seed, progress_bar, place),
            range_test=range_test,
            schedules=["one_cycle"] if names is None else names,
            priors=priors,
        ),
        storage=place,
        study_name=study_name or "tune",
        n_trials=n_trials,
        monitor=monitor,
        mode=mode,
        seed=seed,
        sampler=sampler,
        pruner=pruner,
        settings={
            "model": _model_in_words(model_fn),
            "schedules": names,
            "max_epochs": max_epochs,
            "max_steps": max_steps,
        },
        as_stored=as_stored,
        out_dir=folder,
        progress_bar=progress_bar,
    )
    if keep == "best":
        drop_losers(result.study)  # the last trial may have failed
    return result


def _model_in_words(model_fn: "Callable[[], LightningModule]") -> str:
    """What the study is of, from a model of its own."""
    from lrtool.callbacks._knobs import model_in_words
    from lrtool.callbacks._new_model import seeded

    with seeded(0):  # what it draws is put back
        return model_in_words(model_fn)


def _knobs(model_fn: "Callable[[], LightningModule]", seed: int | None) -> "Knobs":
    """The optimizer's, from a model of its own."""
    from lrtool.callbacks._knobs import knobs_of
    from lrtool.callbacks._new_model import seeded

    with seeded(seed):
        return knobs_of(model_fn)


def _measured(
    model_fn: "Callable[[], LightningModule]",
    data: Any,
    trainer_kwargs: Mapping[str, Any] | None,
    seed: int | None,
    progress_bar: bool,
    storage: "StorageLike",
) -> RangeTestResult:
    """The study's one range test, on a model of its own; or that of a study of the very same."""
    from lrtool._quiet import quiet
    from lrtool.callbacks._fingerprint import fingerprint_of
    from lrtool.callbacks._new_model import seeded
    from lrtool.callbacks._terminal_bar import TerminalBar
    from lrtool.search.reuse import FINGERPRINT, measured_before

    not_for_sweeps = {"callbacks", "max_epochs", "max_steps", "logger", "enable_progress_bar"}
    kwargs = {k: v for k, v in (trainer_kwargs or {}).items() if k not in not_for_sweeps}
    # Without a seed no two measurements are of the same weights.
    mark = None if seed is None else fingerprint_of(model_fn, data, seed, kwargs)
    known = None if mark is None else measured_before(storage, mark)
    if known is not None:
        return known
    kwargs["callbacks"] = [TerminalBar()] if progress_bar else []
    with seeded(seed), quiet():
        found = range_test(model_fn(), data() if callable(data) else data, trainer_kwargs=kwargs)
    return replace(found, context={**found.context, FINGERPRINT: mark}) if mark else found
