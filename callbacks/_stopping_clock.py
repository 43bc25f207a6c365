"""Where a training stands: moments, and phases of the learning rate's schedule."""

from dataclasses import dataclass
from itertools import count
from math import ceil, inf, isfinite
from typing import TYPE_CHECKING, Any

from torch.optim import lr_scheduler

from lrtool import param_groups
from lrtool.callbacks.schedule import ParamScheduler
from lrtool.stopping import Moment, Phase

if TYPE_CHECKING:
    from lrtool.callbacks._lightning import Trainer

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
        self._ticks = -1
        self._ticked_at = -1

    def batch_start(self, trainer: "Trainer") -> None:
        """Remember the rate of the step to come."""
        self._used_lr = _lr(trainer)

    def batch_end(self, trainer: "Trainer") -> None:
        """Notice when a torch scheduler moves: only then can a cycle of it end."""
        scheduler = _torch_cycles(trainer)
        if scheduler is not None and scheduler.last_epoch != self._ticks:
            self._ticks, self._ticked_at = scheduler.last_epoch, trainer.global_step

    def moment(self, trainer: "Trainer") -> Moment:
        """Now; `check` is left to the rule."""
        return Moment(0, trainer.global_step, _epochs_done(trainer), self._position(trainer).cycle)

    def phase(self, trainer: "Trainer") -> Phase:
        """What a check may do now."""
        position = self._position(trainer)
        if position.cycle:
            return Phase.JUDGE if position.at_end else Phase.HOLD
        return Phase.RISE if self._aware and self.rising(trainer) else Phase.JUDGE

    def at_cycle_end(self, trainer: "Trainer") -> bool:
        """Whether a cycle ends with the step just taken."""
        return self._position(trainer).at_end

    def rising(self, trainer: "Trainer") -> bool:
        """Whether the next step's rate is above the last one's."""
        step = trainer.global_step
        scheduler = _param_scheduler(trainer)
        if scheduler is not None and scheduler.schedule is not None:
            here = step + scheduler.start_step
            return scheduler.schedule(here) > scheduler.schedule(max(here - 1, 0))
        now = _lr(trainer)
        return now is not None and self._used_lr is not None and now > self._used_lr

    def _position(self, trainer: "Trainer") -> _Position:
        step = trainer.global_step
        if not self._aware or step == 0:
            return _NO_CYCLES
        scheduler = _param_scheduler(trainer)
        if scheduler is not None and scheduler.schedule is not None:
            here = step + scheduler.start_step
            cycle = scheduler.schedule.cycle(here - 1)
            return _NO_CYCLES if cycle is None else _Position(cycle.index + 1, here >= cycle.end)
        torch_scheduler = _torch_cycles(trainer)
        if torch_scheduler is None:
            return _NO_CYCLES
        done = torch_scheduler.last_epoch
        # A scheduler that moves once an epoch still stands where the last cycle ended, all through
        # the next epoch: those steps belong to the next cycle.
        fresh = self._ticked_at == step
        for index in count():
            end = _end_of_cycle(torch_scheduler, index)
            if done < end or (done == end and fresh) or end == inf:
                return _Position(index + 1, done == end)
        raise AssertionError("cycles have no end")


def min_length_met(trainer: "Trainer") -> bool:
    """Whether `min_epochs` and `min_steps` allow the training to end now."""
    loop = trainer.fit_loop
    done: int = loop.epoch_progress.current.processed  # type: ignore[attr-defined]
    epochs = done >= (loop.min_epochs or 0)
    return bool(epochs and trainer.global_step >= (trainer.min_steps or 0))


def _epochs_done(trainer: "Trainer") -> float:
    if trainer.is_last_batch:
        return trainer.current_epoch + 1.0
    batches = trainer.num_training_batches
    ready = trainer.fit_loop.epoch_loop.batch_progress.current.ready
    return trainer.current_epoch + (ready / batches if isfinite(batches) else 0.0)


def _lr(trainer: "Trainer") -> float | None:
    optimizers = trainer.optimizers
    return param_groups.get(optimizers[0], "lr") if optimizers else None


def _param_scheduler(trainer: "Trainer") -> ParamScheduler | None:
    for callback in trainer.callbacks:  # type: ignore[attr-defined]
        if isinstance(callback, ParamScheduler) and callback.schedule is not None:
            return callback
    return None


def _torch_cycles(trainer: "Trainer") -> Any:
    """The first torch scheduler of the module whose cycles are known."""
    kinds = (
        lr_scheduler.OneCycleLR,
        lr_scheduler.CosineAnnealingWarmRestarts,
        lr_scheduler.CyclicLR,
        lr_scheduler.CosineAnnealingLR,
    )
    for config in trainer.lr_scheduler_configs:
        if isinstance(config.scheduler, kinds):
            return config.scheduler
    return None


def _end_of_cycle(scheduler: Any, index: int) -> float:
    """Moves of `scheduler` after which its cycle `index` (from 0) is over."""
    if isinstance(scheduler, lr_scheduler.OneCycleLR):
        return float(scheduler.total_steps) if index == 0 else inf
    if isinstance(scheduler, lr_scheduler.CosineAnnealingWarmRestarts):
        first, factor = scheduler.T_0, scheduler.T_mult
        return float(first * sum(factor**power for power in range(index + 1)))
    if isinstance(scheduler, lr_scheduler.CyclicLR):
        return ceil((index + 1) * scheduler.total_size)
    # Cosine annealing falls for T_max, then rises and falls again: it is lowest every 2 T_max.
    return float(scheduler.T_max * (2 * index + 1))
