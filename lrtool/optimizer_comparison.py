"""compare_optimizers: which optimizer for this model, each at its own measured rate."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from math import inf, isfinite, nan
from typing import Any, Literal

import numpy as np

from lrtool import optimizers
from lrtool._check import integer, one_of, require
from lrtool._quiet import quiet
from lrtool.callbacks._borrow_data import dataset_parts
from lrtool.callbacks._fit import QUIET, copied_callbacks, fit
from lrtool.callbacks._lightning import LightningModule, namespace_of
from lrtool.callbacks._new_model import seeded
from lrtool.callbacks._recorder import LossRecorder
from lrtool.callbacks.measure import measure
from lrtool.callbacks.schedule import ParamScheduler
from lrtool.comparison import Compared, Comparison
from lrtool.optimizers import Capabilities
from lrtool.optimizers.build import class_of
from lrtool.result import RangeTestResult
from lrtool.schedules import recipe
from lrtool.schedules.registry import arguments
from lrtool.snapshot import Snapshot

__all__ = ["compare_optimizers"]


def compare_optimizers(
    model_fn: Callable[[], LightningModule],
    data: Any,
    names: Sequence[str] = ("sgdm", "adam", "adamw"),
    *,
    max_steps: int = 300,
    schedule: str = "one_cycle",
    monitor: str | None = None,
    mode: Literal["min", "max"] = "min",
    seeds: Iterable[int] = (0,),
    options: Mapping[str, Mapping[str, Any]] | None = None,
    range_test: Mapping[str, Any] | None = None,
    trainer_kwargs: Mapping[str, Any] | None = None,
) -> Comparison:
    """Measure each optimizer's rate on the same weights and batches, then train each at its own.

    Args:
        model_fn: () -> LightningModule, a fresh one each time; its `configure_optimizers` is
            replaced by each optimizer in turn.
        data: a LightningDataModule, a training loader (or a list or dict of several), a tuple
            (training, validation), or a function that makes one of these. With a function every
            training sees the same batches; loaders given as objects are put back to the same state
            before each.
        names: what to compare, as `lrtool.optimizers.create` takes them.
        max_steps: optimizer steps of each training.
        schedule: a name in `lrtool.schedules`; an optimizer that cannot bear cycles trains at its
            constant rate.
        monitor: a metric logged in validation or training; None compares the mean training loss of
            the last tenth of the steps.
        mode: whether less ("min") or more ("max") of it is better.
        seeds: one training an optimizer and seed; the range test is made once, with the first.
        options: name -> more arguments for `create`, for example
            `{"adamw": {"weight_decay": 0.1}}`.
        range_test: arguments for `lrtool.range_test`, for example `{"num_steps": 200}`.
        trainer_kwargs: more arguments for the Trainers; callbacks are copied for each.

    Raises:
        ArgumentError: for an unknown name, a schedule that needs more than a rate and a length, or
            a metric that is never logged.

    References:
        Schmidt, Schneider and Hennig, "Descending through a crowded valley", ICML 2021: optimizers
        compared fairly are compared each at its own rate.
    """
    names = list(names)
    require(bool(names) and len(set(names)) == len(names), "different optimizers", names=names)
    known = [optimizers.capabilities(name) for name in names]
    for can in known:
        class_of(can)  # a missing package is told before the first training
    integer(2, max_steps=max_steps)
    one_of("mode", mode, ("min", "max"))
    recipe(schedule).check()
    for name in options or {}:
        one_of("optimizer with options", name, names)
    seeds = tuple(seeds)
    require(bool(seeds), "at least one seed", seeds=seeds)
    lab = _Lab(model_fn, data, max_steps, monitor, dict(trainer_kwargs or {}))
    rows = []
    for name, can in zip(names, known, strict=True):
        settings = dict((options or {}).get(name, {}))
        rows.append(_compared(lab, name, can, schedule, seeds, settings, dict(range_test or {})))
    sign = 1 if mode == "min" else -1
    rows.sort(key=lambda row: sign * row.mean if isfinite(row.mean) else inf)
    metric = monitor or "training loss"
    return Comparison(tuple(rows), metric, mode, max_steps, seeds)


def _compared(
    lab: "_Lab", name: str, can: Capabilities, schedule: str, seeds: tuple[int, ...],
    settings: dict[str, Any], sweep: dict[str, Any],
) -> Compared:  # fmt: skip
    result = lab.measure(name, settings, seeds[0], sweep) if can.range_test else None
    plan = schedule if can.cycle else "constant"
    own = settings.get("lr", can.default_lr)
    if result is not None and result.suggestion.has_pick:
        why = f"measured: {result.suggestion.status.value}"
        lr = result.max_lr if "max_lr" in arguments(plan) else result.lr
    elif result is not None:
        why, lr = f"its default; no pick: {result.suggestion.status.value}", own
    else:
        why, lr = f"its default; {can.range_test.reason}", own
    measured = result if result is not None and result.suggestion.has_pick else None
    runs = [lab.train(name, settings, seed, plan, measured) for seed in seeds]
    values, losses = zip(*runs, strict=True)
    return Compared(name, can, float(lr), plan, why, result, tuple(values), tuple(losses))


class _Lab:
    """Trains models under equal conditions."""

    def __init__(
        self, model_fn: Callable[[], LightningModule], data: Any, max_steps: int,
        monitor: str | None, trainer_kwargs: dict[str, Any],
    ) -> None:  # fmt: skip
        self._model_fn = model_fn
        self._data = data
        self._start = None if callable(data) else Snapshot(data=dataset_parts(data))
        self._max_steps = max_steps
        self._monitor = monitor
        self._kwargs = trainer_kwargs

    def measure(
        self, name: str, settings: dict[str, Any], seed: int, sweep: dict[str, Any]
    ) -> RangeTestResult:
        with self._conditions(seed):
            model = self._model(name, settings)
            kwargs = {**self._kwargs, "callbacks": copied_callbacks(self._kwargs)}
            return measure(model, self._fresh_data(), trainer_kwargs=kwargs, **sweep)

    def train(
        self, name: str, settings: dict[str, Any], seed: int, schedule: str,
        measured: RangeTestResult | None,
    ) -> tuple[float, tuple[tuple[int, float], ...]]:  # fmt: skip
        with self._conditions(seed), quiet():
            model = self._model(name, settings)
            lightning = namespace_of(model)
            recorder = LossRecorder()
            scheduler = ParamScheduler(lr=schedule, range_test=measured)
            callbacks = [scheduler, recorder, *copied_callbacks(self._kwargs)]
            limits = {"max_steps": self._max_steps, "max_epochs": -1}
            trainer = lightning.Trainer(
                **{**QUIET, **limits, **self._kwargs, "callbacks": callbacks}
            )
            fit(trainer, model, self._fresh_data())
        losses = tuple(recorder.losses)
        return self._value(trainer, losses), losses

    def _value(self, trainer: Any, losses: Sequence[tuple[int, float]]) -> float:
        if self._monitor is None:
            tail = [loss for _, loss in losses[-max(1, len(losses) // 10) :]]
            return float(np.mean(tail)) if np.isfinite(tail).all() else nan
        logged = trainer.callback_metrics
        require(
            self._monitor in logged, "a monitor that the model logs",
            f"it logs {', '.join(sorted(logged)) or 'nothing'}; for a validation metric give "
            "validation data, and train for at least an epoch", monitor=self._monitor,
        )  # fmt: skip
        value = float(logged[self._monitor])
        return value if isfinite(value) else nan

    def _model(self, name: str, settings: dict[str, Any]) -> Any:
        model: Any = self._model_fn()
        model.configure_optimizers = lambda: optimizers.create(name, model, **settings)
        return model

    def _fresh_data(self) -> Any:
        return self._data() if callable(self._data) else self._data

    def _conditions(self, seed: int) -> AbstractContextManager[None]:
        if self._start is not None:
            self._start.restore()
        return seeded(seed)
