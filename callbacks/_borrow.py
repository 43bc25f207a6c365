"""Borrow a fitting Trainer for a sweep, and give all of it back.

Three ways, the cheapest that does: what the sweep needs for itself is swapped for a copy (progress,
results, metrics) or a stand-in (callbacks, loggers, profiler) and the original is never touched;
what must be the real thing (model, optimizers, scaler, schedulers) is copied and written back; the
data is walked beside the Trainer's own iterators.
"""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from copy import copy, deepcopy
from typing import Any, Literal

from lrtool.callbacks._borrow_data import SweepData
from lrtool.callbacks._borrow_step import SweepStep
from lrtool.callbacks._borrow_val import ValidationLoss
from lrtool.callbacks._lightning import Trainer, callbacks_of, submodule
from lrtool.callbacks._mute import (
    muted_callback,
    muted_logger,
    muted_profiler,
    muted_scheduler,
)
from lrtool.errors import UnsupportedError
from lrtool.random_state import RandomState
from lrtool.snapshot import Snapshot, Where, uninterrupted

__all__ = ["Loan", "borrowed"]

_ABSENT: Any = object()


class Loan:
    """A Trainer on loan.

    Attributes:
        step: takes one optimizer step on the next batch or batches; returns its loss.
        data: where the batches come from.
    """

    def __init__(
        self, trainer: Trainer, data: SweepData, step: SweepStep, state: Snapshot, hooks: list[str]
    ) -> None:
        self._trainer = trainer
        self._state = state
        self._hooks = hooks
        self.data = data
        self.step = step

    @property
    def not_restored(self) -> tuple[str, ...]:
        """What could not be given back, in words."""
        kinds = self._state.advanced
        if not kinds:
            return self.data.not_restored
        return *self.data.not_restored, (
            f"the module holds iterators ({', '.join(kinds)}) that cannot be rewound: what the "
            "sweep drew from them is gone; make them in on_train_start, and they start anew"
        )

    def open(self) -> None:
        """Run the module's hooks that come before a first batch."""
        call = submodule(self._trainer, "trainer.call")
        for hook in self._hooks:
            call._call_lightning_module_hook(self._trainer, hook)

    def rewind(self) -> None:
        """Put the initial weights, buffers and optimizer state back; the data goes on."""
        self._state.restore()
        self.open()


@contextmanager
def borrowed(
    trainer: Trainer,
    *,
    started: bool,
    optimizer: int = 0,
    where: Where = "cpu",
    val_batches: int = 0,
    monitor: str | None = None,
    mode: Literal["min", "max"] = "min",
) -> Iterator[Loan]:
    """Lend `trainer` to a sweep; everything is back when the block ends, however it ends.

    Args:
        trainer: a Trainer inside `fit`, with its loaders set up.
        started: whether the module's `on_train_start` has run already.
        optimizer: index of the optimizer whose steps count.
        where: where the copy of the weights and the optimizer state lives, "cpu" or "device".
        val_batches: validation batches to take the loss from; 0 takes the training batches'.
        monitor: with val_batches, the logged metric to read.
        mode: whether less or more of it is better.
    """
    random_state = RandomState()
    returns = ExitStack()
    try:
        state = Snapshot(
            trainer.lightning_module,
            *trainer.optimizers,
            *[vars(config.scheduler) for config in trainer.lr_scheduler_configs],
            vars(trainer.precision_plugin),
            where=where,
            skip=[trainer, getattr(trainer, "datamodule", None), *_step_hooks(trainer)],
        )
        returns.callback(random_state.restore)
        returns.callback(state.restore)
        data = SweepData(trainer)
        returns.callback(data.close)
        for owner, name, substitute in _substitutes(trainer):
            returns.callback(_put_back, owner, name, vars(owner).get(name, _ABSENT))
            setattr(owner, name, substitute)
        validation = ValidationLoss(trainer, val_batches, monitor, mode) if val_batches else None
        step = SweepStep(trainer, data, optimizer, validation)
        returns.callback(step.close)
        hooks = ["on_train_epoch_start"] if started else ["on_train_start", "on_train_epoch_start"]
        loan = Loan(trainer, data, step, state, hooks)
        groups = len(trainer.optimizers[optimizer].param_groups)
        loan.open()
        _refuse_new_groups(len(trainer.optimizers[optimizer].param_groups) - groups)
        yield loan
    finally:
        with uninterrupted():
            returns.close()


def _substitutes(trainer: Trainer) -> Iterator[tuple[Any, str, Any]]:
    """What the sweep uses in place of the Trainer's own: (owner, attribute, substitute)."""
    progress = submodule(trainer, "loops.progress")._BaseProgress
    results = submodule(trainer, "trainer.connectors.logger_connector.result")._ResultCollection
    epoch_loop = trainer.fit_loop.epoch_loop
    for loop in (
        trainer.fit_loop,
        epoch_loop,
        epoch_loop.automatic_optimization,
        epoch_loop.manual_optimization,
    ):
        for name, value in list(vars(loop).items()):
            if isinstance(value, progress):
                yield loop, name, deepcopy(value)
    yield epoch_loop, "_results", results(training=True)
    yield trainer, "_logger_connector", _twin_connector(trainer._logger_connector)
    yield trainer, "callbacks", [muted_callback(callback) for callback in callbacks_of(trainer)]
    yield trainer, "_loggers", [muted_logger(logger) for logger in trainer.loggers]
    idle = muted_profiler(submodule(trainer, "profilers").PassThroughProfiler)
    yield trainer, "profiler", idle
    yield trainer, "should_stop", False
    yield trainer, "accumulate_grad_batches", _accumulation(trainer)
    yield trainer, "save_checkpoint", lambda *_, **__: None  # a training_step may call it
    yield trainer.strategy, "lr_scheduler_configs", _muted_configs(trainer)


def _put_back(owner: Any, name: str, old: Any) -> None:
    if old is _ABSENT:  # it was the class's
        delattr(owner, name)
    else:
        setattr(owner, name, old)


def _refuse_new_groups(count: int) -> None:
    if count:
        raise UnsupportedError(
            "a range test needs every parameter group from the start, got "
            f"{count} more from on_train_start or on_train_epoch_start; make them in "
            "configure_optimizers, or sweep after that epoch, by at_epochs="
        )


def _step_hooks(trainer: Trainer) -> list[object]:
    """The registries that `SweepStep` enters and leaves by itself, in between rewinds."""
    names = ("_optimizer_step_pre_hooks", "_optimizer_step_post_hooks")
    return [vars(one).get(name) for one in trainer.optimizers for name in names]


def _twin_connector(connector: Any) -> Any:
    twin = copy(connector)
    twin._progress_bar_metrics = dict(connector._progress_bar_metrics)
    twin._logged_metrics = dict(connector._logged_metrics)
    twin._callback_metrics = dict(connector._callback_metrics)
    twin._first_loop_iter = None
    return twin


def _muted_configs(trainer: Trainer) -> list[Any]:
    twins = [copy(config) for config in trainer.lr_scheduler_configs]
    for twin in twins:
        twin.scheduler = muted_scheduler(twin.scheduler)
    return twins


def _accumulation(trainer: Trainer) -> int:
    """Batches per optimizer step in the epoch about to start, a schedule of them included."""
    for callback in callbacks_of(trainer):
        if hasattr(callback, "get_accumulate_grad_batches"):
            return int(callback.get_accumulate_grad_batches(trainer.current_epoch))
    return int(trainer.accumulate_grad_batches)
