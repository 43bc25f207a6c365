"""Where a training stands: moments, and phases of the learning rate's schedule."""

from bisect import bisect_right
from dataclasses import dataclass
from math import ceil, isfinite
from typing import Any

from torch.optim import lr_scheduler

from lrtool import param_groups
from lrtool.callbacks._lightning import Trainer, callbacks_of
from lrtool.errors import UnsupportedError
from lrtool.schedules import Schedule
from lrtool.stopping import Moment, Phase
from lrtool.torch_schedule import TorchSchedule

__all__ = ["Clock", "min_length_met"]


@dataclass(frozen=True)
class _Position:
    """In the schedule's cycles: ordinal from 1 (0 without cycles), whether at the end of one."""

    cycle: int
    at_end: bool


_NO_CYCLES = _Position(0, False)


class Clock:
    """Reads moments and phases off a Trainer.

    Args:
        schedule_aware: whether to look at the schedule of the learning rate at all.
    """

    def __init__(self, schedule_aware: bool) -> None:
        self._aware = schedule_aware
        self._used_lr: float | None = None
        self._has_cycles: bool | None = None
        self._ticks: int | None = None

    def batch_start(self, trainer: Trainer) -> None:
        """Remember the rate of the step to come, and how often a torch scheduler has moved."""
        scheduler = _torch_cycles(trainer)
        self._ticks = None if scheduler is None else scheduler.last_epoch
        self._used_lr = _lr(trainer)

    def moment(self, trainer: Trainer) -> Moment:
        """Now; `check` is left to the rule."""
        return Moment(0, trainer.global_step, _epochs_done(trainer), self._position(trainer).cycle)

    def phase(self, trainer: Trainer) -> Phase:
        """What a check may do now."""
        position = self._position(trainer)
        if position.cycle:
            return Phase.JUDGE if position.at_end else Phase.HOLD
        if not self._aware:
            return Phase.JUDGE
        if self.rising(trainer):
            return Phase.RISE
        return Phase.HOLD if _falls_yet(trainer) else Phase.JUDGE

    def demand_cycles(self, trainer: Trainer) -> None:
        """Refuse, at the first step, to count the cycles of a schedule that has none."""
        if self._has_cycles is None:
            self._has_cycles = _has_cycles(trainer)
        if not self._has_cycles:
            raise UnsupportedError(
                "counting in cycles needs a schedule with cycles, and the learning rate has none; "
                "use for example SGDRScheduler or CyclicalScheduler, or count in '3ep' or '500step'"
            )

    def at_cycle_end(self, trainer: Trainer) -> bool:
        """Whether a cycle ends with the step just taken."""
        return self._position(trainer).at_end

    def rising(self, trainer: Trainer) -> bool:
        """Whether the next step's rate is above the last one's."""
        if (active := active_schedule(trainer)) is not None:
            schedule, here = active
            return schedule(here) > schedule(max(here - 1, 0))
        now = _lr(trainer)
        return now is not None and self._used_lr is not None and now > self._used_lr

    def _position(self, trainer: Trainer) -> _Position:
        step = trainer.global_step
        if not self._aware or step == 0:
            return _NO_CYCLES
        if (active := active_schedule(trainer)) is not None:
            schedule, here = active
            return _lrtool_position(schedule, here, moved=True)
        torch_scheduler = _torch_cycles(trainer)
        if torch_scheduler is None:
            return _NO_CYCLES
        # A scheduler that moves once an epoch still stands where the last cycle ended all through
        # the next epoch: only the step it moved with ended the cycle.
        moved = torch_scheduler.last_epoch != self._ticks
        return _torch_position(torch_scheduler, torch_scheduler.last_epoch, moved)


def min_length_met(trainer: Trainer) -> bool:
    """Whether `min_epochs` and `min_steps` allow the training to end now."""
    loop = trainer.fit_loop
    done: int = loop.epoch_progress.current.processed  # type: ignore[attr-defined]
    epochs = done >= (loop.min_epochs or 0)
    return bool(epochs and trainer.global_step >= (trainer.min_steps or 0))


def _epochs_done(trainer: Trainer) -> float:
    if trainer.is_last_batch:
        return trainer.current_epoch + 1.0
    batches = trainer.num_training_batches
    ready = trainer.fit_loop.epoch_loop.batch_progress.current.ready
    return trainer.current_epoch + (ready / batches if isfinite(batches) else 0.0)


def _lr(trainer: Trainer) -> float | None:
    optimizers = trainer.optimizers
    return param_groups.get(optimizers[0], "lr") if optimizers else None


def active_schedule(trainer: Trainer) -> tuple[Schedule, int] | None:
    """The schedule of the learning rate that a callback writes, and where on it the run stands."""
    for callback in callbacks_of(trainer):
        schedule = getattr(callback, "schedule", None)
        if getattr(callback, "schedules_lr", False) and isinstance(schedule, Schedule):
            return schedule, callback._step(trainer)
    return None


def _falls_yet(trainer: Trainer) -> bool:
    """Whether the rate has an end to come down to, and is not there: a decay is half a cycle.

    The gain of a decay comes at its end. A decay without an end, as an exponential one, has none to
    wait for.
    """
    if (ours := active_schedule(trainer) or _wrapped(trainer)) is not None:
        schedule, here = ours
        return schedule.length is not None and schedule(here) > schedule(schedule.length)
    return any(_torch_falls_yet(config.scheduler) for config in trainer.lr_scheduler_configs)


def _torch_falls_yet(scheduler: Any) -> bool:
    if isinstance(scheduler, lr_scheduler.SequentialLR):
        now = bisect_right(scheduler._milestones, scheduler.last_epoch)
        return any(_torch_falls_yet(part) for part in scheduler._schedulers[now:])
    if isinstance(scheduler, lr_scheduler.ChainedScheduler):
        return any(_torch_falls_yet(part) for part in scheduler._schedulers)
    if isinstance(scheduler, lr_scheduler.CosineAnnealingLR):
        return scheduler.last_epoch < scheduler.T_max
    if isinstance(scheduler, lr_scheduler.MultiStepLR):
        return scheduler.last_epoch < max(scheduler.milestones, default=0)
    if isinstance(scheduler, lr_scheduler.PolynomialLR):
        return scheduler.last_epoch < scheduler.total_iters
    if isinstance(scheduler, lr_scheduler.LinearLR):
        falls = scheduler.end_factor < scheduler.start_factor
        return falls and scheduler.last_epoch < scheduler.total_iters
    return False


def _lrtool_position(schedule: Schedule, done: int, moved: bool) -> _Position:
    """Where `schedule` stands after `done` steps of it, the last one just now or earlier."""
    step = max(done - 1, 0) if moved else done
    cycle = schedule.cycle(step)
    if cycle is None or step >= cycle.end:  # a tail after the last cycle is not one
        return _NO_CYCLES
    return _Position(cycle.index + 1, moved and done == cycle.end)


def _wrapped(trainer: Trainer) -> tuple[Schedule, int] | None:
    """The schedule that the module runs as a torch scheduler, and where on it the run stands."""
    scheduler = _torch_cycles(trainer)
    return (
        (scheduler.schedule, scheduler.last_epoch) if isinstance(scheduler, TorchSchedule) else None
    )


def _has_cycles(trainer: Trainer) -> bool:
    """Whether the schedule has a cycle, now or at its end."""
    ours = active_schedule(trainer) or _wrapped(trainer)
    if ours is None:
        return _torch_cycles(trainer) is not None
    schedule, here = ours
    last = here if schedule.length is None else max(schedule.length - 1, 0)
    return any(schedule.cycle(step) is not None for step in (here, last))


def _torch_cycles(trainer: Trainer) -> Any:
    """The first torch scheduler of the module whose cycles are known."""
    kinds = (
        lr_scheduler.OneCycleLR,
        lr_scheduler.CosineAnnealingWarmRestarts,
        lr_scheduler.CyclicLR,
        lr_scheduler.CosineAnnealingLR,
        TorchSchedule,
    )
    for config in trainer.lr_scheduler_configs:
        if isinstance(config.scheduler, kinds):
            return config.scheduler
    return None


def _torch_position(scheduler: Any, done: int, moved: bool) -> _Position:
    """Where `scheduler` stands after `done` moves, the last one just now or earlier."""
    move = done - 1 if moved else done
    if isinstance(scheduler, TorchSchedule):
        return _lrtool_position(scheduler.schedule, done, moved)
    if isinstance(scheduler, lr_scheduler.OneCycleLR):
        index, end = 0, scheduler.total_steps
        if move >= end:
            return _NO_CYCLES
    elif isinstance(scheduler, lr_scheduler.CosineAnnealingWarmRestarts):
        index, end = 0, scheduler.T_0
        if scheduler.T_mult == 1:
            index = move // end
            end *= index + 1
        while move >= end:
            index += 1
            end += scheduler.T_0 * scheduler.T_mult**index
    elif isinstance(scheduler, lr_scheduler.CyclicLR):
        index = int(move // scheduler.total_size)
        end = ceil((index + 1) * scheduler.total_size)
    else:  # cosine annealing falls for T_max, then rises and falls again: low every 2 T_max
        index = (move + scheduler.T_max) // (2 * scheduler.T_max)
        end = (2 * index + 1) * scheduler.T_max
    return _Position(index + 1, moved and done == end)
