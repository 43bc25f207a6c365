"""How many optimizer steps a Trainer will have taken at its end, exactly, before it takes them."""

from dataclasses import dataclass
from math import ceil, inf, isfinite

from lrtool.callbacks._lightning import Trainer, callbacks_of, is_a
from lrtool.durations import Duration
from lrtool.errors import UnsupportedError
from lrtool.schedules import Horizon

__all__ = ["Position", "check_schedulers_of", "horizon_of"]


@dataclass(frozen=True)
class Position:
    """Where a run stands: optimizer steps taken, epochs finished, batches begun in this epoch."""

    step: int = 0
    epoch: int = 0
    batch: int = 0


def horizon_of(
    trainer: Trainer,
    asked: Duration | None = None,
    position: Position | None = None,
    num_batches: float | None = None,
) -> Horizon:
    """The whole run of `trainer`, in optimizer steps from global step 0.

    Args:
        trainer: its limits, accumulation and data are read.
        asked: a total that overrides the Trainer's.
        position: where the run stands; what lies behind is counted as it was, not as planned.
        num_batches: training batches of an epoch; the Trainer's own once it has its data.

    Raises:
        UnsupportedError: when the length cannot be known; the message names the fix.
    """
    batches = float(trainer.num_training_batches if num_batches is None else num_batches)
    plan = _accumulation(trainer)
    per_epoch = ceil(batches / plan[0]) if isfinite(batches) else None
    if _is_manual(trainer):
        per_epoch = None
    if asked is not None and asked.unit != "dur":
        total = asked.steps(steps_per_epoch=per_epoch, batches_per_step=plan[0])
    else:
        total = _total(trainer, batches, plan, position or Position())
        total = round(total * asked.value) if asked is not None else total
    return Horizon(total, steps_per_epoch=per_epoch, batches_per_step=plan[0])


def check_schedulers_of(trainer: Trainer) -> None:
    """Refuse a run whose length a scheduler among the callbacks cannot know, before a sweep.

    Raises:
        UnsupportedError: when the length cannot be known; the message names the fix.
    """
    for callback in callbacks_of(trainer):
        if hasattr(callback, "check_run"):
            callback.check_run(trainer)


def _total(trainer: Trainer, batches: float, plan: dict[int, int], position: Position) -> int:
    by_steps = inf if trainer.max_steps == -1 else float(trainer.max_steps)
    by_epochs = inf
    if trainer.max_epochs not in (None, -1) and isfinite(batches) and not _is_manual(trainer):
        by_epochs = position.step + _ahead(
            int(trainer.max_epochs or 0), int(batches), plan, position
        )
    total = min(by_steps, by_epochs)
    if total < 1:
        raise UnsupportedError(
            f"the run must take at least 1 optimizer step, got {int(total)} "
            f"(max_epochs={trainer.max_epochs}, max_steps={trainer.max_steps}, "
            f"batches={batches:g}); check the training data and the Trainer's limits"
        )
    if not isfinite(total):
        raise UnsupportedError(
            f"the number of optimizer steps must be known, but {_cause(trainer, batches)} "
            f"(max_epochs={trainer.max_epochs}, max_steps={trainer.max_steps}); "
            "set max_steps on the Trainer, or give the scheduler total_steps"
            + ("; both count the steps of all optimizers together" if _is_manual(trainer) else "")
        )
    return int(total)


def _ahead(epochs: int, batches: int, plan: dict[int, int], position: Position) -> int:
    """Steps still to come; an epoch's last, smaller group of batches is a step of its own."""
    total = 0
    starts = sorted(plan)
    for start, end in zip(starts, [*starts[1:], epochs], strict=True):
        whole = min(end, epochs) - max(start, position.epoch)
        total += max(0, whole) * ceil(batches / plan[start])
    if position.epoch < epochs:
        now = plan[max(start for start in starts if start <= position.epoch)]
        total -= position.batch // now
    return total


def _accumulation(trainer: Trainer) -> dict[int, int]:
    """Batches a step, by the epoch it begins at."""
    for callback in callbacks_of(trainer):
        if is_a(callback, "GradientAccumulationScheduler"):
            plan = callback.scheduling.items()
            return {0: 1, **{int(epoch): int(factor) for epoch, factor in plan}}
    return {0: int(trainer.accumulate_grad_batches)}


def _cause(trainer: Trainer, batches: float) -> str:
    if _is_manual(trainer):
        return "the module optimizes manually"
    if not isfinite(batches):
        return "the training data has no length"
    timed = any(getattr(one, "_duration", None) is not None for one in callbacks_of(trainer))
    return "max_time alone ends the run" if timed else "nothing ends the run"


def _is_manual(trainer: Trainer) -> bool:
    module = getattr(trainer, "lightning_module", None)
    return module is not None and not module.automatic_optimization
